"""What the rules ask of the library: which files a job reads, which work is open [SPEC 6]."""

import atexit
import contextlib
import itertools
import json
import os
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from . import catalogs as catalogs_module
from . import cohorts, generations
from .calls import Caller, Log
from .calls.committed import sum_of
from .calls.endpoints import OFFLINE
from .calls.journal import Journal
from .catalogs import combos
from .cohorts import Source
from .cohorts.membership import Entry, Membership
from .errors import ConfigError, DayDreamError, MembershipError, nearest
from .files import create_exclusively, dump_json, read_json, read_recorded, sha256_text, write_json
from .generations import batches, failures, parsing, preflight, work
from .generations.state import States
from .paths import PARSED, RAW, Generation
from .results import shown
from .settings import Settings
from .stages import FIRST, JUDGING, PARENT_STAGE, STAGES
from .tables import read_rows


class Run:
    """One run of the workflow: its settings and cohorts, and what is known of them by now."""

    def __init__(self, settings: Settings, sources: dict[str, Source] | None = None):
        self.settings = settings
        self.data = settings.data
        if sources is not None:
            self.sources = sources
        self._warned: set[str] = set()
        self._with_key: set[str] = set()
        self._memberships: dict[str, tuple[int, Membership]] = {}
        self._chunks: dict[str, dict[str, batches.Chunk]] = {}
        self._findings: dict[str, list[preflight.Finding]] = {}

    @cached_property
    def sources(self) -> dict[str, Source]:
        """The cohorts of this run by id, in the order given.

        Raises:
            ConfigError: no cohort is named, or one that does not exist.
        """
        names = self.settings.cohorts or (["auto"] if self.settings.auto else [])
        if not names:
            raise ConfigError(
                "no cohort is chosen",
                f"set `cohort` in config.yaml, or --config cohort=NAME; {nearest('', cohorts.existing(self.settings))}",
            )
        found = (cohorts.resolve(self.settings, name) for name in names)
        return {source.cohort_id: source for source in found}

    def membership(self, cohort_id: str) -> Membership:
        """Return a cohort's membership as written; read again only when the file has changed."""
        path = self.data.cohort(cohort_id).membership
        try:
            changed = path.stat().st_mtime_ns
        except FileNotFoundError:
            raise MembershipError(path, "", "no such file", "run `snakemake cohort` first") from None
        known = self._memberships.get(cohort_id)
        if known is None or known[0] != changed:
            known = (changed, cohorts.load_membership(self.settings, cohort_id))
            self._memberships[cohort_id] = known
        return known[1]

    def wanted(self, cohort_id: str) -> Membership:
        """Return the part of a cohort that this run is limited to by `shard`, else all of it."""
        whole = self.membership(cohort_id)
        shard = self.settings.shard
        if not shard:
            return whole
        index, count = (int(part) for part in shard.split("/"))
        return whole.shard(index, count)

    def entry(self, stage: str, gen_id: str) -> Entry:
        """Return the row of a generation; the first cohort of the run that has it is its origin.

        Raises:
            ConfigError: no cohort of this run has it; the message says where it does occur.
        """
        for cohort_id in self.sources:
            found = self.membership(cohort_id).by_id.get(gen_id)
            if found is not None and found.stage == stage:
                return found
        raise self._unknown(stage, gen_id)

    def _unknown(self, stage: str, gen_id: str) -> ConfigError:
        elsewhere = [
            name
            for name in cohorts.existing(self.settings)
            if name not in self.sources and _has_row(self.data.cohort(name).membership, stage, gen_id)
        ]
        hint = f"it is in: {', '.join(elsewhere)}; add --config cohort={elsewhere[0]}" if elsewhere else None
        return ConfigError(
            f"{stage} {gen_id} is not in cohort {', '.join(self.sources)}",
            hint or "it is in no cohort; membership.csv lists the gen_ids there are",
        )

    def needs_parse(self, entry: Entry) -> bool:
        """Return whether parsed.txt has to be made (again), or a file beside raw.txt is gone and comes back with it."""
        then = parsing.baseline(self.data, entry)
        return generations.needs_parse(self.settings, entry, then) or generations.lacks_files(self.settings, entry)

    def newest_file(self, *, shared: bool) -> Path:
        """Return a file that is newer than all outputs.

        Args:
            shared: it lies in the data root, where other hosts see it, until the process ends; else nothing is
                written there (a dry run).
        """
        return _file_of_now(self.data.coordination if shared else None)

    def label(self, cohort_id: str) -> str:
        """Return what a report calls a cohort: results of offline models must not pass for real ones."""
        models = catalogs_module.load(self.data).models
        used = {entry.llm_model_id for entry in self.membership(cohort_id)}
        offline = any(models[name].endpoint == OFFLINE for name in used if name in models)
        return f"{cohort_id} (offline models)" if offline else cohort_id

    def template_file(self, entry: Entry) -> list[Path]:
        """Return the template that a generation's prompt is made with; none in copy mode or if it is gone."""
        template = catalogs_module.load(self.data).templates[entry.stage].get(entry.template_id)
        if template is None or template.copies:
            return []
        path = self.data.template(entry.stage, entry.template_id)
        return [path] if path.exists() else []

    def concept_files(self, entry: Entry) -> list[Path]:
        """Return the texts of a draft's concepts."""
        combo = combos.load(self.data).get(entry.combo_id)
        if combo is None:
            return []
        found = (catalogs_module.concept_file(self.data, combo.level, one) for one in combo.concept_ids)
        return [path for path in found if path]

    def parent_parsed(self, entry: Entry) -> list[Path]:
        """Return the parent's parsed.txt that a raw job has to wait for.

        An answer that exists needs no parent: a parent that is gone, or about to be parsed again, is
        left out then, or Snakemake would make it and run the job again.
        """
        if entry.stage not in PARENT_STAGE:
            return []
        parent = self.entry(PARENT_STAGE[entry.stage], entry.parent_gen_id)
        path = self.files(parent).parsed
        settled = self.files(entry).raw.exists() and not self.settings.is_fresh(entry.stage)
        if settled and self.needs_parse(parent):
            return []
        return [path]

    def files(self, entry: Entry) -> Generation:
        """Return the files of a generation."""
        return self.data.generation(entry.stage, entry.gen_id)

    def open_work(self, cohort_id: str, stage: str | None = None, *, everything: bool = False) -> list[Entry]:
        """Return the generations whose parsed.txt is missing or has to be made again.

        Args:
            cohort_id: one of this run's cohorts.
            stage: all of this stage; None for what the tables need, see `work.is_asked_for`.
            everything: finished ones as well, because their jobs shall run once more.
        """
        wanted = self.wanted(cohort_id)
        states = States(self.settings)
        asked = wanted.stage(stage) if stage else [one for one in wanted if work.is_asked_for(states, wanted, one)]
        found = []
        for entry in asked:
            if not everything and not self.needs_parse(entry):
                continue
            if self.settings.accept_failures and self.is_accepted(states, wanted, entry):
                continue
            found.append(entry)
        return found

    def findings(self, cohort_id: str) -> list[preflight.Finding]:
        """Return what is wrong with what a cohort uses; looked for once per process."""
        if cohort_id not in self._findings:
            known = combos.load(self.data)
            whole, wanted = self.membership(cohort_id), self.wanted(cohort_id)
            self._findings[cohort_id] = preflight.findings(self.settings, whole, known, wanted)
        return self._findings[cohort_id]

    def warn(self, cohort_id: str) -> None:
        """Show once what is wrong with what a cohort uses, or differs from what it keeps, and stops nothing."""
        if cohort_id not in self._warned:
            self._warned.add(cohort_id)
            differing = cohorts.differing_counts(self.settings, self.sources[cohort_id])
            for text in differing + preflight.warnings(self.findings(cohort_id)):
                print(f"Warning: {text}", file=sys.stderr)

    def refuse_mistakes(self) -> None:
        """Raise PreflightError if something is wrong that stops this run before its first call."""
        for cohort_id in self.sources:
            preflight.refuse(self.findings(cohort_id))

    def require_key(self, caller: Caller, entry: Entry) -> None:
        """Raise ConfigError if the model of a generation has to be asked, and its key or endpoint is not there."""
        if entry.llm_model_id not in self._with_key and not generations.is_copy(self.settings, entry):
            caller.require_key(entry.llm_model_id)
            self._with_key.add(entry.llm_model_id)

    def chunks(self, cohort_id: str) -> dict[str, batches.Chunk]:
        """Return gen_id -> the chunk that buys its answer in batch mode; decided once per process and cohort."""
        if cohort_id not in self._chunks:
            wanted = self.wanted(cohort_id)
            asked = self.open_work(cohort_id, everything=bool(self.settings.fresh))
            found = batches.chunks(self.settings, wanted, asked, self.settings.batch)
            self._chunks[cohort_id] = {entry.gen_id: chunk for chunk in found for entry in chunk.entries}
        return self._chunks[cohort_id]

    def markers_of(self, entries: Iterable[Entry]) -> list[Path]:
        """Return the markers of the chunks that some generations are in; none out of batch mode."""
        if not self.settings.batch:
            return []
        found = []
        for entry in entries:
            chunk = self.chunks(entry.cohort_id).get(entry.gen_id)
            if chunk is not None:
                found.append(chunk.marker(self.data, entry.cohort_id))
        return list(dict.fromkeys(found))

    def ancestors_in_slice(self, cohort_id: str, stage: str, index: int) -> list[Entry]:
        """Return what the generations of a slice are made from, all the way up."""
        wanted = self.wanted(cohort_id)
        entries = batches.slice_of(wanted, stage, index, self.settings.batch)
        return [one for entry in entries for one in wanted.lineage(entry)[:-1]]

    def texts_behind(self, cohort_id: str) -> list[Path]:
        """Return the catalogs, and the texts that the cohort's prompts are made of."""
        whole = self.membership(cohort_id)
        first = {(entry.stage, entry.template_id): entry for entry in whole}.values()
        drafts = {entry.combo_id: entry for entry in whole.stage(FIRST)}.values()
        texts = [path for entry in first for path in self.template_file(entry)]
        texts += [path for entry in drafts for path in self.concept_files(entry)]
        return list(dict.fromkeys([*catalogs_module.files(self.data), *texts]))

    def has_news(self, cohort_id: str) -> bool:
        """Return whether something came since a cohort's tables were written: a text, a failure, another setting."""
        cohort = self.data.cohort(cohort_id)
        try:
            written = cohort.aggregated_scores.stat().st_mtime_ns
        except FileNotFoundError:
            return False
        if read_recorded(cohort.completeness).get("settings") != shown.of(self.settings):
            return True
        each = (self.files(entry) for entry in self.membership(cohort_id))
        return any(_is_newer(path, written) for one in each for path in (one.raw, one.parsed, one.failure))

    def is_accepted(self, states: States, within: Membership, entry: Entry) -> bool:
        """Tell whether a generation, or one that it is made from, ended in a parse failure that still stands."""
        found = (states.of(one).failure for one in within.lineage(entry))
        return any(failure is not None and failure.step == failures.PARSE for failure in found)


