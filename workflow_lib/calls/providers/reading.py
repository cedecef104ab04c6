"""What providers share: reading what an endpoint sent so that nothing odd in it costs an answer or shows a key."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ... import redaction
from .. import costs, retries
from ..replies import CallError
from ..transfer import Received, kept, words

# names and reasons as endpoints give them are short; what is longer is an attack on tables
MAX_FIELD_CHARS = 200
MAX_FIGURE_CHARS = 2_000
# longer whole numbers count nothing that a call can have; Python would refuse to print the longest
MAX_DIGITS = 18

COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
# parts of the prompt, and where endpoints report them: OpenAI's field, OpenRouter's beside it, DeepSeek's own
DETAILS = "prompt_tokens_details"
CACHED = (DETAILS, "cached_tokens"), ("", "prompt_cache_hit_tokens")
WRITTEN = ((DETAILS, "cache_write_tokens"),)


@dataclass(frozen=True)
class Figures:
    """What an endpoint reported of a call.

    Attributes:
        tokens: the counts that can be right, None if there are none.
        cost_usd: None where it gave none, or any of its figures cannot be right.
        odd: all its figures as JSON text where one of them cannot be right, else None.
    """

    tokens: dict[str, int] | None
    cost_usd: float | None
    odd: str | None


def content_of(shown: str, received: Received) -> dict[str, Any]:
    """Return the JSON object of a body: UTF-8 whatever its content type says; a byte order mark is accepted.

    Args:
        shown: the address, for messages.
        received: the response.

    Raises:
        CallError: it is no JSON; {} is returned for JSON that is no object.
    """
    body = received.body
    # a byte that is no UTF-8 costs its character, not the answer
    text = body.decode(json.detect_encoding(body), "replace")
    try:
        content = json.loads(text, parse_int=_whole_number, parse_float=_number, parse_constant=str)
    except (ValueError, RecursionError):
        if "event-stream" in received.content_type.lower() or body.lstrip().startswith(b"data:"):
            rule, what = retries.EVENT_STREAM, "with a stream of events that nobody asked for"
        else:
            rule, what = retries.NOT_JSON, "with something that is not JSON"
        raise unusable(rule, f"{shown}: 200 {what}", received) from None
    return object_of(content)


def unusable(
    rule: retries.Rule, said: str, received: Received, *, about: object = None, cost: object = None, key_name: str = ""
) -> CallError:
    """Return the error for a response with a status of success that is no answer.

    Args:
        rule: what follows from it.
        said: what is wrong; some words of the endpoint are put behind it.
        received: the response; its body is kept.
        about: the part that the words are taken from, default: the body.
        cost: what the endpoint said that it cost.
        key_name: the place where the key is set, for the remedy.
    """
    return CallError(
        rule,
        f"{said}: {words(about or received.body)}",
        remedy=rule.remedy.format(key_env=key_name),
        cost_usd=costs.plausible_usd(cost),
        body=kept(received.body),
    )


def object_of(value: object) -> dict[str, Any]:
    """Return a value that is a JSON object as it is, and {} for anything else that stands in its place."""
    return value if isinstance(value, dict) else {}


def text_of(content: Any) -> str:
    """Return the text of a message's content, or of the parts that it is made of, however deep they lie."""
    texts: list[str] = []
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, list):
            waiting.extend(reversed(part))
        elif isinstance(part, dict):
            waiting.append(part.get("text"))
    return redaction.text("".join(texts), redaction.SHORTEST_IN_ANSWERS)


def field_of(value: Any) -> str | None:
    """Return a short field such as an id as text without secrets; None where there is none."""
    if value is None:
        return None
    return redaction.text(value if isinstance(value, str) else _dumped(value))[:MAX_FIELD_CHARS]


def figures_of(usage: Mapping[str, Any]) -> Figures:
    """Return the figures in an object with `COUNTS`, their parts and ``cost``, whatever they are."""
    counts = {name: usage[name] for name in COUNTS if usage.get(name) is not None}
    tokens = {name: count for name, given in counts.items() if (count := costs.plausible_tokens(given)) is not None}
    cost = costs.plausible_usd(usage.get("cost"))
    for name, places in ((costs.CACHED_TOKENS, CACHED), (costs.CACHE_WRITE_TOKENS, WRITTEN)):
        part = next((count for place in places if (count := _part(usage, *place)) is not None), None)
        # more than the whole cannot be right; without it the whole counts at its full price
        if part is not None and part <= tokens.get("prompt_tokens", 0):
            tokens[name] = part
    odd = len(tokens.keys() & counts.keys()) < len(counts) or (cost is None and usage.get("cost") is not None)
    if "total_tokens" not in tokens and {"prompt_tokens", "completion_tokens"} <= tokens.keys():
        tokens["total_tokens"] = tokens["prompt_tokens"] + tokens["completion_tokens"]
    return Figures(
        tokens or None,
        None if odd else cost,
        redaction.text(_dumped(usage))[:MAX_FIGURE_CHARS] if odd else None,
    )


def _part(usage: Mapping[str, Any], group: str, name: str) -> int | None:
    within = usage.get(group) if group else usage
    return costs.plausible_tokens(within.get(name)) if isinstance(within, Mapping) else None


def _whole_number(digits: str) -> int | str:
    return int(digits) if len(digits) <= MAX_DIGITS else digits


def _number(digits: str) -> float | str:
    value = float(digits)
    return value if abs(value) < float("inf") else digits


def _dumped(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return "(too deeply nested to keep)"
