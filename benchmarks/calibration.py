"""
Are the tables' claims true? Cohorts with a known truth go through the public functions of `workflow_lib.statistics`.

    .venv/bin/python benchmarks/calibration.py                short form, under 10 minutes on 2 cores
    .venv/bin/python benchmarks/calibration.py --scale 10     long form, ten times the cohorts
    .venv/bin/python benchmarks/calibration.py --docs         also puts the table into docs/statistics.md

Writes calibration.csv and calibration.md into benchmarks/results/ (--out): per claim and kind of cohort its measured
figure, the Monte-Carlo standard error of that over cohorts, its target, and a verdict. Same seed, same table. The
exit code is 1 where a claim fails. `studies` lists the kinds of cohorts, `simulated` has the model that scores are
drawn from, `measured` what is held against the truth.
"""

import argparse
import csv
import itertools
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from zlib import crc32

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# one thread per process: the processes fill the cores
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks import measured
from benchmarks.studies import Study, studies

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
COMMAND = ".venv/bin/python benchmarks/calibration.py --docs"
COLUMNS = ("table", "claim", "cohorts_of", "cohorts", "measured", "mc_error", "target", "verdict")
SEED = 20250101
CHUNK = 5

COVERAGE, CONSERVATIVE = 0.93, 0.97
ALARMS = 0.05
BIAS = 0.05
"""Of the sum of all variances, or points of 9."""
POWER = 0.80
ERRORS, ERRORS_OF_KIND = 2, 3
"""Monte-Carlo standard errors that a figure may miss its target by: over all kinds of cohorts, and in one of many."""

