"""One generation: its prompt, its answer, its parsed text [SPEC 6.2, 7]."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import catalogs as catalogs_module
from .. import parsers
from ..calls import Caller, Log
from ..calls.endpoints import OFFLINE
from ..calls.journal import Journal
from ..catalogs import Model, Template, combos, templates
from ..cohorts.membership import Entry, Membership
from ..errors import StoreError
from ..files import encode, read_recorded, read_text, sha256_file, sha256_text, write_json, write_text
from ..parsers import ParseFailure
from ..paths import PARENT_STAGE, DataRoot, Generation
from ..settings import Settings, StageSettings
from . import failures


@dataclass(frozen=True)
class Prompt:
    """A prompt as it would be sent now.

    Attributes:
        text: what is sent, or in copy mode what is copied.
        parent_sha256: of the parent's parsed text that went into it, None for drafts.
        parent_attempt: number of the attempt that the parent's text came from, None where not recorded.
    """

    text: str
    parent_sha256: str | None
    parent_attempt: int | None


@dataclass(frozen=True)
class Parent:
    """The text that a generation is made from.

    Attributes:
        text: the parent's parsed text.
        attempt: number of the attempt that it came from, None where not recorded.
    """

    text: str
    attempt: int | None


def buy(caller: Caller, entry: Entry, log: Log, order_id: str | None = None) -> None:
    """Make prompt.txt, raw.txt, metadata.json and raw_metadata.json of a generation.

    An answer that exists is restored without a call. A call is made only if there is none, or if a
    fresh one was ordered and has not come yet.

    Args:
        caller: the client of this run.
        entry: the generation's row of membership.
        log: told what happens, a line at a time.
        order_id: order a fresh answer under this id first.

    Raises:
        DayDreamError: no answer could be had; failure.json says why.
    """
    generation = caller.settings.data.generation(entry.stage, entry.gen_id)
    with failures.recorded(generation, entry):
        if is_copy(caller.settings, entry):
            _copy(caller.settings, generation, entry, fresh=order_id is not None)
        else:
            _restore(caller.settings, generation, entry, answer(caller, entry, log, order_id))
    failures.forget(generation, (failures.CALL, failures.PROMPT))


def answer(
    caller: Caller, entry: Entry, log: Log, order_id: str | None = None, parent: Parent | None = None
) -> Mapping[str, Any]:
    """Return the attempt that holds a generation's answer; a call is made only if there is none, or on order.

    Args:
        caller, entry, log, order_id: as in `buy`.
        parent: what the prompt is made of; default: the parent's parsed.txt.
    """
    generation = caller.settings.data.generation(entry.stage, entry.gen_id)
    own = Journal(generation)
    adopt(generation, own, entry)
    if order_id is not None:
        own.order(order_id)
    attempt = own.newest_answer()
    if attempt is not None and not own.has_open_order():
        return attempt
    if attempt is None:
        _refuse_lost_raw(generation, own)
    prompt = render(caller.settings, entry, parent)
    request = request_for(caller.settings, entry, caller.model(entry.llm_model_id), prompt.text)
    about = {"parent_attempt": prompt.parent_attempt, "parent_sha256": prompt.parent_sha256}
    return caller.ask(entry, own, request, about, log)


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
    _restore(settings, generation, entry, attempt)
    failures.forget(generation, (failures.CALL, failures.PROMPT))


def parent_of_answers(settings: Settings, within: Membership, entry: Entry) -> Parent:
    """Return what a generation gives to those made from it, out of its answer alone, without its files.

    Raises:
        StoreError: it has no answer.
        ParseFailure: its answer cannot be parsed.
    """
    generation = settings.data.generation(entry.stage, entry.gen_id)
    template = _template(settings.data, entry)
    source = within.parent(entry)
    if template.copies and source is not None:
        above = parent_of_answers(settings, within, source)
        return Parent(parsers.parse(entry.stage, template.parser, above.text), None)
    attempt = Journal(generation).newest_answer()
    if attempt is None:
        raise StoreError(f"{generation.folder}: no answer yet")
    raw = normalised(attempt["answer"])
    parsed = _parsed(settings, entry, template, raw, _raw_metadata(entry, attempt, raw, ""))
    return Parent(parsed, attempt.get("number"))


def parse(settings: Settings, entry: Entry) -> None:
    """Make parsed.txt of raw.txt; a failure leaves an older parsed.txt as it is, and failure.json.

    Raises:
        ParseFailure: the answer is truncated, too short, empty, or not in the parser's form.
    """
    generation = settings.data.generation(entry.stage, entry.gen_id)
    template = _template(settings.data, entry)
    raw = read_text(generation.raw)
    recorded = read_recorded(generation.raw_metadata)
    try:
        parsed = _parsed(settings, entry, template, raw, recorded)
    except ParseFailure as failure:
        remedy = parsers.REMEDIES.get(failure.reason, "")
        failures.record(generation, entry, failures.PARSE, failure.reason, failure.detail, remedy)
        raise
    write_text(generation.parsed, parsed)
    write_json(
        generation.parsed_metadata,
        {
            "function": f"{entry.stage}_parsed",
            "parser_name": template.parser,
            "raw_sha256": sha256_file(generation.raw),
            "success": True,
            "error": None,
            **_input_mode(settings.data, entry, template),
        },
    )
    failures.forget(generation, failures.STEPS)


def needs_parse(settings: Settings, entry: Entry, baseline: str | None) -> bool:
    """Tell whether parsed.txt is missing, or does not follow from raw.txt and the parser of the catalog.

    Args:
        settings: settings of the run.
        entry: the generation.
        baseline: parser of its template at the cohort's first expansion; counts where a generation has
            no record of its own.
    """
    generation = settings.data.generation(entry.stage, entry.gen_id)
    try:
        parsed_at = generation.parsed.stat().st_mtime_ns
    except OSError:
        return True
    try:
        raw_at = generation.raw.stat().st_mtime_ns
    except OSError:
        # an answer that the journal keeps comes back without a call, and is there to read again
        return Journal(generation).newest_answer() is not None
    recorded = read_recorded(generation.parsed_metadata)
    parser = recorded.get("parser_name") or baseline
    template = catalogs_module.load(settings.data).templates[entry.stage].get(entry.template_id)
    if template is not None and parser is not None and parser != template.parser:
        return True
    sha = recorded.get("raw_sha256")
    return bool(sha) and raw_at > parsed_at and sha256_file(generation.raw) != sha


def render(settings: Settings, entry: Entry, parent: Parent | None = None) -> Prompt:
    """Return the prompt of a generation as it would be sent now.

    Args:
        settings: settings of the run.
        entry: the generation's row of membership.
        parent: what it is made from; default: the parent's parsed.txt.

    Raises:
        TemplateError: the template cannot be used.
        StoreError: the parent's parsed text is not there yet.
    """
    data = settings.data
    template = _template(data, entry)
    if entry.stage == "draft":
        variables = {"concepts": _concepts(data, entry.combo_id)}
        return Prompt(templates.render(data.template("draft", entry.template_id), "draft", variables), None, None)
    source = parent or _parent_on_disk(data, entry)
    sha = sha256_text(source.text)
    if template.copies:
        return Prompt(source.text, sha, source.attempt)
    texts = {name: source.text for name in templates.VARIABLES[entry.stage]}
    rendered = templates.render(data.template(entry.stage, entry.template_id), entry.stage, texts)
    return Prompt(rendered, sha, source.attempt)


def request_for(settings: Settings, entry: Entry, model: Model, prompt: str) -> dict[str, Any]:
    """Return the body of the request for a generation."""
    stage = settings.stage(entry.stage)
    request: dict[str, Any] = {
        "model": model.model,
        "messages": [{"role": "user", "content": prompt}],
        "temperature": stage.temperature if model.temperature is None else model.temperature,
        "max_tokens": model.max_tokens or stage.max_tokens,
    }
    if model.endpoint == OFFLINE:
        request["seed"] = seed_of(entry.gen_id)
    return request | stage.extra


def seed_of(gen_id: str) -> int:
    """Return a whole number from 0 to 2**31 - 1 that a gen_id alone decides."""
    return int.from_bytes(hashlib.blake2b(gen_id.encode(), digest_size=4).digest(), "big") >> 1


def is_copy(settings: Settings, entry: Entry) -> bool:
    """Tell whether a generation is its parent's text again, which costs nothing."""
    return _template(settings.data, entry).copies


