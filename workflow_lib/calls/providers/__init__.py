"""The ways in which endpoints are spoken to, by name.

A provider is one module with a function ``send(endpoint, request, limits) -> Reply``, which raises `CallError`
for everything that is no answer, and one row of `PROVIDERS`. To add one:

1. write ``providers/<name>.py`` with its ``send``: `transfer.post` sends, `reading` takes apart what came, and
   `openai_compatible` shows how a reply is made of it;
2. import it and add its row below: the hosts that speak like this, and the function.

What follows from an error is not its business: it picks the row of `retries` that names it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ...catalogs.tables import OFFLINE
from ..replies import Reply
from ..transfer import Limits
from . import offline, openai_compatible, openrouter
from .endpoint import Endpoint

OPENAI_COMPATIBLE = "openai-compatible"


@dataclass(frozen=True)
class Provider:
    """One way of speaking.

    Attributes:
        hosts: names of the hosts that speak like this, subdomains included.
        send: sends one request.
    """

    hosts: tuple[str, ...]
    send: Callable[[Endpoint, Mapping[str, Any], Limits], Reply]


PROVIDERS: dict[str, Provider] = {
    OFFLINE: Provider((), offline.send),
    "openrouter": Provider(("openrouter.ai",), openrouter.send),
    OPENAI_COMPATIBLE: Provider((), openai_compatible.send),
}


def name_for(base_url: str | None) -> str:
    """Return the name of the provider for a base URL; None is the offline models inside this process."""
    if base_url is None:
        return OFFLINE
    try:
        host = urlsplit(base_url).hostname or ""
    except ValueError:
        host = ""
    for name, provider in PROVIDERS.items():
        if any(host == known or host.endswith(f".{known}") for known in provider.hosts):
            return name
    return OPENAI_COMPATIBLE


__all__ = ["OFFLINE", "OPENAI_COMPATIBLE", "PROVIDERS", "Endpoint", "Provider", "name_for"]
