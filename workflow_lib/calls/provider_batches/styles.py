"""Which style of batch service a model is asked through."""

from collections.abc import Iterable

from ...catalogs import Model
from ...settings import Settings
from .. import endpoints
from . import openai, openrouter
from .services import Service

SERVICES: dict[str, Service] = {"openrouter": openrouter, "openai": openai}

_FREE = ":free"


def style_of(settings: Settings, model: Model) -> str | None:
    """Return the style of the batch service that a model's calls can go to, None if they are single calls.

    Free models have nothing to gain, and models inside this process have no service.
    """
    endpoint = settings.endpoints.get(model.endpoint)
    if endpoint is None or endpoint.batch is None or model.model.endswith(_FREE):
        return None
    return None if endpoints.address(settings, model.endpoint) is None else endpoint.batch


def notes(settings: Settings, models: Iterable[Model]) -> list[str]:
    """Return what a run with provider batches should know of some models: which are called singly, at full price."""
    found: dict[str, list[str]] = {}
    for model in models:
        endpoint = settings.endpoints.get(model.endpoint)
        if endpoint is not None and endpoint.batch is None and endpoints.address(settings, model.endpoint):
            found.setdefault(model.endpoint, []).append(model.model_id)
    return [
        f"endpoint '{name}' has no batch service (endpoints.{name}.batch): calls to {', '.join(sorted(ids))} are "
        "single, at full price"
        for name, ids in sorted(found.items())
    ]
