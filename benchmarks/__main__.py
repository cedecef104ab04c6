"""
Measure what is promised in figures, beside its targets and a bare asyncio client.

    .venv/bin/python -m benchmarks                short form, under 10 minutes on 2 quiet cores
    .venv/bin/python -m benchmarks --long         with 20,000 and 100,000 generations, an hour or so
    .venv/bin/python -m benchmarks --only batch   some parts; rows of others stay in the files

Writes NAME.csv, NAME.md and NAME.svg into benchmarks/results/ (NAME: short or long), and prints what became slower
since the last result that was committed. The exit code is 0 whether targets are met or not.
"""

import argparse
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from . import report, rows
from .ground import SOURCE
from .parts import FORMS, LONG, PARTS, SHORT, YARDSTICK

RESULTS = SOURCE / "benchmarks" / "results"
TOLERANCE = 1.15


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--long", action="store_true", help="the long form")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results (default: %(default)s)")
    parser.add_argument("--work", type=Path, help="where stores are made, and removed (default: the temporary folder)")
    given = parser.parse_args()
    form = LONG if given.long else SHORT
    # another part needs it too: without it nothing says how fast this machine is now
    names = [name for name in PARTS if not given.only or name in (*given.only, "yardstick")]
    found = measured(names, form.name, given.work)
    table = given.out / f"{form.name}.csv"
    everything = joined(rows.read(table.read_text()) if table.exists() and given.only else [], found)
    before = committed(form.name)
    rows.write(table, everything)
    report.write(given.out, form.name, everything, rows.slower(everything, before, YARDSTICK, TOLERANCE), bool(before))
    print(f"{report.summary(found)}\nIn {table.with_suffix('.md')}, {table.name} and {form.name}.svg.")
    for line in report.slower_lines(rows.slower(found, before, YARDSTICK, TOLERANCE), bool(before)):
        print(line)


def measured(names: list[str], form: str, work: Path | None) -> list[rows.Row]:
    """Return the rows of some parts; each is printed as soon as it is there."""
    folder = Path(tempfile.mkdtemp(prefix="daydream-benchmark-", dir=work))
    found = []
    try:
        for name in names:
            begun = time.monotonic()
            # nothing is removed before the end: file systems without a journal search long for an inode after it
            own = folder / name
            own.mkdir()
            for row in PARTS[name](own, FORMS[form]):
                found.append(row)
                print(report.line(row), flush=True)
            print(f"    {name}: {time.monotonic() - begun:.0f} s", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def joined(before: list[rows.Row], found: list[rows.Row]) -> list[rows.Row]:
    """Return the rows found, and those of before that were not measured now, in the order of before."""
    new = {row.key: row for row in found}
    kept = [new.pop(row.key, row) for row in before]
    return [*kept, *new.values()]


def committed(form: str) -> list[rows.Row]:
    """Return the rows that the last commit has; none where there is no such file, or no repository."""
    command = ["git", "-C", str(SOURCE), "show", f"HEAD:./benchmarks/results/{form}.csv"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    return rows.read(shown.stdout) if shown.returncode == 0 else []


if __name__ == "__main__":
    main()
