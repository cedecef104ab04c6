"""From an answer to its files: bought or restored, adopted or copied, raw.txt with what goes with it."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import catalogs as catalogs_module
from ..calls import Caller, Log
from ..calls.attempts import ANSWER, UnreadableAnswer, is_ordered, newest
from ..calls.endpoints import OFFLINE
from ..calls.journal import Journal
from ..cohorts.manifest import recorded_manifest
from ..cohorts.membership import Entry
from ..errors import StoreError
from ..files import dump_json, encode, read_recorded, read_text, sha256_text, write_bytes, write_json, write_text
from ..paths import ATTEMPTS, METADATA, PARSED, PARSED_METADATA, PROMPT, RAW, RAW_METADATA, SYSTEM, Generation
from ..settings import Settings
from ..stages import PARENT_STAGE, STAGE
from . import failures, parsing
from .mode import input_mode, is_copy, template_of
from .prompts import render, request_for, system_sent

_BESIDE_RAW = {PROMPT, METADATA, RAW_METADATA}


def buy(caller: Caller, entry: Entry, log: Log, order_id: str | None = None) -> None:
    """Make prompt.txt, raw.txt, metadata.json and raw_metadata.json of a generation.

    An answer that exists is restored without a call. A call is made only if there is none, or if a
    fresh one was ordered and has not come yet.

    Args:
        caller: the client of this run.
        entry: the generation's row of membership.
        log: gets a line per event.
        order_id: order a fresh answer under this id first.

    Raises:
        DayDreamError: no answer could be had; failure.json says why.
    """
    generation = caller.settings.data.generation(entry.stage, entry.gen_id)
    with failures.recorded(generation, entry):
        if is_copy(caller.settings, entry):
            _copy(caller.settings, generation, entry, fresh=order_id is not None)
        else:
            _restore_newest(caller.settings, generation, entry, answer(caller, entry, log, order_id))
    failures.forget(generation, (failures.CALL, failures.PROMPT))


def answer(caller: Caller, entry: Entry, log: Log, order_id: str | None = None) -> Mapping[str, Any]:
    """Return the attempt that holds a generation's answer; a call is made only if there is none, or on order.

    The arguments are those of `buy`.
    """
    attempt = kept_answer(caller, entry, order_id)
    if attempt is not None:
        return attempt
    own = Journal(caller.settings.data.generation(entry.stage, entry.gen_id))
    request, about = question(caller, entry)
    return caller.ask(entry, own, request, about, log)


def kept_answer(caller: Caller, entry: Entry, order_id: str | None) -> Mapping[str, Any] | None:
    """Return the attempt that holds a generation's answer, None if one has to be bought.

    The arguments are those of `buy`.

    Raises:
        StoreError: parsed.txt shows that an answer was bought, and nothing keeps it.
    """
    generation = caller.settings.data.generation(entry.stage, entry.gen_id)
    own = Journal(generation)
    adopt(generation, own, entry)
    if order_id is not None:
        own.order(order_id)
    numbers = own.numbers()
    if is_ordered(numbers):
        return None
    answered = newest(numbers, ANSWER)
    if answered is None:
        _refuse_lost_raw(generation)
        return None
    return own.answer(answered)


def question(caller: Caller, entry: Entry) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the request for a generation, and what else its attempt keeps: what the prompt was made from."""
    prompt = render(caller.settings, entry)
    request = request_for(caller.settings, entry, caller.model(entry.llm_model_id), prompt.text)
    return request, {"parent_attempt": prompt.parent_attempt, "parent_sha256": prompt.parent_sha256}


def restore(settings: Settings, entry: Entry) -> None:
    """Make the files of `buy` from an answer that is there; no call is made.

    Raises:
        StoreError: there is none; the message is that of the failure on record.
    """
    generation = settings.data.generation(entry.stage, entry.gen_id)
    if is_copy(settings, entry):
        _copy(settings, generation, entry, fresh=settings.is_fresh(entry.stage))
        return
    own = Journal(generation)
    adopt(generation, own, entry)
    attempt = own.newest_answer()
    if attempt is None:
        failed = read_recorded(generation.failure)
        raise StoreError(
            str(failed.get("message") or f"{generation.folder}: its batch brought no answer"),
            str(failed.get("remedy") or "run again"),
        )
    _restore_newest(settings, generation, entry, attempt)
    failures.forget(generation, (failures.CALL, failures.PROMPT))


def adopt(generation: Generation, own: Journal, entry: Entry) -> None:
    """Keep a raw.txt that came without attempts as attempt 1, before anything else happens to it."""
    if generation.raw.exists() and not own.is_answered():
        metadata = read_recorded(generation.metadata)
        about = {
            "gen_id": entry.gen_id,
            "stage": entry.stage,
            "cohort_id": metadata.get("origin_cohort_id"),
            "llm_model_id": entry.llm_model_id,
        }
        own.adopt(read_text(generation.raw), read_recorded(generation.raw_metadata), about)


