"""What is measured: each part takes an empty folder and yields its rows as soon as it has them."""

import csv
import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .ground import COHORT, SOURCE, Ground, Usage, apart, run, server, snakemake
from .rows import LESS, MEMORY, MORE, PROCESSOR, SHARE, WALL, Row

YARDSTICK = "a bare asyncio client, L = 0: CPU per call"
PLAIN, BATCH = "plain", "batch"
COST = "{mode}, L = 0: CPU per generation"
BATCH_SIZE = 200
CORES_WITHOUT_LATENCY = 16
STORE_SIZE = 1_000
"""Generations above which a cohort is large enough for figures of its store."""
IN_PROPORTION = 20_000
"""Generations that the targets of a second and of a dry run are given for."""
EVALUATIONS = 100_000
"""That the targets of tables and pages are given for."""


@dataclass(frozen=True)
class Form:
    """How much is measured.

    Attributes:
        name: of the files.
        plain, batch: sizes of the cohorts without latency, ascending.
        bare_rounds: calls per connection of the bare client; it needs no more to show what a call takes.
        shapes: of the tables over drawn scores, see `tables`.
        slices: size of the cohort that is made in two slices.
        pages: essays and evaluations of each, whose pages are built, see `pages`.
    """

    name: str
    plain: tuple[int, ...]
    batch: tuple[int, ...]
    bare_rounds: int
    shapes: tuple[str, ...]
    slices: int
    pages: tuple[int, int]


SHORT = Form("short", (100, 1_000), (100, 1_000, 5_000), 2, ("many essays",), 5_000, (500, 20))
LONG = Form(
    "long",
    (100, 1_000, 20_000),
    (100, 1_000, 20_000, 100_000),
    10,
    ("many essays", "seven rubrics", "three replicates"),
    20_000,
    (5_000, 20),
)
FORMS = {form.name: form for form in (SHORT, LONG)}

LATENCIES = ((2.0, 64, 1.20), (10.0, 128, 1.08))
"""Seconds per call, calls in flight, and the most that a run may take above the least it needs."""
WITH_LATENCY = 2_430


def with_latency(folder: Path, form: Form) -> Iterator[Row]:
    """Yield the wall time of whole runs as a ratio to the least that their calls need, N L / C."""
    for latency, in_flight, target in LATENCIES:
        ground = Ground(folder / f"{latency:g}", WITH_LATENCY)
        with server(latency) as url:
            used = ground.snakemake("all", "--cores", str(in_flight), url=url)
            calls = form.bare_rounds * in_flight
            bare, _ = apart(folder, "bare", "ask_again", url, ground.gens, calls, in_flight)
        yield Row(
            f"L = {latency:g} s, C = {in_flight}: wall time over N L / C",
            WITH_LATENCY,
            used.wall_s * in_flight / (WITH_LATENCY * latency),
            "x",
            LESS,
            SHARE,
            target,
            bare["wall_s"] * in_flight / (calls * latency),
            used.cpu_s,
            used.peak_mb,
        )


def yardstick(folder: Path, form: Form) -> Iterator[Row]:
    """Yield what a call costs a bare asyncio client here: other machines, and busy ones, are measured by it."""
    ground = Ground(folder / "bare", 100)
    with server(0) as url:
        ground.snakemake("drafts", url=url)
        bare, _ = apart(folder, "bare", "ask_again", url, ground.gens, 2_000, CORES_WITHOUT_LATENCY)
    yield Row(YARDSTICK, 2_000, 1000 * bare["cpu_s"] / bare["calls"], "ms", LESS, PROCESSOR)
    yield Row("a bare asyncio client, L = 0: calls per second", 2_000, bare["calls"] / bare["wall_s"], "/s", MORE, WALL)


def plain(folder: Path, form: Form) -> Iterator[Row]:
    """Yield what a job per call takes where calls take no time, and what a dry run of as many takes."""
    costs: list[tuple[int, float]] = []
    for size in form.plain:
        ground = Ground(folder / f"{size}", size)
        used = ground.snakemake("all", "--cores", str(CORES_WITHOUT_LATENCY))
        costs.append((size, used.cpu_s))
        if size > form.plain[0]:
            in_calls = size / ground.seconds_of_calls()
            yield _rate("plain, L = 0: generations per second while it calls", size, in_calls, 80, used)
            yield _rate("plain, L = 0: generations per second in all", size, size / used.wall_s, 55, used)
        yield _cost(PLAIN, size, used)
    yield _flatness(PLAIN, costs)