OK, FAILS, LABEL, SHOWN = "holds", "FAILS", "conservative", ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the cohorts; 10 is the long form")
    parser.add_argument(
        "--tables", nargs="*", choices=sorted(measured.PARTS), help="only these; rows of others stay in the files"
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of calibration.csv and calibration.md")
    parser.add_argument("--docs", action="store_true", help="put the table into docs/statistics.md, too")
    given = parser.parse_args()
    wanted = [study for study in studies(given.scale) if not given.tables or study.table in given.tables]
    begun = time.monotonic()
    rows = table(run(wanted, given.seed, given.processes))
    if given.tables:
        rows = _in_order([*rows, *(row for row in _written(given.out) if row["table"] not in given.tables)])
    write(given.out, rows)
    print(markdown(rows))
    cohorts = sum(study.cohorts for study in wanted)
    print(f"\n{cohorts} cohorts in {time.monotonic() - begun:.0f} s with {given.processes} processes")
    if given.docs:
        from tests import reference

        page = reference.DOCS / "statistics.md"
        page.write_text(reference.page(page.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(any(row["verdict"] == FAILS for row in rows))


Found = dict[tuple[str, str, str], list[float]]
"""(table, claim, kind of cohort) -> a figure per cohort."""


def run(wanted: Sequence[Study], seed: int = SEED, processes: int | None = 1) -> Found:
    """Simulate and measure; the same figures whatever the number of processes, and what else is wanted."""
    tasks = [
        (
            study,
            [seed, crc32(repr((study.table, study.design)).encode())],
            range(start, min(start + CHUNK, study.cohorts)),
        )
        for study in wanted
        for start in range(0, study.cohorts, CHUNK)
    ]
    found: Found = defaultdict(list)
    with ProcessPoolExecutor(processes) if processes != 1 else nullcontext() as pool:
        work = (map if pool is None else pool.map)(_measure, *zip(*tasks, strict=True))
        for key, value in itertools.chain.from_iterable(work):
            found[key].append(value)
    return found


def _measure(study: Study, seed: Sequence[int], numbers: Iterable[int]) -> list[tuple[tuple[str, str, str], float]]:
    found = []
    for number in numbers:
        figures = measured.PARTS[study.table](study.design, (*seed, number))
        for claim, value in figures.items():
            kind = study.kind if _is_alarm(claim) else f"{study.kind}, {study.missing}"
            found.append(((study.table, claim, kind), float(value)))
    return found


def table(found: Mapping[tuple[str, str, str], Sequence[float]]) -> list[dict[str, object]]:
    """Return one row per claim and kind of cohort (`COLUMNS`), in the order of `found`, claims together."""
    tables = {name: place for place, name in enumerate(measured.PARTS)}
    claims = {key[:2]: place for place, key in reversed(list(enumerate(found)))}
    rows = []
    for key in sorted(found, key=lambda key: (tables[key[0]], claims[key[:2]])):
        values = np.array([value for value in found[key] if not np.isnan(value)])
        if len(values) < 2:
            continue
        value, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
        target, verdict = judged(key[1], value, error, len(values), ERRORS_OF_KIND)
        shown = (*key, len(values), f"{value:.3f}", f"{error:.3f}", target, verdict)
        rows.append(dict(zip((COLUMNS[0], *COLUMNS[1:]), shown, strict=True)))
    return rows


def judged(claim: str, value: float, error: float, cohorts: int, errors: int = ERRORS) -> tuple[str, str]:
    """Return the target of a claim, and whether a figure with this Monte-Carlo error meets it."""
    if _is_coverage(claim):
        # cohorts that all hold the truth have no spread to measure an error by
        within = errors * max(error, np.sqrt(COVERAGE * (1 - COVERAGE) / cohorts) if value in (0.0, 1.0) else 0.0)
        holds = LABEL if value > CONSERVATIVE else OK
        return f">= {COVERAGE}", FAILS if value < COVERAGE - within else holds
    if _is_alarm(claim):
        within = errors * max(error, np.sqrt(ALARMS * (1 - ALARMS) / cohorts))
        return f"<= {ALARMS}", FAILS if value > ALARMS + within else OK
    if claim.startswith("power at"):
        return f"{POWER:.2f} +- {BIAS}", OK if abs(value - POWER) <= BIAS + errors * error else FAILS
    if claim.startswith(("variance of", "bias of", "winner's bias, adjusted", "expected reliability", "detectable")):
        return f"0 +- {BIAS}", OK if abs(value) <= BIAS + errors * error else FAILS
    return "", SHOWN


def _is_coverage(claim: str) -> bool:
    return claim.startswith(("interval", "rank interval", "top group holds"))


def _is_alarm(claim: str) -> bool:
    return claim.startswith(("any ", "clear with the wrong sign", "alpha above 0"))


def write(folder: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write calibration.csv and calibration.md."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "calibration.csv", "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (folder / "calibration.md").write_text(markdown(rows) + "\n", encoding="utf-8")


def _written(folder: Path) -> list[dict[str, object]]:
    path = folder / "calibration.csv"
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as handle:
        return [dict(row) for row in csv.DictReader(handle)]


def _in_order(rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    order = list(measured.PARTS)
    return sorted(rows, key=lambda row: order.index(str(row["table"])))


def markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """Return the table for people: a row per claim, over all kinds of cohorts and in the kind that is worst for it."""
    lines = []
    for name in dict.fromkeys(row["table"] for row in rows):
        lines += [f"**{name}.csv**", "", _line(SHORT), _line(["---"] * len(SHORT))]
        own = [row for row in rows if row["table"] == name]
        for claim in dict.fromkeys(str(row["claim"]) for row in own):
            lines.append(_line(_in_short(claim, [row for row in own if row["claim"] == claim])))
        lines.append("")
    failed = sum(row["verdict"] == FAILS for row in rows)
    lines.append(f"{len(rows)} kinds of claims and cohorts, {failed} of them fail. Made by `{COMMAND}`.")
    return "\n".join(lines)


SHORT = ("claim", "cohorts", "measured", "in the worst kind", "which is", "target", "verdict")


def _in_short(claim: str, rows: Sequence[Mapping[str, object]]) -> list[object]:
    counts = np.array([float(row["cohorts"]) for row in rows])
    values = np.array([float(row["measured"]) for row in rows])
    errors = np.array([float(row["mc_error"]) for row in rows])
    value = values @ counts / counts.sum()
    error = np.sqrt(((errors * counts) ** 2).sum()) / counts.sum()
    target, verdict = judged(claim, value, error, int(counts.sum()))
    if FAILS in {row["verdict"] for row in rows}:
        verdict = FAILS
    if _is_coverage(claim):
        worst = int(values.argmin())
    else:
        worst = int((np.abs(values - POWER) if claim.startswith("power at") else np.abs(values)).argmax())
    of_worst = ("", "") if verdict == SHOWN else (_figure(values[worst], errors[worst]), rows[worst]["cohorts_of"])
    return [claim, int(counts.sum()), _figure(value, error), *of_worst, target, verdict]


def _figure(value: float, error: float) -> str:
    return f"{value:.3f} ± {error:.3f}"


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
