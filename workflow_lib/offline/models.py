"""
Offline models: deterministic stand-ins for hosted ones, so that a run needs neither key nor network.

Writers produce text in the shape that a prompt asks for, judges score measurable features of the text they are
shown. The same model, messages, seed and limit give the same text on every machine and Python version: all
choices come from SHA-256, all arithmetic is exact or IEEE, and nothing depends on the order of a set.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from ..errors import DayDreamError, nearest
from .dice import Dice
from .judge import judge
from .writer import write

WRITERS: tuple[str, ...] = ("sim-writer-a", "sim-writer-b")
JUDGES: tuple[str, ...] = ("sim-judge-a", "sim-judge-b", "sim-judge-c")
MODELS: tuple[str, ...] = WRITERS + JUDGES

CHARACTERS_PER_TOKEN = 4
# Longer prompts are read at both ends only: the time of a call stays bounded, whatever it is sent.
_READ_HEAD, _READ_TAIL = 150_000, 50_000
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Completion:
    """An offline model's answer.

    Attributes:
        text: the answer; always valid UTF-8.
        finish_reason: ``"stop"``, or ``"length"`` if ``max_tokens`` cut it.
        prompt_tokens, completion_tokens: characters / 4, rounded up.
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


def messages_sha256(messages: Any) -> str:
    """Return the hex sha256 of the messages as canonical JSON (sorted keys, ASCII, no blanks)."""
    canonical = json.dumps(messages, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def prompt_text(messages: Any) -> str:
    """Return what the messages say, joined by blank lines; parts without text count as nothing."""
    texts: list[str] = []
    for message in messages if isinstance(messages, list) else []:
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else [content]:
            text = part.get("text") if isinstance(part, dict) else part
            if isinstance(text, str):
                texts.append(text)
    return "\n\n".join(texts)


def complete(model: str, messages: list[dict[str, Any]], seed: int, max_tokens: int | None = None) -> Completion:
    """Answer a chat request as one of the offline models.

    Args:
        model: one of `MODELS`.
        messages: chat messages with ``role`` and ``content``; anything readable is accepted.
        seed: another seed is another sample of the same cell.
        max_tokens: upper limit of the answer in tokens of 4 characters; None for no limit.

    Raises:
        DayDreamError: there is no such offline model.
    """
    if model not in MODELS:
        raise DayDreamError(f"offline model '{model}' does not exist", nearest(model, MODELS))
    prompt = prompt_text(messages)
    dice = Dice(model, messages_sha256(messages), seed)
    readable = _readable(prompt)
    if model in WRITERS:
        text = write(model, readable, dice)
    else:
        text = judge(model, readable, dice)
    finish_reason = "stop"
    if max_tokens is not None and tokens(text) > max_tokens:
        text = text[: max(0, max_tokens) * CHARACTERS_PER_TOKEN]
        finish_reason = "length"
    return Completion(text, finish_reason, tokens(prompt), tokens(text))


def tokens(text: str) -> int:
    """Return the number of tokens that offline models count for a text."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def _readable(prompt: str) -> str:
    if len(prompt) > _READ_HEAD + _READ_TAIL:
        prompt = prompt[:_READ_HEAD] + "\n" + prompt[-_READ_TAIL:]
    return _UNPRINTABLE.sub(" ", prompt.replace("\r\n", "\n").replace("\r", "\n"))
