"""OpenRouter: as OpenAI-compatible endpoints are, and it says what a call cost when it is asked to."""

from collections.abc import Mapping
from typing import Any

from ..replies import Reply
from ..transfer import Limits
from . import openai_compatible
from .endpoint import Endpoint


def send(endpoint: Endpoint, request: Mapping[str, Any], limits: Limits) -> Reply:
    """Send a request that asks for its cost; other endpoints refuse a field that they do not know."""
    return openai_compatible.send(endpoint, {**request, "usage": {"include": True}}, limits)
