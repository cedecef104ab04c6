"""The stand-ins inside this process: no key, no network, no cost."""

from collections.abc import Mapping
from typing import Any

from ... import offline
from ..replies import Reply
from ..transfer import Limits
from .endpoint import Endpoint


def send(endpoint: Endpoint, request: Mapping[str, Any], limits: Limits) -> Reply:
    """Return the answer of an offline model; it takes no time that a limit could cut."""
    done = offline.complete(request["model"], request["messages"], request.get("seed", 0), request.get("max_tokens"))
    usage = {
        "prompt_tokens": done.prompt_tokens,
        "completion_tokens": done.completion_tokens,
        "total_tokens": done.prompt_tokens + done.completion_tokens,
    }
    return Reply(done.text, finish_reason=done.finish_reason, usage=usage, served_model=request["model"])
