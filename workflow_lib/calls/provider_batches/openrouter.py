"""OpenRouter's batch service: requests inline, results inline, one figure for the cost of the whole batch."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from .. import costs
from ..providers import Endpoint
from ..transfer import Limits, Received
from . import services
from .services import CHAT, Body, Result, Seen

MOST_REQUESTS = 5_000
MOST_BYTES = 200_000_000


def prepare(endpoint: Endpoint, bodies: Sequence[Body], limits: Limits) -> dict[str, Any]:
    """Nothing goes before."""
    return {}


def submit(
    endpoint: Endpoint, model: str, bodies: Sequence[Body], prepared: Mapping[str, Any], mark: str, limits: Limits
) -> Seen:
    """Hand a batch over. The service keeps no mark of ours, and reads `endpoint` and `model` before the requests."""
    requests = [
        {"custom_id": custom_id, "body": {name: value for name, value in body.items() if name != "model"}}
        for custom_id, body in bodies
    ]
    content = json.dumps({"endpoint": CHAT, "model": model, "requests": requests}).encode()
    return _seen(services.object_in(endpoint, services.post(endpoint, "/batches", content, "application/json", limits)))


def look(endpoint: Endpoint, batch_id: str, limits: Limits) -> Seen:
    """Return how a batch stands; one that has ended carries its results."""
    return _seen(services.object_in(endpoint, services.get(endpoint, f"/batches/{quote(batch_id, safe='')}", limits)))


def results(endpoint: Endpoint, seen: Seen, limits: Limits) -> list[Result]:
    """Return what an ended batch delivered."""
    found = seen.content.get("results")
    return [result_of(one) for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def listed(endpoint: Endpoint, since: float, limits: Limits) -> list[Seen]:
    """Return the batches that were created since a time, the newest first; their results are not in the list."""
    return [_seen(one) for one in services.pages(endpoint, since, limits)]


def custom_ids(endpoint: Endpoint, seen: Seen, limits: Limits) -> set[str] | None:
    """Return the custom_ids of a batch: its results show them, and nothing else does."""
    whole = look(endpoint, seen.batch_id, limits)
    return {result.custom_id for result in results(endpoint, whole, limits)} if whole.is_over else None


def _seen(content: Mapping[str, Any]) -> Seen:
    usage, error = (content.get(name) or {} for name in ("usage", "error"))
    words = str(error.get("message") or error) if error else None
    return services.seen_of(content, cost_usd=costs.plausible_usd(usage.get("cost")), words=words)


def result_of(line: Mapping[str, Any]) -> Result:
    """Return what a line of results says."""
    name = str(line.get("custom_id"))
    response, error = line.get("response"), line.get("error")
    if isinstance(response, dict):
        status, body = response.get("status_code"), response.get("body")
        if isinstance(status, int) and 200 <= status < 300:
            return Result(name, Received("application/json", json.dumps(body).encode()))
        return Result(name, None, status, json.dumps(body)[:1000])
    said = error if isinstance(error, dict) else {}
    return Result(name, None, said.get("code"), str(said.get("message") or error))
