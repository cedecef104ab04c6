"""
A cohort through Slurm beside the same cohort in one process here: calls of L seconds, C of them in flight.

    .venv/bin/python -m benchmarks.slurm

Needs a Slurm: scripts/slurm-node start. Both runs ask a server of the offline models, so that L is what it says; each
goes from the checkpoint to the page, and their tables are compared. Prints wall time and CPU time; of the jobs on
Slurm, what they cost beside the run that submits them is their share of the machine.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from .ground import COHORT, SOURCE, Ground, Usage, server
from .report import line
from .rows import LESS, SHARE, Row

TARGET = 2.5
PROFILE = ("--profile", str(SOURCE / "profiles" / "slurm"))
# what changes between two runs of one cohort: times, and where pages lie
NOT_COMPARED = ("costs", "decision_study")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.slurm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generations", type=int, default=300, help="a multiple of 10 (default: %(default)s)")
    parser.add_argument("--latency", type=float, default=2.0, metavar="L", help="seconds (default: %(default)s)")
    parser.add_argument("--in-flight", type=int, default=32, metavar="C", help="calls (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=200, help="generations per Slurm job (default: %(default)s)")
    parser.add_argument("--work", type=Path, help="a folder that all nodes share (default: the temporary folder)")
    given = parser.parse_args()
    if subprocess.run(["scontrol", "ping"], capture_output=True, check=False).returncode:
        raise SystemExit("no Slurm answers here\nHint: scripts/slurm-node start")
    folder = Path(tempfile.mkdtemp(prefix="daydream-slurm-", dir=given.work))
    try:
        measure(folder, given.generations, given.latency, given.in_flight, given.batch)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path, generations: int, latency: float, in_flight: int, batch: int) -> None:
    """Print what both runs took, and the ratio of their wall times."""
    bound = generations * latency / in_flight
    pools = {"pools": f"{{offline: {{max_concurrent: {in_flight}}}}}"}
    here, there = Ground(folder / "here", generations), Ground(folder / "slurm", generations)
    with server(latency) as url:
        local = here.snakemake("all", "--cores", str(in_flight), url=url, **pools)
        slurm = there.snakemake("all", *PROFILE, url=url, batch=batch, **pools)
    for name, used in (("here", local), ("through Slurm", slurm)):
        print(f"{name}: {used.wall_s:.1f} s, {used.wall_s / bound:.2f} x N L / C; CPU of the driver {used.cpu_s:.1f} s")
    print(f"jobs: {jobs_of(slurm)}; tables are {'the same' if tables(here) == tables(there) else 'NOT THE SAME'}")
    measure_ = f"L = {latency:g} s, C = {in_flight}: wall time through Slurm over that of one process"
    print(line(Row(measure_, generations, slurm.wall_s / local.wall_s, "x", LESS, SHARE, TARGET)))


def jobs_of(used: Usage) -> int:
    """Return how many jobs Slurm made for a run."""
    return used.output.count("has been submitted with SLURM jobid")


def tables(ground: Ground) -> dict[str, bytes]:
    """Return the tables of a run, without those that hold times."""
    folder = ground.folder / "data" / "cohorts" / COHORT / "reports"
    found = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*.csv"))}
    return {name: path.read_bytes() for name, path in found.items() if path.stem not in NOT_COMPARED}


if __name__ == "__main__":
    main()