def _is_newer(path: Path, than_ns: int) -> bool:
    try:
        return path.stat().st_mtime_ns > than_ns
    except OSError:
        return False


def _has_row(path: Path, stage: str, gen_id: str) -> bool:
    with contextlib.suppress(DayDreamError):
        return any((row["stage"], row["gen_id"]) == (stage, gen_id) for row in read_rows(path, ("stage", "gen_id")))
    return False


@cache
def _file_of_now(folder: Path | None) -> Path:
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix="now-", dir=folder)
    os.close(handle)
    # relative if the data root is: Snakemake takes braces in a path for wildcards
    path = folder / Path(name).name if folder else Path(name)
    atexit.register(path.unlink, missing_ok=True)
    return path


def notes(run: Run, snakemake_folder: Path) -> list[str]:
    """Return what the user should know before anything is done, one line each."""
    found = []
    specs = [name for name, source in run.sources.items() if source.mode == "spec"]
    if run.settings.selection and specs:
        found.append(
            f"{', '.join(specs)} is declared by its spec; the selection is not used. Give the curated cohort a name "
            "of its own with --config cohort=NAME."
        )
    if any(snakemake_folder.glob("locks/*")):
        found.append(
            "another snakemake is at work in this folder, or one was killed. If Snakemake finds the folder locked and "
            "none is running, `snakemake --unlock` frees it; every answer that arrived is kept."
        )
    return found


