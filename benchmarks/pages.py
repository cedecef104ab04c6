"""What the pages of a cohort weigh and take: built, and until they can be used, on cohorts of drawn scores."""

import argparse
import itertools
import random
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from workflow_lib import catalogs, ids
from workflow_lib import settings as settings_module
from workflow_lib.catalogs import combos
from workflow_lib.cohorts.membership import COLUMNS, Entry, Membership
from workflow_lib.files import dump_json, write_text
from workflow_lib.runs import Run, write_page, write_tables
from workflow_lib.settings import Settings
from workflow_lib.tables import write as write_table

SOURCE = Path(__file__).resolve().parent.parent
COHORT = "pages"
SIZES = ((300, 12), (2000, 20))
RUBRICS = ("novelty", "creativity", "scientific-rigor", "style-coherence")
JUDGES = ("sim-judge-a", "sim-judge-b", "sim-judge-c", "opus-5.5", "gpt-6.1-sol")
WRITERS = ("sim-writer-a", "sim-writer-b")
DRAFTS = ("analytical-memo-v2", "plain-v1")
WORDS, VOCABULARY = 900, 15_000
LOADS = 5


class Measured(NamedTuple):
    """One cohort; seconds of the processor until it is built, then of the clock until it can be used; bytes."""

    cohort: str
    tables_s: float
    pages_s: float
    index_bytes: int
    folder_bytes: int
    interactive_s: float | None


