"""One run of the workflow: its cohorts, which files a job reads, which work is open."""

import contextlib
import sys
import time
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from .. import catalogs as catalogs_module
from .. import cohorts, generations
from ..calls import Caller
from ..calls.endpoints import OFFLINE
from ..calls.shared import RunFile
from ..catalogs import combos
from ..cohorts import Source
from ..cohorts.membership import Entry, Membership
from ..errors import ConfigError, DayDreamError, MembershipError, nearest
from ..generations import failures, parsing, preflight, provider_batches, work
from ..generations.state import States
from ..paths import Generation
from ..settings import Settings
from ..stages import FIRST, PARENT_STAGE
from ..tables import read_rows


class Run:
    """One run of the workflow: its settings and cohorts, and what is known of them by now.

    Args:
        settings: settings of the run.
        sources: its cohorts by id; default: those that the settings name.
        driver_id: id of the run that this process makes a job for; None if it is the run itself.

    Attributes:
        began_ns: when it began, nanoseconds of this host's clock.
        tables_to_prepare: tables follow its answers, and what they are made with is not imported yet.
    """

    def __init__(self, settings: Settings, sources: dict[str, Source] | None = None, driver_id: str | None = None):
        self.settings = settings
        self.data = settings.data
        self.shared = RunFile(self.data.runs, driver_id, shows=driver_id is None)
        if sources is not None:
            self.sources = sources
        self.began_ns = time.time_ns()
        self.tables_to_prepare = False
        self._warned: set[str] = set()
        self._with_key: set[str] = set()
        self._memberships: dict[str, tuple[int, Membership]] = {}
        self._findings: dict[str, list[preflight.Finding]] = {}

    @property
    def run_id(self) -> str:
        """Id of the run, which its jobs share."""
        return self.shared.run_id

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

    def _system_prompts(self, model_ids: Iterable[str]) -> list[Path]:
        """Return the files of the system messages that some models are sent."""
        models = catalogs_module.load(self.data).models
        named = {models[model_id].system_prompt for model_id in model_ids if model_id in models} - {""}
        found = (self.data.system_prompt(name) for name in sorted(named))
        return [path for path in found if path.exists()]

    def parent_parsed(self, entry: Entry) -> list[Path]:
        """Return the parent's parsed.txt that a raw job has to wait for.

        An answer that exists needs no parent: a parent that is gone, or about to be parsed again, is
        left out then, or Snakemake would make it and run the job again.
        """
        if entry.stage not in PARENT_STAGE:
            return []
        parent = self.entry(PARENT_STAGE[entry.stage], entry.parent_gen_id)
        path = self.files(parent).parsed
        if self.needs_parse(parent) and not self.is_bought_or_copied(entry):
            return []
        return [path]

    def is_bought_or_copied(self, entry: Entry) -> bool:
        """Return whether this run buys or copies a generation; an answer that is kept anywhere takes neither."""
        state = States(self.settings).of(entry)
        if self.settings.is_fresh(entry.stage):
            return True
        return not state.has_raw if state.is_copy else state.needs_call

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
            singly = provider_batches.warnings(self.settings, self.wanted(cohort_id))
            for text in differing + singly + preflight.warnings(self.findings(cohort_id)):
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

    def texts_behind(self, cohort_id: str) -> list[Path]:
        """Return the catalogs, and the texts that the cohort's prompts are made of."""
        whole = self.membership(cohort_id)
        first = {(entry.stage, entry.template_id): entry for entry in whole}.values()
        drafts = {entry.combo_id: entry for entry in whole.stage(FIRST)}.values()
        texts = [path for entry in first for path in self.template_file(entry)]
        texts += [path for entry in drafts for path in self.concept_files(entry)]
        texts += self._system_prompts(entry.llm_model_id for entry in whole)
        return list(dict.fromkeys([*catalogs_module.files(self.data), *texts]))

    def is_accepted(self, states: States, within: Membership, entry: Entry) -> bool:
        """Return whether a generation, or one that it is made from, ended in a parse failure that still stands."""
        found = (states.of(one).failure for one in within.lineage(entry))
        return any(failure is not None and failure.step == failures.PARSE for failure in found)


def _has_row(path: Path, stage: str, gen_id: str) -> bool:
    with contextlib.suppress(DayDreamError):
        return any((row["stage"], row["gen_id"]) == (stage, gen_id) for row in read_rows(path, ("stage", "gen_id")))
    return False
