"""Kill a cohort of 300 generations 20 times with calls in flight, and count what it cost.

.venv/bin/python benchmarks/chaos.py
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import chaos


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generations", type=int, default=312, help="size of the cohort, a multiple of 24")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="daydream-chaos-") as folder:
        done = chaos.run(Path(folder), given.generations, given.kills, given.seed)
    stages = Counter(stage for calls in done.in_flight for stage in set(calls))
    print(f"generations {done.generations}, all answered: {done.kept == done.generations}")
    print(f"kills {len(done.in_flight)}, with calls in flight of {dict(stages)}")
    print(f"calls in flight at the kills {sum(map(len, done.in_flight))}, dropped by the server {done.dropped}")
    print(f"answers delivered {sum(done.delivered.values())}, not in the journal {done.lost}")
    print(f"asked again though the answer was kept: {len(done.twice)}")
    print(f"listed as maybe billed {done.maybe_billed}")
    print(f"tables as of an undisturbed run: {done.same_tables}")
    return 0 if done.same_tables and not done.twice else 1


if __name__ == "__main__":
    sys.exit(main())
