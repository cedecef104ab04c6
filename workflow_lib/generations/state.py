"""The state of a generation: the one place that says what its folder and its journal mean.

A generation's folder is listed once, and its attempts/ once. Contents are read when something asks for them. What a
state keeps is small, for a cohort may have a hundred thousand of them: records and answers are kept of the few
generations that were asked for last, and paths are put together anew.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from .. import catalogs as catalogs_module
from ..calls import attempts, endpoints
from ..calls.attempts import ANSWER, FAILED, REQUEST, UnreadableAnswer
from ..calls.holders import Watch
from ..calls.journal import Journal, MaybeBilled
from ..calls.retries import NO_KEY
from ..calls.served import served_other_model
from ..cohorts.membership import Entry
from ..errors import DayDreamError
from ..files import read_recorded, read_text, sha256_text
from ..lazy import lazy
from ..paths import ATTEMPTS, FAILURE, PARSED, RAW, RAW_METADATA, Generation
from ..settings import Settings
from ..stages import PARENT_STAGE
from . import failures, make, parsing
from .failures import Failure
from .mode import is_copy, template_of
from .prompts import render, request_for
from .staleness import CURRENT, STALE, UNKNOWN, Staleness, combined, request_facts

_KNOWN = frozenset((RAW, PARSED, FAILURE, ATTEMPTS, RAW_METADATA))
_KEPT = 512


@dataclass(frozen=True)
class Claim:
    """A request that a live process is working on.

    Attributes:
        number: of the attempt.
        cohort_id: in whose name it is asked.
        holder: host and process id, or the batch that it is part of; for people.
    """

    number: int
    cohort_id: str
    holder: str


@dataclass(frozen=True)
class Facts:
    """What is remembered of an answer.

    Attributes:
        adopted: it came as a raw.txt, without attempts.
        raw_sha256: of the raw.txt that it makes.
        request: what was sent, see `staleness.request_facts`; None where that is not known.
    """

    adopted: bool
    raw_sha256: str
    request: Mapping[str, Any] | None


class States:
    """The states of the generations of a data root.

    `of` looks at a generation once and remembers; `look` looks again. Prompts are rendered once: make a new
    one after templates or concepts have changed.

    Args:
        settings: settings of the run.
    """

    def __init__(self, settings: Settings):
        self.settings = settings
        self.watch = Watch()
        self.staleness = Staleness(settings)
        self.recorded = lru_cache(_KEPT)(_recorded)
        self.facts = lru_cache(_KEPT)(_facts)
        self._states: dict[tuple[str, str], State] = {}

    def of(self, entry: Entry) -> "State":
        """Return the state of a generation as it was when it was first asked for."""
        return self._states.get((entry.stage, entry.gen_id)) or self.look(entry)

    def look(self, entry: Entry) -> "State":
        """Return the state of a generation as it is now."""
        state = self._states[entry.stage, entry.gen_id] = State(self, entry)
        return state

    def each(self, entries: Iterable[Entry]) -> Iterator["State"]:
        """Yield the states of some generations, in their order."""
        return map(self.of, entries)

    def failures(self, entries: Iterable[Entry]) -> list[Failure]:
        """Return the failures of some generations that still stand, by stage and gen_id."""
        return failures.ordered(state.failure for state in self.each(entries) if state.failure)

    def stale_lineage(self, chain: Iterable[Entry]) -> str:
        """Return ``true`` if any of these generations is stale, else ``unknown`` if any is unknown."""
        return combined(state.stale for state in self.each(chain))


class State:
    """The state of one generation at one moment.

    Attributes:
        has_raw, has_parsed: whether raw.txt and parsed.txt are there.
    """

    def __init__(self, states: States, entry: Entry):
        self.entry = entry
        self._states = states
        try:
            names = _KNOWN.intersection(os.listdir(self.files.folder))
        except (FileNotFoundError, NotADirectoryError):
            names = frozenset()
        self.has_raw = RAW in names
        self.has_parsed = PARSED in names
        self._has_failed = FAILURE in names
        self._has_record = RAW_METADATA in names
        self._has_attempts = ATTEMPTS in names

    @property
    def files(self) -> Generation:
        """The files of the generation."""
        return self._settings.data.generation(self.entry.stage, self.entry.gen_id)

    @property
    def journal(self) -> Journal:
        """What was asked for it, and what came."""
        return Journal(self.files)

    @property
    def _settings(self) -> Settings:
        return self._states.settings

    @lazy
    def attempts(self) -> Mapping[int, frozenset[str]]:
        """Attempt number -> the kinds of files that it has."""
        return self.journal.numbers() if self._has_attempts else {}

    @property
    def answered(self) -> int | None:
        """Number of the newest answer of the journal, readable or not; None if there is none."""
        return attempts.newest(self.attempts, ANSWER)

    @property
    def ordered(self) -> bool:
        """Whether a fresh answer was ordered and has not come yet."""
        return attempts.is_ordered(self.attempts)

    @property
    def has_answer(self) -> bool:
        """Whether an answer is there, as raw.txt or in the journal, readable or not."""
        return self.has_raw or self.answered is not None

    @lazy
    def unreadable(self) -> str:
        """Why the newest answer of the journal cannot be read, with the path; empty if it can, or there is none."""
        if self.answered is None:
            return ""
        try:
            self._states.facts(self, self.answered)
        except UnreadableAnswer as error:
            return str(error)
        return ""

    @lazy
    def is_copy(self) -> bool:
        """Whether it is its parent's text again; as metadata.json says where its template is not known."""
        try:
            return is_copy(self._settings, self.entry)
        except DayDreamError:
            return read_recorded(self.files.metadata).get("mode") == "copy"

    @property
    def is_lost(self) -> bool:
        """Whether parsed.txt shows that an answer was bought, and nothing keeps it."""
        return self.has_parsed and not self.has_answer and not self.is_copy

    @property
    def needs_call(self) -> bool:
        """Whether making its text takes a call: no answer is there, or the present one was put away for another."""
        if self.is_copy or self.has_raw:
            return False
        return self.ordered or (self.answered is None and not self.has_parsed)

    @lazy
    def needs_parse(self) -> bool:
        """Whether parsed.txt is missing, or does not follow from raw.txt and the parser of the catalog."""
        if not self.has_parsed:
            return True
        then = parsing.baseline(self._settings.data, self.entry)
        return parsing.needs_parse(self._settings, self.entry, then)

    def failed_calls(self, cohort_id: str) -> int:
        """Return how many attempts in the name of a cohort brought no answer."""
        failed = (number for number, kinds in self.attempts.items() if FAILED in kinds)
        return sum(read_recorded(self.journal.path(number, FAILED)).get("cohort_id") == cohort_id for number in failed)

    @lazy
    def claim(self) -> Claim | None:
        """The request that a live process is working on; None if there is none."""
        newest = max(self.attempts, default=0)
        if not newest or self.attempts[newest] & {ANSWER, FAILED}:
            return None
        number = self.journal.state(self._states.watch).claimed
        if number is None:
            return None
        asked = read_recorded(self.journal.path(number, REQUEST))
        holder = asked.get("holder")
        holder = holder if isinstance(holder, dict) else {}
        if asked.get("batch"):
            return Claim(number, str(asked.get("cohort_id") or ""), f"batch {asked['batch']}")
        host = str(holder.get("host") or "?").split(" ")[0]
        return Claim(number, str(asked.get("cohort_id") or ""), f"{host} {holder.get('pid') or '?'}")

    @lazy
    def failure(self) -> Failure | None:
        """The failure that still stands; None if there is none, or something later has overtaken it."""
        if not self._has_failed:
            return None
        found = failures.read(self.files.failure)
        return found if found is not None and self._stands(found) else None

    @property
    def recorded(self) -> Mapping[str, Any]:
        """raw_metadata.json, {} if there is none."""
        return self._states.recorded(self) if self._has_record else {}

    @property
    def facts(self) -> Facts | None:
        """What is remembered of the answer that raw.txt claims to come from; None where there is no record of it."""
        claimed = self.recorded.get("attempt")
        number = claimed if isinstance(claimed, int) and ANSWER in self.attempts.get(claimed, ()) else self.answered
        if number is None:
            return None
        try:
            return self._states.facts(self, number)
        except UnreadableAnswer:
            return None

    @property
    def adopted(self) -> bool:
        """Whether its answer came as a raw.txt, without attempts."""
        return self._of_answer[0]

    @property
    def edited(self) -> bool:
        """Whether raw.txt differs from the answer, or in copy mode from the text, that it claims to come from."""
        return self._of_answer[1]

    @lazy
    def _of_answer(self) -> tuple[bool, bool]:
        """`adopted` and `edited`: who asks for one asks for the other, and both take the answer."""
        if self.answered is None:
            adopted = self.has_raw and not self.is_copy
        else:
            adopted = self.facts is not None and self.facts.adopted
        return adopted, self._is_edited()

    def _is_edited(self) -> bool:
        if not self.has_raw:
            return False
        if self.is_copy:
            was = self.recorded.get("prompt_sha256")
        else:
            was = self.facts.raw_sha256 if self.facts else None
        now = _text_sha256(self.files.raw)
        return bool(was and now) and was != now

    @property
    def truncated(self) -> bool:
        """Whether the answer in use was cut off at max_tokens."""
        return self._of_record[0]

    @property
    def served_model(self) -> str:
        """The model that answered, as the endpoint named it; empty where it did not."""
        return _text(self.recorded.get("served_model"))

    @property
    def other_model(self) -> bool:
        """Whether the endpoint says that another model answered than the one that was asked."""
        return self._of_record[1]

    @property
    def is_offline(self) -> bool:
        """Whether the answer in use came from an offline stand-in."""
        return self._of_record[2]

    @lazy
    def _of_record(self) -> tuple[bool, bool, bool]:
        """`truncated`, `other_model` and `is_offline`, so that raw_metadata.json is read once for them."""
        record = self.recorded
        other = self.has_raw and served_other_model(_text(record.get("model")), self.served_model)
        return self.has_raw and record.get("truncated") is True, other, record.get("endpoint") == endpoints.OFFLINE

    @lazy
    def maybe_billed(self) -> tuple[MaybeBilled, ...]:
        """Tries that were sent and never answered; calls in flight are not among them."""
        if not any(REQUEST in kinds for kinds in self.attempts.values()):
            return ()
        found = self.journal.maybe_billed(self._states.watch)
        # a request that cannot be read does not say whom it asked
        return tuple(replace(one, model=one.model or self.entry.llm_model_id) for one in found)

    @lazy
    def _staleness(self) -> tuple[tuple[str, ...], bool]:
        return self._states.staleness.reasons(self)

    @property
    def stale_reasons(self) -> tuple[str, ...]:
        """Why it is stale itself, some of `staleness.REASONS`; empty if it is not."""
        return self._staleness[0]

    @property
    def stale(self) -> str:
        """``true`` if it is stale itself, ``unknown`` if no record says what was used, else ``false``."""
        reasons, compared = self._staleness
        return STALE if reasons else CURRENT if compared else UNKNOWN

    def _stands(self, failure: Failure) -> bool:
        if failure.step == failures.PARSE:
            return self._parses_the_same()
        if self.claim is not None:
            return False
        if failure.reason == failures.UNREADABLE:
            return not self.ordered and bool(self.unreadable)
        if self.has_answer and not self.ordered:
            return False
        if failure.reason == failures.BUDGET:
            return self._budget_refuses()
        if failure.reason == NO_KEY.reason:
            return not self._can_be_asked()
        if failure.step == failures.CALL:
            return self._asks_the_same()
        return self.is_lost or (self._has_origin() and not self._can_be_asked())

    def _parses_the_same(self) -> bool:
        """Return whether today's parse would be of the same answer, by the same parser and settings."""
        if not self.has_raw:
            return not self.ordered
        then = read_recorded(self.files.failure).get("basis")
        if not then:
            return True
        try:
            return bool(then == parsing.basis(self._settings, template_of(self._settings.data, self.entry), self.files))
        except (OSError, DayDreamError):
            return True

    def _budget_refuses(self) -> bool:
        """Return whether the budget that a call did not fit into is still the same."""
        total, each = self._settings.budget_usd, self._settings.budget_per_model
        now = {"budget_usd": total, **{f"budget_per_model.{model_id}": usd for model_id, usd in each.items()}}
        then = read_recorded(self.files.failure).get("budget")
        if not isinstance(then, dict):
            return total is not None or self.entry.llm_model_id in each
        return now.get(str(then.get("what"))) == then.get("usd")

    def _asks_the_same(self) -> bool:
        """Return whether today's call would go to the model and endpoint where the last one failed."""
        # of a call that was not made the journal has nothing
        last = read_recorded(self.files.failure).get("asked") or self.journal.newest_failure() or {}
        try:
            model = catalogs_module.load(self._settings.data).models.get(self.entry.llm_model_id)
        except DayDreamError:
            return True
        return model is None or not last or (last.get("model"), last.get("endpoint")) == (model.model, model.endpoint)

    def _has_origin(self) -> bool:
        """Return whether what it is made from is there; while it is not, this one only waits."""
        above = PARENT_STAGE.get(self.entry.stage)
        return above is None or self._settings.data.generation(above, self.entry.parent_gen_id).parsed.exists()

    def _can_be_asked(self) -> bool:
        """Return whether nothing is in the way of today's call: parent, template, model, system prompt, endpoint."""
        try:
            render(self._settings, self.entry)
            if not self.is_copy:
                model = catalogs_module.load(self._settings.data).models[self.entry.llm_model_id]
                request_for(self._settings, self.entry, model, "")
                endpoints.find(self._settings, model.endpoint)
        except (DayDreamError, OSError, KeyError):
            return False
        return True


def _recorded(state: State) -> Mapping[str, Any]:
    return read_recorded(state.files.raw_metadata)


def _facts(state: State, number: int) -> Facts:
    attempt = state.journal.answer(number)
    request = attempt.get("request")
    return Facts(
        attempt.get("adopted") is True,
        _sha256_without_bom(make.raw_of(attempt)),
        request_facts(request) if isinstance(request, dict) else None,
    )


def _text_sha256(path: Path) -> str | None:
    try:
        return sha256_text(read_text(path))
    except (OSError, DayDreamError):
        return None


def _sha256_without_bom(text: str) -> str:
    # an answer may begin with one; read_text drops it
    return sha256_text(text.removeprefix("\ufeff"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