def batch(folder: Path, form: Form) -> Iterator[Row]:
    """Yield what batch mode takes where calls take no time, and what is done with the store that it leaves."""
    costs: list[tuple[int, float]] = []
    for size in form.batch:
        ground = Ground(folder / f"{size}", size)
        if size > STORE_SIZE:
            yield from _of_new(ground)
        used = ground.snakemake("all", "--cores", str(CORES_WITHOUT_LATENCY), batch=BATCH_SIZE)
        costs.append((size, used.cpu_s))
        if size > form.batch[0]:
            yield _rate("batch mode, L = 0: generations per second in all", size, size / used.wall_s, 200, used)
        yield _cost(BATCH, size, used)
        if size > STORE_SIZE:
            yield from _of_finished(ground)
    yield _flatness(BATCH, costs)


def _of_new(ground: Ground) -> Iterator[Row]:
    ground.snakemake("cohort", "--cores", "1")
    if ground.generations <= IN_PROPORTION:
        yield _seconds("dry run of new generations", ground, ground.snakemake("all", "-n", "--quiet"), 60)
    chunks = ground.snakemake("all", "-n", "--quiet", batch=BATCH_SIZE)
    yield _seconds("dry run of new generations, batch mode", ground, chunks)
    yield _seconds("daydream plan, before a call", ground, ground.daydream("plan", "--cohort", COHORT))


def _of_finished(ground: Ground) -> Iterator[Row]:
    yield _seconds("second run of finished generations", ground, ground.snakemake("all", "--cores", "16"), 8)
    for command in ("plan", "status", "export"):
        yield _seconds(f"daydream {command}, all finished", ground, ground.daydream(command, "--cohort", COHORT))
    yield _seconds("daydream check, all finished", ground, ground.daydream("check", codes=(0, 1)))
    evaluations = ground.generations * 3 // 5
    for what in ("tables", "pages"):
        _, used = apart(ground.folder, "reports", "write", what, ground.folder, COHORT)
        yield Row(
            f"evaluations of a store: {what}",
            evaluations,
            used.wall_s,
            "s",
            LESS,
            WALL,
            60 * evaluations / EVALUATIONS,
            cpu_s=used.cpu_s,
            peak_mb=used.peak_mb,
        )


def slices(folder: Path, form: Form) -> Iterator[Row]:
    """Yield how fast two slices of a cohort are made at once, in batch mode, and then its tables and pages."""
    size = form.slices
    ground = Ground(folder / f"{size}", size)

    def of_slice(shard: str) -> Usage:
        options = ("--nolock", "--cores", str(CORES_WITHOUT_LATENCY))
        return ground.snakemake("all", *options, batch=BATCH_SIZE, shard=shard)

    begun = time.monotonic()
    expansion = ground.snakemake("cohort", "--cores", "1")
    with ThreadPoolExecutor() as both:
        made = list(both.map(of_slice, ("1/2", "2/2")))
    used = [expansion, *made, ground.snakemake("all", "--cores", str(CORES_WITHOUT_LATENCY))]
    measure, cpu_s = "batch mode, two slices at once, L = 0: generations per second", sum(one.cpu_s for one in used)
    peak_mb = max(one.peak_mb for one in used)
    in_all, in_calls = size / (time.monotonic() - begun), size / max(one.wall_s for one in made)
    yield Row(f"{measure} while they are made", size, in_calls, "/s", MORE, WALL, cpu_s=cpu_s, peak_mb=peak_mb)
    yield Row(f"{measure} in all", size, in_all, "/s", MORE, WALL, cpu_s=cpu_s, peak_mb=peak_mb)


def of_drawn_scores(folder: Path, form: Form) -> Iterator[Row]:
    """Yield what all tables of 100,000 evaluations by 10 judges take, reading the store left out."""
    for shape in form.shapes:
        found, used = apart(folder, "tables", "measure", shape, EVALUATIONS, 10)
        wall, about = found["wall_s"], f"tables of drawn scores, {shape}"
        yield Row(about, found["evaluations"], wall, "s", LESS, WALL, 60, cpu_s=found["cpu_s"], peak_mb=used.peak_mb)
        yield Row(f"{about}: memory", found["evaluations"], used.peak_mb, "MB", LESS, MEMORY, 2000)


