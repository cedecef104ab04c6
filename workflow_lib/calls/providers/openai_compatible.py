"""POST /chat/completions, as OpenAI, Ollama, vLLM, llama.cpp and most gateways understand it."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ... import redaction
from .. import costs, retries
from ..replies import CallError, Reply
from ..transfer import Limits, Received, kept, post, words
from .endpoint import Endpoint

PATH = "/chat/completions"
# names and reasons as endpoints give them are short; what is longer is an attack on tables
MAX_FIELD_CHARS = 200
MAX_FIGURE_CHARS = 2_000
# longer whole numbers count nothing that a call can have; Python would refuse to print the longest
MAX_DIGITS = 18


def send(endpoint: Endpoint, request: Mapping[str, Any], limits: Limits) -> Reply:
    """Send one request and return the answer.

    Args:
        endpoint: where to; it has a base_url.
        request: body: model, messages, temperature, max_tokens, ...
        limits: time and size.

    Raises:
        CallError: no answer, or none that can be used.
    """
    target = _target(endpoint.base_url or "")
    key_name = endpoint.key_env or f"endpoints.{endpoint.name}.api_key_env"
    received = post(target, request, dict(endpoint.headers), endpoint.key, key_name, limits)
    return _reply(redaction.address(target), str(request.get("model")), key_name, received)


def _target(base_url: str) -> str:
    """Return the full URL; a query such as an API version stays at its end."""
    try:
        parts = urlsplit(base_url)
    except ValueError:
        return base_url.rstrip("/") + PATH
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + PATH))


def _reply(shown: str, asked: str, key_name: str, received: Received) -> Reply:
    content = _json(shown, received)
    content = content if isinstance(content, dict) else {}
    told = content.get("usage")
    usage: dict[str, Any] = told if isinstance(told, dict) else {}
    choices = content.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    error = content.get("error") or choice.get("error")
    ended_in_error = choice.get("finish_reason") == "error"
    message = choice.get("message")

    def unusable(rule: retries.Rule, said: str, about: object) -> CallError:
        return CallError(
            rule,
            f"{shown}: 200 {said}: {words(about)}",
            remedy=rule.remedy.format(key_env=key_name),
            cost_usd=costs.plausible_usd(usage.get("cost")),
            body=kept(received.body),
        )

    if error or ended_in_error:
        code = error.get("code") if isinstance(error, dict) else None
        rule = retries.ERROR_IN_ANSWER if choice else retries.of_error_inside(code)
        raise unusable(rule, "with an error inside", error or received.body)
    if not isinstance(message, dict):
        raise unusable(retries.NO_CHOICES, "without an answer in it", received.body)
    tokens, cost = _tokens(usage), costs.plausible_usd(usage.get("cost"))
    odd = _has_odd_figures(usage)
    return Reply(
        answer=_answer(message.get("content")),
        reasoning=_answer(message.get("reasoning") or message.get("reasoning_content")) or None,
        refusal=_answer(message.get("refusal")) or None,
        finish_reason=_field(choice.get("finish_reason")),
        usage=tokens,
        cost_usd=None if odd else cost,
        # a placeholder key may be part of the name that was asked for
        served_model=asked if content.get("model") == asked else _field(content.get("model")),
        generation_id=_field(content.get("id")),
        odd_figures=_figures(usage) if odd else None,
    )


def _json(shown: str, received: Received) -> Any:
    """Return the content of a body: UTF-8 whatever its content type says; a byte order mark is accepted."""
    body = received.body
    # a byte that is no UTF-8 costs its character, not the answer
    text = body.decode(json.detect_encoding(body), "replace")
    try:
        return json.loads(text, parse_int=_whole_number, parse_float=_number, parse_constant=str)
    except (ValueError, RecursionError):
        streamed = "event-stream" in received.content_type.lower() or body.lstrip().startswith(b"data:")
        rule = retries.EVENT_STREAM if streamed else retries.NOT_JSON
        what = "with a stream of events that nobody asked for" if streamed else "with something that is not JSON"
        raise CallError(rule, f"{shown}: 200 {what}: {words(body)}", body=kept(body)) from None


def _whole_number(digits: str) -> int | str:
    return int(digits) if len(digits) <= MAX_DIGITS else digits


def _number(digits: str) -> float | str:
    value = float(digits)
    return value if abs(value) < float("inf") else digits


def _answer(content: Any) -> str:
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


def _field(value: Any) -> str | None:
    """Return a short field as text without secrets; None where there is none."""
    if value is None:
        return None
    return redaction.text(value if isinstance(value, str) else _dumped(value))[:MAX_FIELD_CHARS]


def _tokens(usage: Mapping[str, Any]) -> dict[str, int] | None:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    found = {name: count for name in names if (count := costs.plausible_tokens(usage.get(name))) is not None}
    if not found:
        return None
    if "total_tokens" not in found and len(found) == 2:
        found["total_tokens"] = sum(found.values())
    return found


def _has_odd_figures(usage: Mapping[str, Any]) -> bool:
    """Tell whether a count of tokens or the cost was given and cannot be right."""
    counts = (usage.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
    if any(count is not None and costs.plausible_tokens(count) is None for count in counts):
        return True
    return usage.get("cost") is not None and costs.plausible_usd(usage["cost"]) is None


def _figures(usage: Mapping[str, Any]) -> str:
    return redaction.text(_dumped(usage))[:MAX_FIGURE_CHARS]


def _dumped(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return "(too deeply nested to keep)"
