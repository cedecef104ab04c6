"""Time and memory of all statistical tables of a cohort of N evaluations by 10 judges, from scores in memory.

Target: 100,000 evaluations in 60 s and 2 GB on two cores.

    .venv/bin/python benchmarks/claims.py --evaluations 100000
"""

import argparse
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.simulated import Design, cohort
from workflow_lib.results import claims


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=100_000)
    parser.add_argument("--judges", type=int, default=10)
    parser.add_argument("--continuous", action="store_true", help="scores of many different values, not whole points")
    given = parser.parse_args()
    judges = {f"j{number:02}": (0.2 * number - 1, 0.6) for number in range(given.judges)}
    design = Design(judges=judges, pipeline=True, replicates=(2, 1, 1), missing=0.01, whole_points=not given.continuous)
    # 24 essays of a combo, judged by two rubrics
    combos = max(1, round(given.evaluations / (24 * given.judges * design.rubrics)))
    scores, _ = cohort(replace(design, combos=combos), seed=1)
    words = dict(zip(scores["parent_gen_id"], scores["words"], strict=True))
    background = claims.Background(words=words, usd_per_combo=1.0)
    begun, used = time.monotonic(), time.process_time()
    tables = claims.tables(scores.assign(cost_usd=0.01), background)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(scores)} evaluations  {given.judges} judges  {len(tables)} tables")
    print(f"wall {time.monotonic() - begun:.1f} s  CPU {time.process_time() - used:.1f} s  peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