def pool_of(settings: Settings, entry: Entry) -> str | None:
    """Return the pool that a generation's call counts in, None where no call is made."""
    model = catalogs_module.load(settings.data).models.get(entry.llm_model_id)
    return None if model is None or is_copy(settings, entry) else model.pool


def _parent_on_disk(data: DataRoot, entry: Entry) -> Parent:
    files = data.generation(PARENT_STAGE[entry.stage], entry.parent_gen_id)
    try:
        return Parent(read_text(files.parsed), read_recorded(files.raw_metadata).get("attempt"))
    except FileNotFoundError:
        raise StoreError(
            f"{files.parsed}: no such file; {entry.stage} {entry.gen_id} is made from it",
            f"make it first: snakemake {files.parsed}",
        ) from None


def _parsed(settings: Settings, entry: Entry, template: Template, raw: str, recorded: Mapping[str, Any]) -> str:
    _refuse_incomplete(settings.stage(entry.stage), raw, recorded)
    return parsers.parse(entry.stage, template.parser, raw)


def adopt(generation: Generation, own: Journal, entry: Entry) -> None:
    """Keep a raw.txt that came without attempts as attempt 1, before anything else happens to it."""
    if generation.raw.exists() and own.newest_answer() is None:
        metadata = read_recorded(generation.metadata)
        about = {
            "gen_id": entry.gen_id,
            "stage": entry.stage,
            "cohort_id": metadata.get("origin_cohort_id"),
            "llm_model_id": entry.llm_model_id,
        }
        own.adopt(read_text(generation.raw), read_recorded(generation.raw_metadata), about)


