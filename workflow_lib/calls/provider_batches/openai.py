"""OpenAI's batch service: requests and results as files of JSON lines; metadata carries our mark."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from urllib3 import encode_multipart_formdata

from ..providers import Endpoint
from ..transfer import Limits
from . import openrouter, services
from .services import CHAT, Body, Result, Seen

MOST_REQUESTS = 50_000
MOST_BYTES = 200_000_000
MARK = "daydreaming"


def prepare(endpoint: Endpoint, bodies: Sequence[Body], limits: Limits) -> dict[str, Any]:
    """Upload the file of requests; returns its id."""
    lines = [
        json.dumps({"custom_id": custom_id, "method": "POST", "url": CHAT, "body": dict(body)}) + "\n"
        for custom_id, body in bodies
    ]
    file = ("batch.jsonl", "".join(lines), "application/jsonl")
    content, content_type = encode_multipart_formdata({"purpose": "batch", "file": file})
    received = services.post(endpoint, "/files", content, content_type, limits)
    return {"input_file_id": services.name_of(services.object_in(endpoint, received).get("id"))}


def submit(
    endpoint: Endpoint, model: str, bodies: Sequence[Body], prepared: Mapping[str, Any], mark: str, limits: Limits
) -> Seen:
    """Hand a batch over."""
    about = {"endpoint": CHAT, "completion_window": "24h", "metadata": {MARK: mark}}
    content = json.dumps({"input_file_id": prepared.get("input_file_id"), **about}).encode()
    return _seen(services.object_in(endpoint, services.post(endpoint, "/batches", content, "application/json", limits)))


def look(endpoint: Endpoint, batch_id: str, limits: Limits) -> Seen:
    """Return how a batch stands."""
    return _seen(services.object_in(endpoint, services.get(endpoint, f"/batches/{quote(batch_id, safe='')}", limits)))


def results(endpoint: Endpoint, seen: Seen, limits: Limits) -> list[Result]:
    """Return what an ended batch delivered: its output file and its error file."""
    return [
        openrouter.result_of(line)
        for name in ("output_file_id", "error_file_id")
        for line in _lines(endpoint, seen.content.get(name), limits)
    ]


def listed(endpoint: Endpoint, since: float, limits: Limits) -> list[Seen]:
    """Return the batches that were created since a time, the newest first."""
    return [_seen(one) for one in services.pages(endpoint, since, limits)]


def custom_ids(endpoint: Endpoint, seen: Seen, limits: Limits) -> set[str] | None:
    """Return the custom_ids of a batch, from the file that it was made of."""
    return {str(line.get("custom_id")) for line in _lines(endpoint, seen.content.get("input_file_id"), limits)}


def _lines(endpoint: Endpoint, file_id: object, limits: Limits) -> Iterator[dict[str, Any]]:
    if not file_id:
        return
    for line in services.get(endpoint, f"/files/{quote(str(file_id), safe='')}/content", limits).body.splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            yield content


def _seen(content: Mapping[str, Any]) -> Seen:
    metadata, errors = (content.get(name) or {} for name in ("metadata", "errors"))
    said = [str(one.get("message")) for one in errors.get("data") or [] if isinstance(one, dict)]
    mark = str(metadata[MARK]) if MARK in metadata else None
    return services.seen_of(content, words="; ".join(said) or None, mark=mark)