def _refuse_lost_raw(generation: Generation) -> None:
    if generation.parsed.exists() and not generation.raw.exists():
        raise StoreError(
            f"{generation.raw}: gone, and no attempt keeps the answer, but parsed.txt shows that one was bought",
            f"put raw.txt back; or buy another answer with `daydream regenerate --gen-id {generation.gen_id} --apply`",
        )


def _restore_newest(settings: Settings, generation: Generation, entry: Entry, attempt: Mapping[str, Any]) -> None:
    """Write the files of a generation from its newest answer.

    Another process may do the same with an older or newer answer: whoever writes last looks once more.
    """
    own = Journal(generation)
    while True:
        _restore(settings, generation, entry, attempt)
        now = own.newest_number()
        if now is None or now == attempt.get("number"):
            return
        attempt = own.answer(now)


def parse(settings: Settings, entry: Entry) -> None:
    """Make parsed.txt of raw.txt, and what is gone beside them; see `parsing.parse`."""
    if lacks_files(settings, entry):
        _restore_missing(settings, settings.data.generation(entry.stage, entry.gen_id), entry)
    parsing.parse(settings, entry)


def lacks_files(settings: Settings, entry: Entry) -> bool:
    """Return whether a file beside raw.txt or parsed.txt is gone that can be written again: prompt or metadata.

    What another tool wrote lacks nothing: it has no attempts, and its copies have no prompt.
    """
    generation = settings.data.generation(entry.stage, entry.gen_id)
    try:
        names = set(os.listdir(generation.folder))
    except OSError:
        return False
    wanted = _BESIDE_RAW | {PARSED_METADATA} if PARSED in names else _BESIDE_RAW
    has_all = names >= wanted
    if RAW not in names or (has_all and (SYSTEM in names or not _has_system_prompt(settings, entry))):
        return False
    if ATTEMPTS not in names:
        return PROMPT in names and is_copy(settings, entry)
    try:
        attempt = Journal(generation).newest_answer()
    except UnreadableAnswer:
        # nothing can be written from it; `daydream check` names it
        return False
    if attempt is None or (attempt.get("adopted") and METADATA in names):
        return False
    return not has_all or system_sent(attempt.get("request")) is not None


def _has_system_prompt(settings: Settings, entry: Entry) -> bool:
    """Return whether its model is sent a system message today."""
    model = catalogs_module.load(settings.data).models.get(entry.llm_model_id)
    return model is not None and bool(model.system_prompt) and not is_copy(settings, entry)


def _restore_missing(settings: Settings, generation: Generation, entry: Entry) -> None:
    """Write the files beside raw.txt that are gone; raw.txt itself stays as it is."""
    attempt = Journal(generation).newest_answer()
    if attempt is None:
        _copy(settings, generation, entry, fresh=False)
    else:
        _write_beside(settings, generation, entry, attempt, only_missing=True)


def _restore(settings: Settings, generation: Generation, entry: Entry, attempt: Mapping[str, Any]) -> None:
    """Write the files of a generation from an attempt; raw.txt last, for it says that all is there."""
    _write_beside(settings, generation, entry, attempt, only_missing=False)
    has_raw = generation.raw.exists()
    # an adopted answer came from that file
    if not (has_raw and attempt.get("request") is None):
        _write_if_changed(generation.raw, encode(raw_of(attempt)), has_raw, durable=_is_durable(attempt))


def _write_beside(
    settings: Settings, generation: Generation, entry: Entry, attempt: Mapping[str, Any], *, only_missing: bool
) -> None:
    """Write prompt.txt and the metadata of an answer; of one that another tool bought only metadata.json."""
    durable = _is_durable(attempt)
    # one look instead of one for each file: most generations are new
    there = set(os.listdir(generation.folder))
    if METADATA not in there:
        write_json(generation.metadata, metadata_of(settings, entry, "llm", attempt.get("cohort_id")), durable=durable)
    request = attempt.get("request")
    if request is None:
        return
    prompt, system = request["messages"][-1]["content"], system_sent(request)
    if system is None:
        if SYSTEM in there:
            # of an answer before this one
            generation.system.unlink(missing_ok=True)
    elif not (only_missing and SYSTEM in there):
        _write_if_changed(generation.system, encode(system), SYSTEM in there, durable=durable)
    if not (only_missing and PROMPT in there):
        _write_if_changed(generation.prompt, encode(prompt), PROMPT in there, durable=durable)
    if not (only_missing and RAW_METADATA in there):
        recorded = _raw_metadata(entry, attempt, raw_of(attempt), prompt)
        content = encode(dump_json(recorded))
        _write_if_changed(generation.raw_metadata, content, RAW_METADATA in there, durable=durable)


