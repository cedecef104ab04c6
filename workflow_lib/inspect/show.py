"""One generation with all that is known of it: what it was made from, what was asked and answered, what came of it."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import cohorts
from ..calls.attempts import ANSWER, FAILED, REQUEST
from ..calls.committed import sum_of
from ..catalogs import combos
from ..cohorts import membership
from ..cohorts.membership import Entry
from ..errors import ConfigError, DayDreamError
from ..files import read_recorded, read_text
from ..generations.state import State, States
from ..paths import DataRoot
from ..settings import Settings
from ..stages import PARENT_STAGE, STAGE, STAGES

MAX_CANDIDATES = 12
_ATTEMPT = ("served_model", "finish_reason", "usage", "cost_usd", "cost_source", "started_at", "duration_s", "tries")


class Known:
    """The generations of the store and of all cohorts.

    Args:
        settings: settings of the run.
    """

    def __init__(self, settings: Settings):
        settings.data.require()
        self.settings = settings
        self.rows: dict[str, Entry] = {}
        self.cohorts_of: dict[str, list[str]] = {}
        for cohort_id in cohorts.existing(settings):
            if settings.data.cohort(cohort_id).membership.exists():
                # what is wrong with another cohort's list is a matter of `daydream check`
                with contextlib.suppress(DayDreamError):
                    self._note(cohort_id)

    def _note(self, cohort_id: str) -> None:
        for entry in membership.read(self.settings.data, cohort_id):
            self.rows.setdefault(entry.gen_id, entry)
            self.cohorts_of.setdefault(entry.gen_id, []).append(cohort_id)

    def find(self, beginning: str) -> Entry:
        """Return the generation whose gen_id is, or alone begins with, a text.

        Raises:
            ConfigError: there is none, or there are several.
            MembershipError: its metadata.json is broken.
        """
        data = self.settings.data
        found = {gen_id: stage for stage in STAGES for gen_id in membership.in_store(data, stage)}
        found |= {entry.gen_id: entry.stage for entry in self.rows.values()}
        named = [beginning] if beginning in found else sorted(one for one in found if one.startswith(beginning))
        if not named:
            hint = f"{len(found):,} are known there and in its cohorts; is it another data root's?"
            raise ConfigError(f"{data.gens}: no generation begins with '{beginning}'", hint)
        if len(named) > 1:
            shown = ", ".join(named[:MAX_CANDIDATES])
            more = f" and {len(named) - MAX_CANDIDATES:,} more" if len(named) > MAX_CANDIDATES else ""
            raise ConfigError(
                f"{len(named):,} generations begin with '{beginning}'", f"write more of it: {shown}{more}"
            )
        return self.entry(found[named[0]], named[0])

    def entry(self, stage: str, gen_id: str) -> Entry:
        """Return the row of a generation, of a cohort or else of the store."""
        return self.rows.get(gen_id) or membership.from_store(self.settings.data, stage, gen_id, "")

    def ancestors(self, entry: Entry) -> list[Entry]:
        """Return what a generation was made from, the first stage first; it ends where a record is gone."""
        chain: list[Entry] = []
        while entry.stage in PARENT_STAGE and entry.parent_gen_id:
            try:
                entry = self.entry(PARENT_STAGE[entry.stage], entry.parent_gen_id)
            except DayDreamError:
                break
            chain.insert(0, entry)
        return chain


def of(settings: Settings, beginning: str) -> dict[str, Any]:
    """Return what is known of a generation; texts and records that are not there are null.

    Args:
        settings: settings of the run.
        beginning: its gen_id, or a beginning that no other has.

    Raises:
        ConfigError: there is none, or there are several.
    """
    known = Known(settings)
    entry = known.find(beginning)
    ancestors = known.ancestors(entry)
    if ancestors:
        entry = entry._replace(combo_id=entry.combo_id or ancestors[0].combo_id)
    states = States(settings)
    state = states.of(entry)
    files = state.files
    return {
        **_described(state),
        "cohorts": known.cohorts_of.get(entry.gen_id, []),
        "combo": _combo(settings.data, entry),
        "made_from": [_described(states.of(one)) for one in ancestors],
        "made_of_it": _descendants(states, entry),
        "attempts": list(_attempts(state)),
        "cost_usd": sum_of(one.get("cost_usd") for one in state.journal.readable_answers()).usd,
        "system": _text(files.system),
        "prompt": _text(files.prompt),
        "answer": _text(files.raw),
        "parsed": _text(files.parsed),
        "files": [str(path) for path in sorted(files.folder.rglob("*")) if path.is_file()],
    }


def _described(state: State) -> dict[str, Any]:
    entry = state.entry
    return {
        "stage": entry.stage,
        "gen_id": entry.gen_id,
        "state": _word(state),
        "template": entry.template_id,
        "model": entry.llm_model_id,
        "replicate": entry.replicate,
        "score": _score(state),
        "is_copy": state.is_copy,
        "stale_reasons": list(state.stale_reasons),
        "edited": state.edited,
        "failure": asdict(state.failure) if state.failure else None,
    }


def _word(state: State) -> str:
    if state.failure:
        return "failed"
    if state.claim:
        return "in flight"
    if state.ordered:
        return "ordered"
    return "done" if state.has_parsed else "answer only" if state.has_answer else "missing"


def _score(state: State) -> float | None:
    if not STAGE[state.entry.stage].gives_scores:
        return None
    with contextlib.suppress(TypeError, ValueError):
        return float(_text(state.files.parsed) or "")
    return None


def _combo(data: DataRoot, entry: Entry) -> dict[str, Any] | None:
    combo_id = entry.combo_id
    if not combo_id:
        return None
    known = combos.load(data).get(combo_id)
    about = {"concepts": list(known.concept_ids), "level": known.level} if known else {}
    return {"combo_id": combo_id, **about}


def _descendants(states: States, entry: Entry) -> list[dict[str, Any]]:
    """Return what was made of a generation, each with what was made of it in turn."""
    data = states.settings.data
    after = next((stage for stage, parent in PARENT_STAGE.items() if parent == entry.stage), None)
    if after is None:
        return []
    found = []
    for gen_id in membership.in_store(data, after):
        if read_recorded(data.generation(after, gen_id).metadata).get("parent_gen_id") == entry.gen_id:
            with contextlib.suppress(DayDreamError):
                child = membership.from_store(data, after, gen_id, entry.cohort_id)
                child = membership.of_parent(child, entry)
                found.append({**_described(states.of(child)), "made_of_it": _descendants(states, child)})
    return sorted(found, key=lambda one: (one["template"], one["model"], one["replicate"]))


def _attempts(state: State) -> Iterator[Mapping[str, Any]]:
    for number, kinds in sorted(state.attempts.items()):
        kind = next((one for one in (ANSWER, FAILED, REQUEST) if one in kinds), None)
        if kind is None:
            continue
        path = state.journal.path(number, kind)
        record = read_recorded(path)
        about = {name: record.get(name) for name in _ATTEMPT}
        request = record.get("request")
        settings = {k: v for k, v in request.items() if k != "messages"} if isinstance(request, dict) else None
        model, endpoint = record.get("model"), record.get("endpoint")
        yield {"attempt": number, "file": str(path), "model": model, "endpoint": endpoint, **about, "request": settings}


def _text(path: Path) -> str | None:
    try:
        return read_text(path)
    except (OSError, DayDreamError):
        return None
