"""From raw.txt to parsed.txt: the part of an answer that counts, and whether it has to be taken out again."""

import hashlib
from collections.abc import Mapping
from typing import Any

from .. import catalogs as catalogs_module
from .. import parsers
from ..calls.journal import Journal
from ..catalogs import Template
from ..cohorts.manifest import recorded_manifest
from ..cohorts.membership import Entry
from ..files import decode, read_recorded, sha256_file, sha256_text, write_json, write_text
from ..parsers import ParseFailure
from ..paths import DataRoot, Generation
from ..settings import Settings, StageSettings
from ..stages import JUDGING, STAGE
from . import answers, failures
from .mode import input_mode, template_of


def parse(settings: Settings, entry: Entry) -> None:
    """Make parsed.txt of raw.txt; a failure leaves an older parsed.txt as it is, and failure.json.

    Raises:
        ParseFailure: the answer is truncated, too short, empty, or not in the parser's form.
    """
    generation = settings.data.generation(entry.stage, entry.gen_id)
    template = template_of(settings.data, entry)
    content = generation.raw.read_bytes()
    raw = decode(content, generation.raw)
    recorded = read_recorded(generation.raw_metadata, awaits=True)
    try:
        parsed = text_of(settings, entry, template, raw, recorded)
    except ParseFailure as failure:
        remedy = parsers.REMEDIES.get(failure.reason, "")
        about = basis(settings, template, generation)
        failures.record(generation, entry, failures.PARSE, failure.reason, failure.detail, remedy, basis=about)
        raise
    write_text(generation.parsed, parsed)
    write_json(
        generation.parsed_metadata,
        {
            "function": STAGE[entry.stage].parsed_rule,
            "parser_name": template.parser,
            "raw_sha256": hashlib.sha256(content).hexdigest(),
            "success": True,
            "error": None,
            **input_mode(settings.data, entry, template),
        },
    )
    failures.forget(generation, failures.STEPS)


def basis(settings: Settings, template: Template, generation: Generation) -> dict[str, Any]:
    """Return what decides how a parse ends: a failure of another basis says nothing of today's."""
    stage = settings.stage(generation.stage)
    return {
        "raw_sha256": sha256_file(generation.raw),
        "parser_name": template.parser,
        "min_lines": stage.min_lines,
        "allow_truncated": stage.allow_truncated,
        "refusal_phrases_sha256": sha256_text("\n".join(settings.llm.refusal_phrases)),
    }


def needs_parse(settings: Settings, entry: Entry, baseline: str | None) -> bool:
    """Return whether parsed.txt is missing, or does not follow from raw.txt and the parser of the catalog.

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
        return Journal(generation).is_answered()
    recorded = read_recorded(generation.parsed_metadata)
    parser = recorded.get("parser_name") or baseline
    template = catalogs_module.load(settings.data).templates[entry.stage].get(entry.template_id)
    if template is not None and parser is not None and parser != template.parser:
        return True
    sha = recorded.get("raw_sha256")
    try:
        return bool(sha) and raw_at > parsed_at and sha256_file(generation.raw) != sha
    except OSError:
        # the parse job says what is wrong with the file; the others go on
        return True


def follows_from_raw(generation: Generation) -> bool:
    """Return whether parsed.txt was made of the raw.txt that is there, not of an answer before it."""
    sha = read_recorded(generation.parsed_metadata).get("raw_sha256")
    try:
        if sha:
            return bool(sha == sha256_file(generation.raw))
        return generation.raw.stat().st_mtime_ns <= generation.parsed.stat().st_mtime_ns
    except OSError:
        return True


def baseline(data: DataRoot, entry: Entry) -> str | None:
    """Return the parser that a template had at its cohort's first expansion, None if not recorded."""
    parsers_then: Mapping[str, Mapping[str, str]] = recorded_manifest(data.cohort(entry.cohort_id)).get("parsers") or {}
    return parsers_then.get(entry.stage, {}).get(entry.template_id)


def text_of(settings: Settings, entry: Entry, template: Template, raw: str, recorded: Mapping[str, Any]) -> str:
    """Return the part of an answer that counts; the reasoning at its start is left out before all else.

    Args:
        settings: settings of the run.
        entry: the generation.
        template: its template, which names the parser.
        raw: content of raw.txt.
        recorded: raw_metadata.json.

    Raises:
        ParseFailure: the answer is a refusal, truncated, too short, empty, or not in the parser's form.
    """
    if not raw and recorded.get("raw_length"):
        came = f"raw.txt is empty, but the answer had {recorded['raw_length']} characters"
        raise ParseFailure("empty_response", f"{came}: remove it and run again, and it is restored without a call")
    answer = answers.without_reasoning(raw)
    declined = answers.refusal(answer or "", recorded, settings.llm.refusal_phrases)
    if declined and not _has_score(entry.stage, template, answer or ""):
        raise ParseFailure("refused", declined)
    _refuse_incomplete(settings.stage(entry.stage), answer, recorded)
    return parsers.parse(entry.stage, template.parser, answer or "")


def _has_score(stage: str, template: Template, answer: str) -> bool:
    """Return whether a judge gave a score: it may be filtered after it, or open with an apology."""
    if stage != JUDGING:
        return False
    try:
        float(parsers.parse(stage, template.parser, answer))
    except (ParseFailure, ValueError):
        return False
    return True


def was_cut_off(finish_reason: object) -> bool:
    """Return whether an endpoint's word for the end of an answer says that its tokens were used up."""
    return isinstance(finish_reason, str) and finish_reason.lower() in ("length", "max_tokens")


def _refuse_incomplete(stage: StageSettings, answer: str | None, recorded: Mapping[str, Any]) -> None:
    truncated = recorded.get("truncated") or was_cut_off(recorded.get("finish_reason"))
    if truncated and not stage.allow_truncated:
        usage = recorded.get("usage") or {}
        raise ParseFailure(
            "truncated",
            f"the answer was cut off (completion tokens: {usage.get('completion_tokens', 'unknown')})",
        )
    if answer is None:
        raise ParseFailure("empty_response", "the reasoning at the start of the answer never ends")
    if not answer.strip():
        raise ParseFailure("empty_response", "the answer is empty")
    lines = sum(1 for line in answer.splitlines() if line.strip())
    if lines < stage.min_lines:
        raise ParseFailure("min_lines_not_met", f"{lines} non-empty lines, at least {stage.min_lines} are asked for")
