"""What a generation is asked: its prompt, and the request that carries it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from .. import catalogs as catalogs_module
from ..calls.endpoints import OFFLINE
from ..catalogs import Model, combos, templates
from ..cohorts.membership import Entry
from ..errors import StoreError
from ..files import read_recorded, read_text, sha256_text, when_listed
from ..paths import DataRoot
from ..settings import Settings
from ..stages import BOUNDARY, PARENT_STAGE, STAGE
from .mode import template_of


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


def render(settings: Settings, entry: Entry) -> Prompt:
    """Return the prompt of a generation as it would be sent now.

    Args:
        settings: settings of the run.
        entry: the generation's row of membership.

    Raises:
        TemplateError: the template cannot be used.
        StoreError: the parent's parsed text is not there yet.
    """
    data = settings.data
    template = template_of(data, entry)
    if entry.stage not in PARENT_STAGE:
        variables = {"concepts": _concepts(data, entry.combo_id)}
        text = templates.render(data.template(entry.stage, entry.template_id), entry.stage, variables)
        return Prompt(text, None, None)
    source = parent_on_disk(data, entry)
    sha = sha256_text(source.text)
    if template.copies:
        return Prompt(source.text, sha, source.attempt)
    path = data.template(entry.stage, entry.template_id)
    rendered = templates.render(path, entry.stage, variables_of(entry, source.text))
    return Prompt(rendered, sha, source.attempt)


def variables_of(entry: Entry, text: str) -> dict[str, str]:
    """Return what the template of a generation is given, with the text that it is made from."""
    stage = STAGE[entry.stage]
    values = dict.fromkeys(stage.variables, text)
    return values | {BOUNDARY: boundary(entry.gen_id, text)} if BOUNDARY in stage.template_variables else values


def boundary(gen_id: str, text: str) -> str:
    """Return a word of 12 hexadecimal digits for one prompt: the gen_id decides it, and the text does not hold it."""
    words = (hashlib.blake2b(f"{gen_id}|{turn}".encode(), digest_size=6).hexdigest() for turn in count())
    return next(word for word in words if word not in text.lower())


def request_for(settings: Settings, entry: Entry, model: Model, prompt: str) -> dict[str, Any]:
    """Return the body of the request for a generation; the prompt is its last message.

    Raises:
        TemplateError: the model's system prompt is missing or empty.
    """
    stage = settings.stage(entry.stage)
    system = system_message(settings.data, model)
    request: dict[str, Any] = {
        "model": model.model,
        "messages": [
            *([{"role": "system", "content": system}] if system else []),
            {"role": "user", "content": prompt},
        ],
        "temperature": stage.temperature if model.temperature is None else model.temperature,
        "max_tokens": model.max_tokens or stage.max_tokens,
    }
    if model.endpoint == OFFLINE:
        request["seed"] = seed_of(entry.gen_id)
    # the row of a model says more than the settings of a stage
    effort = {"reasoning_effort": model.reasoning_effort} if model.reasoning_effort else {}
    return request | stage.extra | effort


def system_message(data: DataRoot, model: Model) -> str | None:
    """Return the message that a model is sent before each prompt, None if there is none.

    Raises:
        TemplateError: its file is missing or empty.
    """
    return templates.system_text(data.system_prompt(model.system_prompt)) if model.system_prompt else None


def system_sent(request: Mapping[str, Any] | None) -> str | None:
    """Return the system message of a request as it was sent, None if there was none, or nothing is known of it."""
    before = request["messages"][:-1] if request else ()
    return before[0]["content"] if before else None


def seed_of(gen_id: str) -> int:
    """Return a whole number from 0 to 2**31 - 1 that a gen_id alone decides."""
    return int.from_bytes(hashlib.blake2b(gen_id.encode(), digest_size=4).digest(), "big") >> 1


def parent_on_disk(data: DataRoot, entry: Entry) -> Parent:
    """Return the parsed.txt that a generation is made from.

    Raises:
        StoreError: it is not there yet.
    """
    files = data.generation(PARENT_STAGE[entry.stage], entry.parent_gen_id)
    try:
        return Parent(
            when_listed(read_text, files.parsed), read_recorded(files.raw_metadata, awaits=True).get("attempt")
        )
    except FileNotFoundError:
        raise StoreError(
            f"{files.parsed}: no such file; {entry.stage} {entry.gen_id} is made from it",
            f"make it first: snakemake {files.parsed}",
        ) from None


def _concepts(data: DataRoot, combo_id: str) -> list[dict[str, str]]:
    known = combos.load(data)
    if combo_id not in known:
        raise StoreError(
            f"{data.combo_mappings}: no combo {combo_id}",
            "put its rows back: `snakemake cohort` writes those of a spec, a copy of the store has others",
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