def ahead_of_the_clock(run: Run) -> list[Path]:
    """Return the specs, catalogs and texts whose times lie more than a minute in the future, sorted."""
    folders = {run.data.catalogs, run.data.templates_root or run.data.catalogs}
    found = {path for source in run.sources.values() for path in source.files}
    found |= {path for folder in folders for path in folder.rglob("*") if path.is_file()}
    limit = time.time_ns() + 60 * 10**9
    return sorted(path for path in found if _is_newer(path, limit))


def expand(run: Run, cohort_id: str, say: Log) -> None:
    """Expand a cohort and write it down; warnings go to its log and to the screen."""
    expansion = cohorts.expand_source(run.settings, run.sources[cohort_id])
    told = changes(run.settings, expansion)
    cohorts.write(run.settings, expansion)
    for warning in (*expansion.warnings, *told):
        say(f"Warning: {warning}")
        print(f"Warning: {cohort_id}: {warning}", file=sys.stderr)


def changes(settings: Settings, expansion: cohorts.Expansion) -> list[str]:
    """Return the report of the rows that an expansion adds to a cohort's membership.csv and drops from it.

    No or one line; the first expansion adds nothing. To be asked for before the expansion is written.
    """
    cohort = settings.data.cohort(expansion.source.cohort_id)
    if expansion.source.mode == "given" or not cohort.membership.exists():
        return []
    before, after = cohorts.read_ids(cohort.membership), {(one.stage, one.gen_id) for one in expansion.membership}
    added, dropped = after - before, before - after
    parts = [f"adds {_by_stage(added)}"] if added else []
    if dropped:
        journals = (Journal(settings.data.generation(stage, gen_id)) for stage, gen_id in dropped)
        bought = [answer for own in journals for answer in own.readable_answers() if not answer.get("adopted")]
        cost = sum_of(answer.get("cost_usd") for answer in bought)
        usd = "an unknown amount" if cost.usd is None else f"{cost.usd:.4f} USD"
        parts.append(f"drops {_by_stage(dropped)}, which cost {usd} and stay in the store")
    return [f"the expansion of cohort {cohort.cohort_id} {' and '.join(parts)}"] if parts else []


