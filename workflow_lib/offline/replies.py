"""What the server of the offline models answers: completions as hosted endpoints send them, and errors."""

import re
from collections.abc import Mapping
from typing import Any

from . import models
from .behaviour import Behaviour

_REFUSAL = "I am sorry, but I cannot help with that request."
_ASKS_FOR_SCORE = re.compile(r"\bSCORE\b")


def completion(
    behaviour: Behaviour, entry: Mapping[str, Any], messages: list[dict[str, Any]], prompt: str, fault: str = "ok"
) -> dict[str, Any]:
    """Return the body of an answer.

    Args:
        behaviour: prices, and the name that answers carry.
        entry: of the request: number, received_at, model, seed, messages_sha256, parameters.
        messages: of the request.
        prompt: their text.
        fault: what is wrong with the answer, ``"ok"`` for nothing.
    """
    if fault == "error200":
        return error(502, "Provider returned error")
    asked: str = entry["model"]
    seed = entry["seed"] if isinstance(entry["seed"], int) else int(entry["messages_sha256"][:12], 16)
    parameters = entry["parameters"]
    limit = parameters.get("max_completion_tokens", parameters.get("max_tokens"))
    limit = limit if isinstance(limit, int) else None
    done = models.complete(_stand_in(asked, prompt), messages, seed, limit)
    text, finish_reason = done.text, done.finish_reason
    if fault == "empty":
        text = ""
    elif fault == "refuse":
        text = _REFUSAL
    elif fault == "length":
        text, finish_reason = text[: len(text) // 2], "length"
    completion_tokens = models.tokens(text)
    usage: dict[str, Any] = {
        "prompt_tokens": done.prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": done.prompt_tokens + completion_tokens,
    }
    usd = cost(behaviour, done.prompt_tokens, completion_tokens)
    if usd is not None:
        usage["cost"] = usd
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return {
        "id": f"offline-{entry['number']}-{entry['messages_sha256'][:12]}",
        "object": "chat.completion",
        "created": int(entry["received_at"]),
        "model": behaviour.serve_as or asked,
        "choices": [] if fault == "nochoices" else [choice],
        "usage": usage,
    }


def _stand_in(model: str, prompt: str) -> str:
    """The offline model that answers for a name of somebody else's."""
    if model in models.MODELS:
        return model
    return models.JUDGES[0] if _ASKS_FOR_SCORE.search(prompt) else models.WRITERS[0]


def cost(behaviour: Behaviour, prompt_tokens: int, completion_tokens: int) -> float | None:
    """Return the price of a single call, US dollars, None where the server has no prices."""
    if behaviour.usd_per_call is not None:
        return behaviour.usd_per_call
    if behaviour.usd_per_mtok is not None:
        price_in, price_out = behaviour.usd_per_mtok
        return (prompt_tokens * price_in + completion_tokens * price_out) / 1_000_000
    return None


def error(code: int, message: str) -> dict[str, Any]:
    """Return the body of a refusal."""
    return {"error": {"message": message, "code": code}}
