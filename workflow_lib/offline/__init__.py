"""Models that need no key and no network: deterministic stand-ins for writers and judges.

Comes in: the messages of a request.
Goes out: an answer in the shape that the prompt asks for, in this process or over HTTP (`server`).
Never: reads the store.
"""

from .models import JUDGES, MODELS, WRITERS, Completion, complete, messages_sha256, prompt_text

__all__ = ["JUDGES", "MODELS", "WRITERS", "Completion", "complete", "messages_sha256", "prompt_text"]
