"""The batch service of the server: requests handed over together, answered later, at a lower price.

Two styles, as hosted services have them. **openrouter**: ``POST /v1/batches`` with ``endpoint``, ``model`` and then
``requests``; results inline in ``GET /v1/batches/ID``. **openai**: a JSONL file through ``POST /v1/files``, ``POST
/v1/batches`` with its id, results as files again. ``GET /v1/batches`` lists both, the newest first, without results.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from . import models, replies
from .behaviour import FAILED_REQUEST, FATES, STATUSES, Behaviour, thrown

OPENROUTER = "openrouter"
OPENAI = "openai"
CHAT = "/v1/chat/completions"
MOST_REQUESTS = {OPENROUTER: 5_000, OPENAI: 50_000}
MOST_BYTES = 200_000_000
LONGEST_CUSTOM_ID = 64
_PATHS = ("/v1/batches", "/v1/files")
_NOT_TAKEN = {"busy": 429, "down": 503}
_EXPIRED = {"code": "batch_expired", "message": "This request could not be executed before the batch expired."}


@dataclass(frozen=True)
class Response:
    """What is sent back.

    Attributes:
        status: 0 for nothing: the connection is closed.
        content: JSON, or the bytes of a file.
        hangs: nothing is sent until the client gives up.
    """

    status: int
    content: Any = None
    hangs: bool = False


class _Refused(Exception):
    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.response = Response(status, replies.error(status, message))


@dataclass
class _Batch:
    """A batch that was accepted."""

    number: int
    style: str
    model: str
    requests: list[tuple[str, dict[str, Any]]]
    fate: str
    delay: float
    file_id: str | None = None
    metadata: dict[str, str] | None = None
    created_at: float = field(default_factory=time.time)
    begun: float = field(default_factory=time.monotonic)
    results: list[dict[str, Any]] | None = None
    ended_at: float | None = None
    usage: dict[str, Any] | None = None

    @property
    def id(self) -> str:
        return f"batch_{self.number}"

    @property
    def is_due(self) -> bool:
        return time.monotonic() - self.begun >= self.delay

    @property
    def status(self) -> str:
        if self.results is not None:
            return self.fate if self.fate in ("expired", "cancelled", "failed") else "completed"
        return "validating" if time.monotonic() - self.begun < self.delay / 4 else "in_progress"

    @property
    def counts(self) -> dict[str, int]:
        results = self.results or []
        good = sum(_is_good(result) for result in results)
        return {"total": len(self.requests), "completed": good, "failed": len(results) - good}


class BatchService:
    """The batches of a server.

    Args:
        behaviour: delays, faults and prices.
        note: gets a line for the log per batch accepted and per request billed.

    Attributes:
        bill: one dict per answer of a batch, as it is billed: batch, custom_id, messages_sha256, usd (None without
            prices).
        asked: how often each method and path was asked, ids left out.
    """

    def __init__(self, behaviour: Behaviour, note: Callable[[dict[str, Any]], None]):
        self.bill: list[dict[str, Any]] = []
        self.asked: Counter[str] = Counter()
        self._behaviour = behaviour
        self._note = note
        self._fates = list(behaviour.batch_script)
        self._batches: dict[str, _Batch] = {}
        self._files: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def plan(self, *fates: str) -> None:
        """Add to the fates of the next batches, see `Behaviour.batch_script`."""
        with self._lock:
            self._fates += fates

    @staticmethod
    def takes(path: str) -> bool:
        """Return whether a path is one of this service's."""
        return path.split("?", 1)[0].startswith(_PATHS)

    def submitted(self) -> list[dict[str, Any]]:
        """Return the batches that were accepted, in order, as the list shows them, with their `custom_ids`."""
        with self._lock:
            return [
                self._shown(one) | {"custom_ids": [custom_id for custom_id, _ in one.requests]}
                for one in self._batches.values()
            ]

    def answer(self, method: str, target: str, content_type: str, content: bytes) -> Response:
        """Return what a request to one of the service's paths gets.

        Args:
            method: GET or POST.
            target: path with its query.
            content_type: header of the request.
            content: its body.
        """
        url = urlsplit(target)
        _, _, kind, *rest = url.path.rstrip("/").split("/")
        with self._lock:
            self.asked[f"{method} {kind}" + ("" if not rest else " one")] += 1
            try:
                if method == "POST" and not rest:
                    return self._upload(content_type, content) if kind == "files" else self._submit(content)
                if method == "GET" and kind == "batches":
                    return self._one(rest[0]) if rest else self._listed(parse_qs(url.query))
                if method == "GET" and rest:
                    return self._file(*rest)
            except _Refused as refused:
                return refused.response
        return Response(404, replies.error(404, f"no such page: {target[:200]}"))

    def _submit(self, content: bytes) -> Response:
        try:
            body = json.loads(content)
        except ValueError:
            raise _Refused(400, "the body is not JSON") from None
        style = OPENROUTER if "requests" in body else OPENAI
        if len(content) > MOST_BYTES:
            raise _Refused(413, "a batch may have 200 MB")
        batch = self._inline(body) if style == OPENROUTER else self._of_file(body)
        names = [custom_id for custom_id, _ in batch.requests]
        if not names or len(names) > MOST_REQUESTS[style]:
            raise _Refused(400, f"a batch has 1 to {MOST_REQUESTS[style]:,} requests")
        if len(set(names)) < len(names) or any(not name or len(name) > LONGEST_CUSTOM_ID for name in names):
            raise _Refused(400, f"each custom_id must be given once, and have 1 to {LONGEST_CUSTOM_ID} characters")
        if batch.fate in _NOT_TAKEN:
            raise _Refused(_NOT_TAKEN[batch.fate], STATUSES[_NOT_TAKEN[batch.fate]])
        self._batches[batch.id] = batch
        self._note({"event": "batch", "batch": batch.id, "model": batch.model, "requests": len(names)})
        if batch.fate == "lost":
            return Response(0)
        return Response(202 if style == OPENROUTER else 200, self._shown(batch), hangs=batch.fate == "hang")

    def _inline(self, body: dict[str, Any]) -> _Batch:
        keys = list(body)
        before = keys[: keys.index("requests")]
        if "endpoint" not in before or "model" not in before:
            raise _Refused(400, "'endpoint' and 'model' must come before 'requests'")
        if body["endpoint"] != CHAT:
            raise _Refused(400, f"'endpoint' must be {CHAT}")
        requests = [(str(one.get("custom_id", "")), dict(one.get("body") or {})) for one in body["requests"]]
        return self._new(OPENROUTER, str(body["model"]), requests)

    def _of_file(self, body: dict[str, Any]) -> _Batch:
        if body.get("endpoint") != CHAT or body.get("completion_window") != "24h":
            raise _Refused(400, f"'endpoint' must be {CHAT} and 'completion_window' 24h")
        file_id = str(body.get("input_file_id"))
        if file_id not in self._files:
            raise _Refused(400, f"no such file: {file_id[:100]}")
        lines = [json.loads(line) for line in self._files[file_id].splitlines() if line.strip()]
        if any(line.get("url") != CHAT or line.get("method") != "POST" for line in lines):
            raise _Refused(400, f"each line must have method POST and url {CHAT}")
        requests = [(str(line.get("custom_id", "")), dict(line["body"])) for line in lines]
        used = {str(one.get("model")) for _, one in requests}
        if len(used) != 1:
            raise _Refused(400, "a batch is for one model")
        batch = self._new(OPENAI, used.pop(), requests)
        batch.file_id, batch.metadata = file_id, body.get("metadata")
        return batch

    def _new(self, style: str, model: str, requests: list[tuple[str, dict[str, Any]]]) -> _Batch:
        number = len(self._batches) + 1
        if self._fates:
            fate = self._fates.pop(0)
        else:
            faults = {kind: share for kind, share in (self._behaviour.batch_faults or {}).items() if kind in FATES}
            fate = thrown(self._behaviour.seed, f"batch {number}", faults)
        return _Batch(number, style, model, requests, fate, self._behaviour.batch_delay)

    def _one(self, batch_id: str) -> Response:
        if batch_id not in self._batches:
            raise _Refused(404, f"no such batch: {batch_id[:100]}")
        batch = self._batches[batch_id]
        self._work(batch)
        shown = self._shown(batch)
        if batch.style == OPENROUTER:
            shown["results"] = batch.results
        return Response(200, shown)

    def _listed(self, query: Mapping[str, list[str]]) -> Response:
        newest = list(reversed(self._batches.values()))
        for batch in newest:
            self._work(batch)
        after = query.get("after", [""])[0]
        if after:
            newest = newest[[batch.id for batch in newest].index(after) + 1 :]
        limit = int(query.get("limit", ["20"])[0])
        page = [self._shown(batch) for batch in newest[:limit]]
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
        return Response(200, {"object": "list", "data": page, "has_more": len(newest) > limit, **ends})

    def _upload(self, content_type: str, content: bytes) -> Response:
        fields = dict(_parts(content_type, content))
        if fields.get("purpose") != b"batch" or "file" not in fields:
            raise _Refused(400, "'purpose' batch and a 'file' are required")
        file_id = f"file-{len(self._files) + 1}"
        self._files[file_id] = fields["file"]
        return Response(200, self._described(file_id))

    def _file(self, file_id: str, part: str = "") -> Response:
        if file_id not in self._files or part not in ("", "content"):
            raise _Refused(404, f"no such file: {file_id[:100]}")
        return Response(200, self._files[file_id] if part else self._described(file_id))

    def _described(self, file_id: str) -> dict[str, Any]:
        about = {"id": file_id, "object": "file", "bytes": len(self._files[file_id]), "created_at": int(time.time())}
        return about | {"filename": f"{file_id}.jsonl", "purpose": "batch", "status": "processed"}

    def _work(self, batch: _Batch) -> None:
        """Answer a batch that is due, and put its answers on the bill; once."""
        if batch.results is not None or not batch.is_due:
            return
        delivered = {"failed": 0, "expired": len(batch.requests) // 2, "cancelled": len(batch.requests) // 2}
        count = delivered.get(batch.fate, len(batch.requests))
        batch.results = [self._result(batch, number) for number in range(count)]
        batch.ended_at = time.time()
        billed = [one for one in self.bill if one["batch"] == batch.id]
        tokens = [result["response"]["body"]["usage"] for result in batch.results if _is_good(result)]
        batch.usage = {name: sum(one[name] for one in tokens) for name in ("prompt_tokens", "completion_tokens")}
        if all(one["usd"] is not None for one in billed):
            batch.usage["cost"] = sum(one["usd"] for one in billed)
        if batch.style == OPENAI:
            self._write_files(batch)

    def _result(self, batch: _Batch, number: int) -> dict[str, Any]:
        custom_id, body = batch.requests[number]
        about = {"id": f"batch_req_{batch.number}_{number}", "custom_id": custom_id}
        share = (self._behaviour.batch_faults or {}).get(FAILED_REQUEST, 0.0)
        if thrown(self._behaviour.seed, f"{batch.number}|{custom_id}", {FAILED_REQUEST: share}) != "ok":
            if batch.style == OPENROUTER:
                return about | {"response": None, "error": {"code": 502, "message": STATUSES[502]}}
            said = {"status_code": 500, "request_id": about["id"], "body": replies.error(500, STATUSES[500])}
            return about | {"response": said, "error": None}
        messages = body.get("messages") or []
        entry = {
            "number": f"{batch.number}-{number}",
            "received_at": batch.created_at,
            "model": batch.model,
            "seed": body.get("seed"),
            "messages_sha256": models.messages_sha256(messages),
            "parameters": body,
        }
        answer = replies.completion(self._behaviour, entry, messages, models.prompt_text(messages))
        # hosted services give the cost of a batch as a whole, or not at all
        single = answer["usage"].pop("cost", None)
        usd = None if single is None else single * self._behaviour.batch_price
        line = {
            "batch": batch.id,
            "custom_id": custom_id,
            "messages_sha256": entry["messages_sha256"],
            "usd": usd,
        }
        self.bill.append(line)
        self._note({"event": "billed"} | line)
        return about | {"response": {"status_code": 200, "request_id": about["id"], "body": answer}, "error": None}

    def _write_files(self, batch: _Batch) -> None:
        results = list(batch.results or [])
        if batch.fate == "expired":
            rest = batch.requests[len(results) :]
            results += [{"id": None, "custom_id": name, "response": None, "error": _EXPIRED} for name, _ in rest]
        for kind, wanted in (("output", True), ("error", False)):
            lines = [json.dumps(result) + "\n" for result in results if _is_good(result) == wanted]
            if lines:
                self._files[f"{batch.id}-{kind}"] = "".join(lines).encode()

    def _shown(self, batch: _Batch) -> dict[str, Any]:
        ended = None if batch.ended_at is None else int(batch.ended_at)
        failed = batch.status == "failed"
        shown = {
            "id": batch.id,
            "object": "batch",
            "endpoint": CHAT,
            "model": batch.model,
            "completion_window": "24h",
            "created_at": int(batch.created_at),
            "status": batch.status,
            "request_counts": batch.counts,
        }
        if batch.style == OPENROUTER:
            error = {"code": 400, "message": "the batch was refused"} if failed else None
            return shown | {"usage": batch.usage, "results": None, "error": error, "finalized_at": ended}
        errors = {"object": "list", "data": [{"code": "invalid", "message": "the batch was refused"}]}
        found = {
            f"{kind}_file_id": f"{batch.id}-{kind}" if f"{batch.id}-{kind}" in self._files else None
            for kind in ("output", "error")
        }
        own = {"input_file_id": batch.file_id, "metadata": batch.metadata, "errors": errors if failed else None}
        return shown | found | own | {f"{batch.status}_at": ended}


def _is_good(result: Mapping[str, Any]) -> bool:
    response = result["response"]
    return response is not None and response["status_code"] == 200


def _parts(content_type: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of the parts of a form."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    for part in content.split(b"--" + boundary)[1:-1] if boundary else ():
        head, _, value = part.partition(b"\r\n\r\n")
        name = head.partition(b'name="')[2].partition(b'"')[0]
        yield name.decode("utf-8", "replace"), value.removesuffix(b"\r\n")