def _by_stage(rows: Iterable[tuple[str, str]]) -> str:
    counts = Counter(stage for stage, _ in rows)
    return ", ".join(f"{counts[name]:,} {name}{'s' * (counts[name] > 1)}" for name in STAGES if counts[name])


def buy(run: Run, caller: Caller, entry: Entry, say: Log) -> None:
    """Make the files of a generation's answer; in batch mode the call was made before, by its chunk's job."""
    if run.settings.batch:
        generations.restore(run.settings, entry)
    else:
        generations.buy(caller, entry, say, order_id(run, entry.stage))


def buy_slice(run: Run, caller: Caller, cohort_id: str, stage: str, index: int, marker: Path, say: Log) -> None:
    """Buy what a slice of a cohort lacks."""
    wanted = run.wanted(cohort_id)
    lacking = [
        entry
        for entry in batches.slice_of(wanted, stage, index, run.settings.batch)
        if batches.lacks_answer(run.settings, entry)
    ]
    batches.buy(caller, wanted, lacking, marker, say, order_id(run, stage))


def write_tables(run: Run, cohort_id: str) -> None:
    """Write all tables of a cohort."""
    # pandas: not needed to plan a run
    from .results import reports

    reports.write(run.settings, cohort_id, run.membership(cohort_id))


