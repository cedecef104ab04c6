"""POST /chat/completions, as OpenAI, Ollama, vLLM, llama.cpp and most gateways understand it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ... import redaction
from .. import retries
from ..replies import Reply
from ..transfer import Limits, Received, post
from .endpoint import Endpoint
from .reading import content_of, field_of, figures_of, object_of, text_of, unusable

PATH = "/chat/completions"


def send(endpoint: Endpoint, request: Mapping[str, Any], limits: Limits) -> Reply:
    """Send one request and return the answer.

    Args:
        endpoint: where to; it has a base_url.
        request: body: model, messages, temperature, max_tokens, ...
        limits: time and size.

    Raises:
        CallError: no answer, or none that can be used.
    """
    target = target_of(endpoint.base_url or "", PATH)
    received = post(target, request, dict(endpoint.headers), endpoint.key, endpoint.key_name, limits)
    return reply_of(redaction.address(target), str(request.get("model")), endpoint.key_name, received)


def target_of(base_url: str, path: str) -> str:
    """Return the full URL; a query such as an API version stays at its end."""
    try:
        parts = urlsplit(base_url)
    except ValueError:
        return base_url.rstrip("/") + path
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + path))


def reply_of(shown: str, asked: str, key_name: str, received: Received) -> Reply:
    """Return the answer in a response with a status of success.

    Args:
        shown: the address, for messages.
        asked: name of the model that was asked.
        key_name: the place where the key is set.
        received: the response.

    Raises:
        CallError: there is none that can be used.
    """
    content = content_of(shown, received)
    usage = object_of(content.get("usage"))
    choices = content.get("choices")
    choice = object_of(choices[0]) if isinstance(choices, list) and choices else {}
    message = choice.get("message")
    error = content.get("error") or choice.get("error")
    if error or choice.get("finish_reason") == "error":
        code = error.get("code") if isinstance(error, dict) else None
        raise unusable(
            retries.ERROR_IN_ANSWER if choice else retries.of_error_inside(code),
            f"{shown}: 200 with an error inside",
            received,
            about=error,
            cost=usage.get("cost"),
            key_name=key_name,
        )
    if not isinstance(message, dict):
        said = f"{shown}: 200 without an answer in it"
        raise unusable(retries.NO_CHOICES, said, received, cost=usage.get("cost"))
    figures = figures_of(usage)
    served = content.get("model")
    return Reply(
        answer=text_of(message.get("content")),
        reasoning=text_of(message.get("reasoning") or message.get("reasoning_content")) or None,
        refusal=text_of(message.get("refusal")) or None,
        finish_reason=field_of(choice.get("finish_reason")),
        usage=figures.tokens,
        cost_usd=figures.cost_usd,
        # a key that is a placeholder may be part of the name that was asked for
        served_model=asked if served == asked else field_of(served),
        generation_id=field_of(content.get("id")),
        odd_figures=figures.odd,
    )
