"""Wall time of a cohort above the least that its calls can take, N * L / C, and CPU time per generation.

Runs a cohort of about N generations against `daydream serve-offline` with a latency of L seconds and C calls in
flight, from the checkpoint to the last table, in a temporary folder:

    .venv/bin/python benchmarks/overhead.py --generations 500 --latency 0.5 --concurrency 32
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent

SPEC = """
combos: {{concepts: [default-mode-network, combinatorial-creativity], k: 2}}
axes:
  draft_template: [analytical-memo-v2]
  draft_llm: [sim-writer-a]
  draft_replicate: [{drafts}]
  essay_template: [structured-analysis-v2]
  evaluation_template: [novelty]
  evaluation_llm: [sim-judge-a, sim-judge-b]
  evaluation_replicate: [1]
output: {{field_order: [combo_id, draft_template, draft_llm, draft_replicate]}}
"""
PER_DRAFT = 4  # itself, an essay, two judgements


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generations", type=int, default=500, help="calls in all, a multiple of 4")
    parser.add_argument("--latency", type=float, default=0.5, help="seconds per call; 0 asks the models in-process")
    parser.add_argument("--concurrency", type=int, default=32, help="calls in flight")
    parser.add_argument("--batch", type=int, default=0, help="generations per batch job; 0 is off")
    parser.add_argument("--keep", type=Path, help="folder to work in, kept afterwards")
    given = parser.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="daydream-benchmark-"))
    try:
        measure(folder, given)
    finally:
        if not given.keep:
            shutil.rmtree(folder)


def measure(folder: Path, given: argparse.Namespace) -> None:
    drafts = given.generations // PER_DRAFT
    spec = folder / "data" / "cohorts" / "bench" / "spec" / "config.yaml"
    spec.parent.mkdir(parents=True)
    spec.write_text(SPEC.format(drafts=", ".join(str(number + 1) for number in range(drafts))))
    shutil.copytree(SOURCE / "data" / "1_raw", folder / "data" / "1_raw")
    environment = dict(os.environ)
    server = None
    if given.latency:
        server = subprocess.Popen(
            [sys.executable, "-m", "workflow_lib", "serve-offline", "--latency", str(given.latency)],
            cwd=SOURCE,
            stdout=subprocess.PIPE,
            text=True,
        )
        environment["DD_OFFLINE_BASE_URL"] = server.stdout.readline().split()[-1]
    command = [sys.executable, "-m", "snakemake", "-s", str(SOURCE / "Snakefile"), "--cores", str(given.concurrency)]
    command += ["--config", "cohort=bench", f"batch={given.batch}", "--", "results"]
    try:
        begun = time.monotonic()
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
        wall = time.monotonic() - begun
        # the server is not among them: only children that have ended count
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    finally:
        if server:
            server.terminate()
    calls = drafts * PER_DRAFT
    bound = calls * given.latency / given.concurrency
    print(f"generations {calls}  latency {given.latency:g} s  in flight {given.concurrency}  batch {given.batch}")
    print(f"wall {wall:.1f} s  bound {bound:.1f} s  ratio {wall / bound if bound else float('nan'):.2f}")
    print(f"overhead {1000 * (wall - bound) / calls:.1f} ms per generation  rate {calls / wall:.1f} generations/s")
    print(f"CPU {1000 * (used.ru_utime + used.ru_stime) / calls:.1f} ms per generation, snakemake's start included")


if __name__ == "__main__":
    main()
