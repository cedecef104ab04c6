"""Identifiers: what defines a generation decides its name [SPEC 3].

The recipes here are frozen: changing one would make every paid answer unreachable.
"""

import hashlib
from collections.abc import Iterable

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_PREFIX = {"draft": "d_", "essay": "e_", "evaluation": "v_"}
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
    return _content_id("draft", [combo_id, template_id, model_id], replicate, collision)


def essay_id(
    draft_gen_id: str, template_id: str, replicate: int, model_id: str | None = None, collision: int = 0
) -> str:
    """Return the gen_id of an essay; a `model_id` given is counted in (see `draft_id` for the rest)."""
    parts = [draft_gen_id, template_id] + ([model_id] if model_id is not None else [])
    return _content_id("essay", parts, replicate, collision)


def evaluation_id(essay_gen_id: str, template_id: str, model_id: str, replicate: int, collision: int = 0) -> str:
    """Return the gen_id of an evaluation (see `draft_id`)."""
    return _content_id("evaluation", [essay_gen_id, template_id, model_id], replicate, collision)


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


def draft_task_id(combo: str, template_id: str, model_id: str, replicate: int) -> str:
    """Return the readable key of a draft [SPEC 5.2]."""
    return f"{combo}__{template_id}__{model_id}__{replicate}"


def essay_task_id(draft_task: str, template_id: str, replicate: int) -> str:
    """Return the readable key of an essay [SPEC 5.2]."""
    return f"{draft_task}__{template_id}__{replicate}"


def evaluation_task_id(essay_gen_id: str, template_id: str, model_id: str, replicate: int) -> str:
    """Return the readable key of an evaluation [SPEC 5.2]."""
    return f"{essay_gen_id}__{template_id}__{model_id}__{replicate}"


def _content_id(stage: str, texts: list[str], replicate: int, collision: int) -> str:
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
    return _PREFIX[stage] + _base36(int.from_bytes(digest, "big")) + suffix


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, remainder = divmod(number, 36)
        digits = _DIGITS[remainder] + digits
    return digits or "0"