def write_page(run: Run, cohort_id: str) -> None:
    """Write the pages of a cohort from its tables."""
    from . import pages

    pages.write_cohort(run.settings, cohort_id, run.membership(cohort_id))


def write_cross(run: Run) -> None:
    """Write the tables and the page over the whole store."""
    from . import pages
    from .results import cross

    cross.write(run.settings)
    pages.write_cross(run.settings)
    write_json(run.data.cross_selection, cross_selection(run))


def cross_selection(run: Run) -> dict[str, Any]:
    """Return what the tables over the whole store are made of now: the cohorts asked for, and how much there is."""
    stored = run.data.gens / JUDGING
    return {
        "cross_cohort": run.settings.cross_cohort,
        "evaluations": sum(1 for _ in stored.iterdir()) if stored.is_dir() else 0,
        "settings": shown.of(run.settings),
    }


def has_cross_news(run: Run) -> bool:
    """Return whether something came since the tables over the whole store were written."""
    if read_recorded(run.data.cross_selection) != cross_selection(run):
        return True
    written = run.data.cross_tables[0].stat().st_mtime_ns if run.data.cross_tables[0].exists() else 0
    texts = catalogs_module.texts(run.data)
    stored = (folder / name for folder in run.data.gens.glob("*/*") for name in (RAW, PARSED))
    return any(_is_newer(path, written) for path in itertools.chain(texts, stored))


def after_success(run: Run) -> None:
    """End a run whose jobs all succeeded: a fresh run's order id is forgotten, the next one orders anew."""
    _order_file(run).unlink(missing_ok=True)


def after_failure(run: Run, show: Callable[[str], None]) -> None:
    """Write tables and page of what there is after a run with failed jobs, and show what failed.

    Raises:
        SystemExit: with 0, where all that is open ended in failures that the run accepts.
    """
    try:
        accepted = bool(run.settings.accept_failures)
        for cohort_id in run.sources:
            accepted = _report_failures(run, cohort_id, show) and accepted
    except (DayDreamError, OSError) as error:
        show(f"The tables could not be written: {error}")
        return
    if accepted:
        raise SystemExit(0)


def _report_failures(run: Run, cohort_id: str, show: Callable[[str], None]) -> bool:
    """Return whether nothing of a cohort is open any more."""
    if not run.data.cohort(cohort_id).membership.exists() or _is_outdated(run, run.sources[cohort_id]):
        # the expansion failed: what was written before stays as it is
        return False
    # a slice leaves the reports to a run over all of the cohort
    if not run.settings.shard:
        write_tables(run, cohort_id)
    show(failures.table(States(run.settings).failures(run.wanted(cohort_id))))
    if not run.settings.shard:
        write_page(run, cohort_id)
    return not run.open_work(cohort_id)


def _is_outdated(run: Run, source: Source) -> bool:
    return cohorts.differs_from_manifest(run.settings, source)


def order_id(run: Run, stage: str) -> str | None:
    """Return the id under which this run orders fresh answers of a stage, None if it does not.

    It is kept until a run succeeds, so that an interrupted fresh run, repeated, buys nothing twice.
    """
    if not run.settings.is_fresh(stage):
        return None
    path = _order_file(run)
    create_exclusively(path, dump_json({"order_id": uuid.uuid4().hex}))
    return read_json(path)["order_id"]


def _order_file(run: Run) -> Path:
    what = json.dumps([sorted(run.sources), run.settings.fresh, run.settings.shard])
    return run.data.coordination / "fresh" / f"{sha256_text(what)[:16]}.json"