def main() -> None:
    """Measure the cohorts and print a table of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=[f"{a}x{b}" for a, b in SIZES], metavar="ESSAYSxEVALUATIONS")
    wanted = [tuple(map(int, size.split("x"))) for size in parser.parse_args().sizes]
    print("| cohort | tables, CPU | pages, CPU | index | html/ | interactive |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for (essays, evaluations), is_empty in itertools.product(wanted, (False, True)):
        with tempfile.TemporaryDirectory() as folder:
            print(_line(measure(Path(folder), essays, evaluations, is_empty=is_empty)), flush=True)


def measure(folder: Path, essays: int, evaluations: int, *, is_empty: bool) -> Measured:
    """Make a cohort, its tables and its pages, and open its page.

    Args:
        folder: an empty folder.
        essays, evaluations: how many essays, and of each how many evaluations.
        is_empty: nothing of it has been made yet, as at the beginning of a run that `partial=true` looks at.
    """
    settings = store(folder, essays, evaluations, is_empty=is_empty)
    tables_s, pages_s = build(settings)
    page = settings.data.cohort(COHORT).page
    size = sum(path.stat().st_size for path in page.parent.rglob("*") if path.is_file())
    name = f"{essays:,} x {evaluations}{', empty' if is_empty else ''}"
    return Measured(name, tables_s, pages_s, page.stat().st_size, size, interactive(page))


def take(folder: str, essays: int, evaluations: int) -> dict[str, float]:
    """Return the seconds that the tables and the pages of a drawn store take, imports counted."""
    run = Run(store(Path(folder), essays, evaluations, is_empty=False))
    begun = time.monotonic()
    write_tables(run, COHORT)
    tabled = time.monotonic()
    write_page(run, COHORT)
    return {"tables": tabled - begun, "pages": time.monotonic() - tabled}


def build(settings: Settings) -> tuple[float, float]:
    """Write tables and pages of the cohort; returns the seconds of processor time that each took, children counted."""
    run = Run(settings)
    began = processor_s()
    write_tables(run, COHORT)
    tabled = processor_s()
    write_page(run, COHORT)
    return tabled - began, processor_s() - tabled


def processor_s() -> float:
    """Return the seconds that this process and its ended children have kept processors busy."""
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in spent)


def interactive(page: Path) -> float | None:
    """Return the median seconds from asking for a page to its script having run; None without a browser."""
    from selenium.common.exceptions import WebDriverException

    from tests.browser import chromium

    script = "return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd / 1000"
    found = []
    try:
        with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as browser:
            for _ in range(LOADS):
                browser.get("about:blank")
                browser.get(page.as_uri())
                found.append(browser.execute_script(script))
    except WebDriverException:
        return None
    return statistics.median(found)


def store(folder: Path, essays: int, evaluations: int, *, is_empty: bool) -> Settings:
    """Write a store of essays in 4 cells per combo, with texts as long as real ones and drawn scores."""
    shutil.copytree(SOURCE / "data" / "1_raw", folder / "data" / "1_raw")
    settings = settings_module.load({"data_root": str(folder / "data"), "cohort": COHORT}, folder, {})
    entries = rows(settings, essays, evaluations)
    write_table(settings.data.cohort(COHORT).membership, COLUMNS, (entry._asdict() for entry in Membership(entries)))
    if not is_empty:
        write(settings, entries)
    return settings


def rows(settings: Settings, essays: int, evaluations: int) -> list[Entry]:
    """Return the rows of a cohort; its combos are registered."""
    known = catalogs.load(settings.data)
    cells = list(itertools.product(DRAFTS, WRITERS))
    some = itertools.islice(combos_of(known), -(-essays // len(cells)))
    registered = list(some)
    combos.register(settings.data, registered)
    entries: list[Entry] = []
    for combo, (template, writer) in itertools.islice(itertools.product(registered, cells), essays):
        draft = ids.draft_id(combo.combo_id, template, writer, 1)
        essay = ids.essay_id(draft, "plain-v1", 1)
        entries.append(Entry("draft", draft, COHORT, "", combo.combo_id, template, writer, 1))
        entries.append(Entry("essay", essay, COHORT, draft, combo.combo_id, "plain-v1", writer, 1))
        judgements = itertools.product(range(1, evaluations + 1), RUBRICS, JUDGES[: 3 if evaluations < 20 else 5])
        for replicate, rubric, judge in itertools.islice(judgements, evaluations):
            own = ids.evaluation_id(essay, rubric, judge, replicate)
            entries.append(Entry("evaluation", own, COHORT, essay, combo.combo_id, rubric, judge, replicate))
    return entries


def combos_of(known: catalogs.Catalogs) -> Iterable[combos.Combo]:
    """Return combos of 3 concepts, then of 4."""
    for size in (3, 4):
        yield from combos.enumerate_combos(known, sorted(known.concepts), [size], "paragraph")


def write(settings: Settings, entries: list[Entry]) -> None:
    """Write what a run leaves of each generation, as far as tables and pages read it."""
    dice = random.Random(1)
    # of syllables, for words of random letters would not compress as real ones do
    syllables = ["".join(part) for part in itertools.product("bdfglmnprst", "aeiou", ("", "n", "r"))]
    vocabulary = ["".join(dice.choices(syllables, k=dice.choice((1, 2, 2, 3, 3, 4)))) for _ in range(VOCABULARY)]
    # words are as frequent as in real texts: the n-th has a share of 1 / n
    frequencies = list(itertools.accumulate(1 / place for place in range(1, VOCABULARY + 1)))
    for entry in entries:
        files = settings.data.generation(entry.stage, entry.gen_id)
        score = dice.randint(2, 9)
        length = {"draft": 300, "essay": WORDS, "evaluation": 60}[entry.stage]
        body = " ".join(dice.choices(vocabulary, cum_weights=frequencies, k=length))
        is_judged = entry.stage == "evaluation"
        raw = f"{body}\nSCORE: {score}\n" if is_judged else f"# {body[:40]}\n\n{body}\n"
        write_text(files.raw, raw)
        write_text(files.parsed, f"{score}.0\n" if is_judged else raw)
        write_text(files.metadata, dump_json({"stage": entry.stage, "gen_id": entry.gen_id, "mode": "llm"}))
        write_text(files.raw_metadata, dump_json({"mode": "llm", "model": entry.llm_model_id, "cost_usd": 0.001}))


def _line(found: Measured) -> str:
    seconds = "no browser" if found.interactive_s is None else f"{found.interactive_s:.2f} s"
    return (
        f"| {found.cohort} | {found.tables_s:.1f} s | {found.pages_s:.1f} s | {found.index_bytes / 1e6:.2f} MB "
        f"| {found.folder_bytes / 1e6:.0f} MB | {seconds} |"
    )


if __name__ == "__main__":
    main()