def of_pages(folder: Path, form: Form) -> Iterator[Row]:
    """Yield what tables and pages of a drawn store take, many evaluations to an essay."""
    essays, each = form.pages
    found, used = apart(folder, "pages", "take", folder, essays, each)
    evaluations = essays * each
    target = 60 * evaluations / EVALUATIONS
    for what in ("tables", "pages"):
        measure = f"evaluations of a drawn store, {each} to an essay: {what}"
        yield Row(measure, evaluations, found[what], "s", LESS, WALL, target, peak_mb=used.peak_mb)


def of_states(folder: Path, form: Form) -> Iterator[Row]:
    """Yield what it takes to know the states of 20,000 generations."""
    found, _ = apart(folder, "state", "measure", folder, 20_000)
    for what, cpu_s in found.items():
        yield Row(f"state of the store: {what}", 20_000, cpu_s, "s of CPU", LESS, PROCESSOR)


def of_expansion(folder: Path, form: Form) -> Iterator[Row]:
    """Yield what the expansion of 100,000 rows takes."""
    found, used = apart(folder, "expand", "measure", folder, 100_000)
    for what, wall_s in found.items():
        yield Row(f"expansion of rows, {what}", 100_000, wall_s, "s", LESS, WALL, 10)
    yield Row("expansion of rows: memory", 100_000, used.peak_mb, "MB", LESS, MEMORY, 1000)


def of_the_demo(folder: Path, form: Form) -> Iterator[Row]:
    """Yield what a dry run of the finished demo takes."""
    for part in (Path("1_raw"), Path("cohorts", "demo", "spec")):
        shutil.copytree(SOURCE / "data" / part, folder / "data" / part)
    run(snakemake("all", "--cores", str(CORES_WITHOUT_LATENCY), cohort="demo"), folder)
    used = min((run(snakemake("all", "-n", cohort="demo"), folder) for _ in range(3)), key=lambda one: one.wall_s)
    yield Row("snakemake -n on the finished demo", 486, used.wall_s, "s", LESS, WALL, 2, cpu_s=used.cpu_s)


def of_calibration(folder: Path, form: Form) -> Iterator[Row]:
    """Yield how many claims of the tables failed when they were last tried (`benchmarks/calibration.py`)."""
    with open(SOURCE / "benchmarks" / "results" / "calibration.csv", newline="", encoding="utf-8") as stream:
        verdicts = [record["verdict"] for record in csv.DictReader(stream)]
    yield Row("calibration: claims that fail", len(verdicts), verdicts.count("FAILS"), "claims", LESS, SHARE, 0)


PARTS: dict[str, Callable[[Path, Form], Iterator[Row]]] = {
    "yardstick": yardstick,
    "latency": with_latency,
    "plain": plain,
    "batch": batch,
    "slices": slices,
    "tables": of_drawn_scores,
    "pages": of_pages,
    "states": of_states,
    "expansion": of_expansion,
    "demo": of_the_demo,
    "calibration": of_calibration,
}


def _rate(measure: str, size: int, value: float, target: float, used: Usage) -> Row:
    return Row(measure, size, value, "/s", MORE, WALL, target, cpu_s=used.cpu_s, peak_mb=used.peak_mb)


def _cost(mode: str, size: int, used: Usage) -> Row:
    value = 1000 * used.cpu_s / size
    return Row(COST.format(mode=mode), size, value, "ms", LESS, PROCESSOR, cpu_s=used.cpu_s, peak_mb=used.peak_mb)


def _flatness(mode: str, costs: list[tuple[int, float]]) -> Row:
    """Return what one more generation costs at the largest size, over what it costs at the smallest."""
    steps = [(cpu - less) / (size - before) for (before, less), (size, cpu) in itertools.pairwise(costs)]
    measure = f"{mode}, L = 0: CPU of one more generation, large cohort over small"
    return Row(measure, costs[-1][0], steps[-1] / steps[0], "x", LESS, SHARE, 1.2)


def _seconds(measure: str, ground: Ground, used: Usage, target: float | None = None) -> Row:
    """Return the wall time of a command; a target that is given for 20,000 generations counts in proportion."""
    share = ground.generations / IN_PROPORTION
    wanted = None if target is None else target * share
    return Row(
        measure, ground.generations, used.wall_s, "s", LESS, WALL, wanted, cpu_s=used.cpu_s, peak_mb=used.peak_mb
    )
