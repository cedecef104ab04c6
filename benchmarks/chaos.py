"""Attack small cohorts with calls in flight, one store per attack, and print what each cost.

.venv/bin/python benchmarks/chaos.py [PART OF A NAME ...]

tries: requests that the server got; billed: those that it answered or dropped; kept: answers in the journal;
listed: tries that `daydream status` lists as maybe billed; lost: billed and neither kept nor listed; twice: requests
for a generation whose answer was kept before.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import chaos
from tests.project import heed_interrupts

COLUMNS = ("attack", "tries", "billed", "kept", "listed", "lost", "twice", "s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", metavar="PART", nargs="*", help="only attacks with this in their name")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    heed_interrupts()
    chosen = [name for name in chaos.possible() if not given.parts or any(part in name for part in given.parts)]
    print(_line(COLUMNS))
    wrong = 0
    for name in chosen:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="daydream-chaos-") as folder:
            bill = chaos.attack(Path(folder), name, given.seed)
        seconds = time.monotonic() - begun
        figures = (bill.tries, bill.billed, bill.kept, bill.listed, bill.lost, bill.twice)
        print(_line((name, *figures, f"{seconds:.0f}")), flush=True)
        wrong += bill.lost + bill.twice
    print(f"{len(chosen)} attacks; billed answers lost or bought again: {wrong}")
    return 1 if wrong else 0


def _line(cells: tuple[object, ...]) -> str:
    widths = (26, 7, 8, 6, 8, 6, 7, 5)
    return "".join(str(cell).ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


if __name__ == "__main__":
    sys.exit(main())