def _refuse_lost_raw(generation: Generation, own: Journal) -> None:
    if generation.parsed.exists() and not generation.raw.exists() and not own.has_open_order():
        raise StoreError(
            f"{generation.raw}: gone, and no attempt keeps the answer, but parsed.txt shows that one was bought",
            f"put raw.txt back; or buy another answer with `daydream regenerate --gen-id {generation.gen_id} --apply`",
        )


def _restore(settings: Settings, generation: Generation, entry: Entry, attempt: Mapping[str, Any]) -> None:
    """Write the files of a generation from an attempt; raw.txt last, for it says that all is there."""
    if not generation.metadata.exists():
        write_json(generation.metadata, metadata_of(settings, entry, "llm", attempt.get("cohort_id")))
    request = attempt.get("request")
    # what another tool wrote is kept as it was, to the byte
    raw = attempt["answer"] if attempt.get("adopted") else normalised(attempt["answer"])
    if request is None:
        # adopted: what was sent is not known, and what the older tool wrote stays as it is
        for path in (generation.prompt, generation.raw_metadata):
            if not path.exists():
                write_text(path, "" if path == generation.prompt else "{}\n")
    else:
        prompt = request["messages"][0]["content"]
        _write_if_changed(generation.prompt, encode(prompt))
        recorded = _raw_metadata(entry, attempt, raw, prompt)
        if read_recorded(generation.raw_metadata) != recorded:
            write_json(generation.raw_metadata, recorded)
    if request is not None or not generation.raw.exists():
        _write_if_changed(generation.raw, encode(raw))


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
    template = _template(settings.data, entry)
    if not generation.metadata.exists():
        write_json(generation.metadata, metadata_of(settings, entry, "copy", entry.cohort_id))
    write_json(
        generation.raw_metadata,
        {
            "function": f"{entry.stage}_raw",
            "stage": entry.stage,
            "gen_id": entry.gen_id,
            "mode": "copy",
            "llm_model_id": entry.llm_model_id,
            **_input_mode(settings.data, entry, template),
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
    if entry.stage == "draft":
        content["combo_id"] = entry.combo_id
    else:
        content["parent_gen_id"] = entry.parent_gen_id
    experiment = read_recorded(settings.data.cohort(entry.cohort_id).manifest).get("experiment_id")
    if experiment:
        content["experiment_id"] = experiment
    return content


def _raw_metadata(entry: Entry, attempt: Mapping[str, Any], raw: str, prompt: str) -> dict[str, Any]:
    usage = attempt.get("usage")
    limit = (attempt.get("request") or {}).get("max_tokens")
    told = (usage or {}).get("completion_tokens")
    return {
        "function": f"{entry.stage}_raw",
        "stage": entry.stage,
        "gen_id": entry.gen_id,
        "mode": "llm",
        "llm_model_id": entry.llm_model_id,
        "model": attempt.get("model"),
        "served_model": attempt.get("served_model"),
        "endpoint": attempt.get("endpoint"),
        "input_mode": "prompt",
        "finish_reason": attempt.get("finish_reason"),
        "truncated": attempt.get("finish_reason") == "length" or bool(limit and told and told >= limit),
        "usage": usage,
        "cost_usd": attempt.get("cost_usd"),
        "duration_s": attempt.get("duration_s"),
        **_measures(raw),
        "attempt": attempt.get("number"),
        "prompt_sha256": sha256_text(prompt),
        "parent_attempt": attempt.get("parent_attempt"),
        "parent_sha256": attempt.get("parent_sha256"),
        "started_at": attempt.get("started_at"),
    }


def _measures(text: str) -> dict[str, int]:
    return {"raw_length": len(text), "raw_lines": len(text.splitlines())}


def _input_mode(data: DataRoot, entry: Entry, template: Template) -> dict[str, Any]:
    if not template.copies:
        return {"input_mode": "prompt"}
    parent = data.generation(PARENT_STAGE[entry.stage], entry.parent_gen_id)
    return {"input_mode": "copy", "copied_from": parent.parsed.relative_to(data.root).as_posix()}


def _refuse_incomplete(stage: StageSettings, raw: str, recorded: Mapping[str, Any]) -> None:
    truncated = recorded.get("truncated") or recorded.get("finish_reason") == "length"
    if truncated and not stage.allow_truncated:
        usage = recorded.get("usage") or {}
        raise ParseFailure(
            "truncated",
            f"the answer was cut off (completion tokens: {usage.get('completion_tokens', 'unknown')})",
        )
    if not raw.strip():
        raise ParseFailure("empty_response", "the answer is empty")
    lines = sum(1 for line in raw.splitlines() if line.strip())
    if lines < stage.min_lines:
        raise ParseFailure("min_lines_not_met", f"{lines} non-empty lines, at least {stage.min_lines} are asked for")


def _concepts(data: DataRoot, combo_id: str) -> list[dict[str, str]]:
    known = combos.load(data)
    if combo_id not in known:
        raise StoreError(
            f"{data.combo_mappings}: no combo {combo_id}",
            "`snakemake cohort` registers a spec's combos; restore the registry from version control",
        )
    combo = known[combo_id]
    catalogs = catalogs_module.load(data)
    combos.check(combo, catalogs, data.combo_mappings)
    return [
        {
            "name": catalogs.concepts[concept_id].name,
            "content": catalogs_module.concept_text(data, combo.level, catalogs.concepts[concept_id]),
        }
        for concept_id in combo.concept_ids
    ]


def _template(data: DataRoot, entry: Entry) -> Template:
    known = catalogs_module.load(data).templates[entry.stage]
    if entry.template_id not in known:
        raise StoreError(
            f"{entry.stage} {entry.gen_id}: its template '{entry.template_id}' is not in "
            f"{data.catalog(catalogs_module.templates_table(entry.stage))}",
            "put the row back; its file is needed only for new answers",
        )
    return known[entry.template_id]


def _write_if_changed(path: Path, content: bytes) -> None:
    try:
        if path.read_bytes() == content:
            return
    except FileNotFoundError:
        pass
    write_text(path, content.decode("utf-8"))
