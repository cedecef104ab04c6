"""What of a model's answer counts before a parser sees it: its reasoning is left out, a refusal is none."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

REFUSAL_CHARS = 400
"""Longer answers that open with an apology are taken for answers."""
MAX_WORDS = 200

_REASONING = re.compile(r"\s*<(think|thinking)>", re.IGNORECASE | re.ASCII)
_MARKUP = "*_#>` \t\r\n"


def without_reasoning(answer: str) -> str | None:
    """Return an answer without the ``<think>`` or ``<thinking>`` blocks at its very start.

    Args:
        answer: as raw.txt has it.

    Returns:
        The rest without blanks at its start; an answer that has no such block as it is. None if a block never
        ends: all of it may be reasoning.
    """
    position = 0
    while opening := _REASONING.match(answer, position):
        closing = re.compile(f"</{opening[1]}>", re.IGNORECASE | re.ASCII).search(answer, opening.end())
        if closing is None:
            return None
        position = closing.end()
    return answer[position:].lstrip() if position else answer


def refusal(answer: str, recorded: Mapping[str, Any], phrases: Iterable[str]) -> str | None:
    """Return how it shows that a model declined, None if it did not.

    Args:
        answer: without its reasoning.
        recorded: raw_metadata.json; counts are the endpoint's ``refusal`` and ``finish_reason``.
        phrases: openings of short answers that are refusals, in any case.
    """
    words = recorded.get("refusal")
    if isinstance(words, str) and words:
        return f"the model declined: {words[:MAX_WORDS]}"
    finish_reason = recorded.get("finish_reason")
    if isinstance(finish_reason, str) and finish_reason.lower() == "content_filter":
        return "the endpoint's filter ended the answer (finish_reason content_filter)"
    if len(answer) < REFUSAL_CHARS:
        opening = _plain(answer)
        for phrase in phrases:
            if re.match(rf"{re.escape(_plain(phrase))}(?!\w)", opening):
                return f"a short answer that opens like a refusal ('{phrase}'): {answer[:MAX_WORDS]}"
    return None


def _plain(text: str) -> str:
    """Return a text without the marks at its start, in lower case and with straight apostrophes."""
    return text.lstrip(_MARKUP).replace("\u2019", "'").casefold()
