"""Print the table of attacks: python -m tests.faults [PART OF A NAME ...]"""

import resource
import sys
import tempfile
from pathlib import Path

from tests.faults import trial
from tests.faults.attacks import ATTACKS

COLUMNS = ("attack", "ends", "tries", "billed", "kept", "listed", "lost", "bill $", "counted $", "key", "trace", "s")


def main(parts: list[str]) -> int:
    """Run the attacks whose names hold one of the parts (all without any); returns 1 if something was lost."""
    chosen = [name for name in ATTACKS if not parts or any(part in name for part in parts)]
    print(_line(COLUMNS))
    lost = 0
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            seen = trial.alone(Path(folder), name)
        always = seen.outcomes["always"]
        lost += seen.total("lost")
        figures = [seen.total(figure) for figure in ("requests", "billed", "kept", "listed", "lost")]
        leaks = len(seen.key_in) + (trial.KEY in seen.output)
        traces = seen.output.count("Traceback")
        cells = [name, always.parse or always.ends, *figures, f"{seen.bill_usd:.3f}", f"{seen.counted_usd:.3f}"]
        print(_line([*cells, leaks, traces, f"{seen.seconds:.1f}"]), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(chosen)} attacks, {lost} billed answers lost; most memory used: {peak:.0f} MB")
    return 1 if lost else 0


def _line(cells: object) -> str:
    widths = (32, 18, 6, 7, 5, 7, 5, 8, 10, 4, 6, 5)
    return "".join(str(cell).ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