def _is_durable(attempt: Mapping[str, Any]) -> bool:
    # what the offline models say costs nothing and can be had again
    return attempt.get("endpoint") != OFFLINE


def _copy(settings: Settings, generation: Generation, entry: Entry, *, fresh: bool) -> None:
    """Make a copy-mode generation: its parent's parsed text; one that exists stays unless asked for."""
    complete = generation.raw.exists() and generation.metadata.exists() and generation.prompt.exists()
    if complete and generation.raw_metadata.exists() and not fresh:
        return
    if generation.raw.exists() and not fresh:
        text, prompt = read_text(generation.raw), None
    else:
        prompt = render(settings, entry)
        text = prompt.text
    template = template_of(settings.data, entry)
    if not generation.metadata.exists():
        write_json(generation.metadata, metadata_of(settings, entry, "copy", entry.cohort_id))
    write_json(
        generation.raw_metadata,
        {
            "function": STAGE[entry.stage].raw_rule,
            "stage": entry.stage,
            "gen_id": entry.gen_id,
            "mode": "copy",
            "llm_model_id": entry.llm_model_id,
            **input_mode(settings.data, entry, template),
            "finish_reason": None,
            "truncated": False,
            "usage": None,
            "cost_usd": None,
            **_measures(text),
            "prompt_sha256": sha256_text(text),
            "parent_attempt": prompt.parent_attempt if prompt else None,
            "parent_sha256": prompt.parent_sha256 if prompt else sha256_text(text),
        },
    )
    write_text(generation.prompt, text)
    write_text(generation.raw, text)


def raw_of(attempt: Mapping[str, Any]) -> str:
    """Return the raw.txt that an attempt makes; what another tool wrote is kept as it was, to the byte."""
    return attempt["answer"] if attempt.get("adopted") else normalised(attempt["answer"])


def normalised(answer: str) -> str:
    """Return a model's answer as raw.txt keeps it: stripped, line ends ``\\n``."""
    return answer.strip().replace("\r\n", "\n")


def metadata_of(settings: Settings, entry: Entry, mode: str, origin: str | None) -> dict[str, Any]:
    """Return the content of a generation's metadata.json.

    Args:
        settings: settings of the run.
        entry: its row of membership.
        mode: ``llm`` or ``copy``.
        origin: the cohort that it was bought for, None for the row's.
    """
    content: dict[str, Any] = {
        "stage": entry.stage,
        "gen_id": entry.gen_id,
        "template_id": entry.template_id,
        "llm_model_id": entry.llm_model_id,
        "mode": mode,
        "replicate": entry.replicate,
        "origin_cohort_id": origin or entry.cohort_id,
    }
    if entry.stage in PARENT_STAGE:
        content["parent_gen_id"] = entry.parent_gen_id
    else:
        content["combo_id"] = entry.combo_id
    experiment = recorded_manifest(settings.data.cohort(entry.cohort_id)).get("experiment_id")
    if experiment:
        content["experiment_id"] = experiment
    return content


def _raw_metadata(entry: Entry, attempt: Mapping[str, Any], raw: str, prompt: str) -> dict[str, Any]:
    usage = attempt.get("usage")
    limit = (attempt.get("request") or {}).get("max_tokens")
    counted = (usage or {}).get("completion_tokens")
    return {
        "function": STAGE[entry.stage].raw_rule,
        "stage": entry.stage,
        "gen_id": entry.gen_id,
        "mode": "llm",
        "llm_model_id": entry.llm_model_id,
        "model": attempt.get("model"),
        "served_model": attempt.get("served_model"),
        "endpoint": attempt.get("endpoint"),
        "input_mode": "prompt",
        "finish_reason": attempt.get("finish_reason"),
        "truncated": parsing.was_cut_off(attempt.get("finish_reason")) or bool(limit and counted and counted >= limit),
        "usage": usage,
        "cost_usd": attempt.get("cost_usd"),
        "duration_s": attempt.get("duration_s"),
        **_measures(raw),
        "attempt": attempt.get("number"),
        "prompt_sha256": sha256_text(prompt),
        "parent_attempt": attempt.get("parent_attempt"),
        "parent_sha256": attempt.get("parent_sha256"),
        "started_at": attempt.get("started_at"),
        **({"refusal": attempt["refusal"]} if attempt.get("refusal") else {}),
    }


def _measures(text: str) -> dict[str, int]:
    return {"raw_length": len(text), "raw_lines": len(text.splitlines())}


def _write_if_changed(path: Path, content: bytes, is_there: bool, *, durable: bool) -> None:
    if is_there:
        with contextlib.suppress(FileNotFoundError):
            if path.read_bytes() == content:
                return
    write_bytes(path, content, durable=durable)
