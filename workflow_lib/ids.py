"""Identifiers: what defines a generation decides its name.

The recipes here are frozen: changing one would make every paid answer unreachable.
"""

import hashlib
from collections.abc import Iterable

from .stages import STAGE

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
MAX_COLLISIONS = 5


def draft_id(combo_id: str, template_id: str, model_id: str, replicate: int, collision: int = 0) -> str:
    """Return the gen_id of a draft.

    Args:
        combo_id, template_id, model_id: stripped and lower-cased before hashing.
        replicate: 1 or more.
        collision: 0, or 1 to 5 when the plain id is taken by another signature.

    Raises:
        ValueError: an empty text part or a replicate below 1.
    """
    return content_id("draft", combo_id, template_id, model_id, replicate, collision)


def essay_id(
    draft_gen_id: str, template_id: str, replicate: int, model_id: str | None = None, collision: int = 0
) -> str:
    """Return the gen_id of an essay; a `model_id` given is counted in (see `draft_id` for the rest)."""
    return content_id("essay", draft_gen_id, template_id, model_id, replicate, collision)


def evaluation_id(essay_gen_id: str, template_id: str, model_id: str, replicate: int, collision: int = 0) -> str:
    """Return the gen_id of an evaluation (see `draft_id`)."""
    return content_id("evaluation", essay_gen_id, template_id, model_id, replicate, collision)


def content_id(
    stage: str, source: str, template_id: str, model_id: str | None, replicate: int, collision: int = 0
) -> str:
    """Return the gen_id of a generation of any stage.

    Args:
        stage: gives the prefix.
        source: gen_id of the parent, or the combo's id where there is no parent.
        template_id, replicate, collision: see `draft_id`.
        model_id: None where the model is no part of the id.

    Raises:
        ValueError: see `draft_id`.
    """
    texts = [source, template_id, *([] if model_id is None else [model_id])]
    parts = [text.strip().lower() for text in texts]
    if not all(parts):
        raise ValueError(f"an id of a {stage} needs every part, got {texts}")
    if isinstance(replicate, bool) or int(replicate) != replicate or replicate < 1:
        raise ValueError(f"replicate must be a whole number of 1 or more, got {replicate!r}")
    if not 0 <= collision <= MAX_COLLISIONS:
        raise ValueError(f"collision must be 0 to {MAX_COLLISIONS}, got {collision!r}")
    parts.append(str(int(replicate)))
    if collision:
        parts.append(f"collision:{collision}")
    digest = hashlib.blake2b("|".join(parts).encode(), digest_size=10).digest()
    suffix = f"-{collision}" if collision else ""
    return STAGE[stage].prefix + _base36(int.from_bytes(digest, "big")) + suffix


def cohort_scoped_id(stage: str, task_id: str, cohort_id: str) -> str:
    """Return the 16-character id of a generation that belongs to one cohort alone (`ids.scope: cohort`)."""
    text = "".join(f"{part}|" for part in (stage, task_id, cohort_id))
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:12], "big")
    return _base36(number).rjust(16, "0")[:16]


def combo_id(concept_ids: Iterable[str], level: str, k_max: int) -> str:
    """Return the id of a set of concepts at a description level; their order does not matter.

    Raises:
        ValueError: no concept, or an empty part.
    """
    concepts = sorted(concept_ids)
    if not concepts or not all(concepts) or not level:
        raise ValueError(f"an id of a combo needs concepts and a level, got {concepts} and {level!r}")
    text = "|".join(concepts) + f"|{level}|{k_max}"
    return "combo_v1_" + hashlib.sha256(text.encode()).hexdigest()[:12]


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, remainder = divmod(number, 36)
        digits = _DIGITS[remainder] + digits
    return digits or "0"
