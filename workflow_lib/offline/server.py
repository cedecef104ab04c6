"""
The offline models over HTTP: an OpenAI-compatible server for tests, demos and benchmarks of the real client.

It serves ``POST /v1/chat/completions`` and ``GET /v1/models``, gives the same texts as `offline.complete`, and can
misbehave in the ways that hosted endpoints do. It has a batch service, too, which speaks as OpenRouter's and as
OpenAI's do (`batches`). Every request is logged before anything is done with it, so that
another process can count what was asked even if the client is killed.
"""

import json
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from ..errors import DayDreamError
from . import models, replies
from .batches import BatchService
from .behaviour import FAILED_REQUEST, FATES, STATUSES, Behaviour, known_fault, parse_faults, thrown

_PAGE = b"<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>"


class OfflineServer:
    """A server in threads of this process; a context manager that starts and stops it.

    Args:
        port: TCP port, 0 for any free one.
        host: address to bind.
        faults: as text for `parse_faults`, or as a mapping.
        script: mapping or pairs of substring -> faults (see `Behaviour`).
        log_path: file to which each request appends one JSON line at receipt (``event: "received"``) and one at
            the end (``event: "answered"``), both with its ``number``; the last line of a number holds.
        others: `Behaviour`'s attributes; batch_faults may be text, too.

    Attributes:
        batches: what it knows of batches, see `BatchService`; these are not among the requests.
        url: base URL, ``http://HOST:PORT/v1``; known from the start.
        requests: one dict per request, in order of receipt: number, received_at, answered_at (seconds since the
            epoch, None while open), path, client_port (one per connection), model, seed, messages_sha256,
            parameters (the body without messages), in_flight (requests being answered, this one included),
            authorization (whether a header was there),
            outcome: None while open, ``"ok"``, a fault's name, a status code, or ``"lost"`` if the answer could
            not be written to the client.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        faults: str | Mapping[str, float] = "",
        script: Mapping[str, Iterable[str]] | Iterable[tuple[str, Iterable[str]]] = (),
        log_path: str | Path | None = None,
        **others: Any,
    ):
        pairs = script.items() if isinstance(script, Mapping) else script
        steps = tuple(
            (text, tuple(kind if kind == "ok" else known_fault(kind) for kind in kinds)) for text, kinds in pairs
        )
        chances = parse_faults(faults) if isinstance(faults, str) else dict(faults)
        for_batches = others.pop("batch_faults", "")
        if isinstance(for_batches, str):
            for_batches = parse_faults(for_batches, (FAILED_REQUEST, *FATES))
        self.behaviour = Behaviour(faults=chances, script=steps, batch_faults=for_batches, **others)
        self.batches = BatchService(self.behaviour, self._note)
        self.requests: list[dict[str, Any]] = []
        self._script = [(text, list(kinds)) for text, kinds in steps]
        self._lock = threading.Lock()
        self._in_flight = 0
        self._connections: set[socket.socket] = set()
        self.stopping = threading.Event()
        self._log = open(log_path, "a", encoding="utf-8") if log_path else None  # noqa: SIM115
        self._thread: threading.Thread | None = None
        try:
            self._http = _Listener((host, port), self)
        except OSError as error:
            raise DayDreamError(f"cannot listen on {host}:{port} ({error.strerror})", "choose another --port") from None
        self.url = f"http://{host}:{self._http.server_address[1]}/v1"

    def start(self) -> Self:
        """Answer requests from now on, in a thread."""
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port and all connections; requests in flight get no answer."""
        self.stopping.set()
        if self._thread:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self._http.server_close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _close(connection)
        with self._lock:
            if self._log:
                self._log.close()
                self._log = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def answered(self) -> Counter[str]:
        """Return how often each request (by messages_sha256) got a good answer that was written in full."""
        with self._lock:
            return Counter(entry["messages_sha256"] for entry in self.requests if entry["outcome"] == "ok")

    def outcomes(self) -> Counter[str | None]:
        """Return how many requests ended in each outcome; None counts those still open."""
        with self._lock:
            return Counter(entry["outcome"] for entry in self.requests)

    def connected(self, connection: socket.socket) -> None:
        """Remember a connection, to close it in `stop`."""
        with self._lock:
            self._connections.add(connection)

    def disconnected(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._connections.discard(connection)

    def received(self, entry: dict[str, Any]) -> None:
        """Log a request, before anything is done with it; completes the entry in place."""
        with self._lock:
            self._in_flight += 1
            entry |= {
                "number": len(self.requests) + 1,
                "received_at": time.time(),
                "answered_at": None,
                "in_flight": self._in_flight,
                "outcome": None,
            }
            self.requests.append(entry)
            self._write_line({"event": "received"} | entry)

    def finished(self, entry: dict[str, Any], outcome: str) -> None:
        """Log how a request ended; said again with ``"lost"`` when the answer could not be written after all."""
        with self._lock:
            if entry["outcome"] is None:
                self._in_flight -= 1
            entry["answered_at"] = time.time()
            entry["outcome"] = outcome
            keys = ("number", "messages_sha256", "outcome", "answered_at")
            self._write_line({"event": "answered"} | {key: entry[key] for key in keys})

    def _note(self, content: dict[str, Any]) -> None:
        with self._lock:
            self._write_line(content)

    def _write_line(self, content: dict[str, Any]) -> None:
        if self._log:
            self._log.write(json.dumps(content) + "\n")
            self._log.flush()

    def fault_for(self, entry: dict[str, Any], prompt: str) -> str:
        """Return what to do with a request: ``"ok"`` or a fault. Scripted ones come first."""
        with self._lock:
            for text, kinds in self._script:
                if kinds and (text in prompt or text in str(entry["model"])):
                    return kinds.pop(0)
        return thrown(self.behaviour.seed, entry["number"], self.behaviour.faults or {})


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], owner: OfflineServer):
        self.owner = owner
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the tests and no news; anything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def setup(self) -> None:
        super().setup()
        self.server.owner.connected(self.connection)

    def finish(self) -> None:
        self.server.owner.disconnected(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """The request log replaces the one on stderr."""

    def do_GET(self) -> None:
        if BatchService.takes(self.path):
            self._answer_batches("GET")
        elif self._path() == "/v1/models":
            known = [{"id": name, "object": "model", "owned_by": "offline"} for name in models.MODELS]
            self._send(200, {"object": "list", "data": known})
        else:
            self._send(404, replies.error(404, f"no such page: {self.path[:200]}"))

    def do_POST(self) -> None:
        if BatchService.takes(self.path):
            self._answer_batches("POST")
            return
        body = self._body()
        messages = body.get("messages") if body else None
        entry = {
            "path": self.path,
            "client_port": self.client_address[1],
            "model": body.get("model") if body else None,
            "seed": body.get("seed") if body else None,
            "messages_sha256": models.messages_sha256(messages),
            "parameters": {key: value for key, value in (body or {}).items() if key != "messages"},
            "authorization": "Authorization" in self.headers,
        }
        owner = self.server.owner
        owner.received(entry)
        try:
            self._answer(entry, messages, self._refusal(body, messages))
        except OSError:
            self.close_connection = True
            owner.finished(entry, "lost")

    def _answer_batches(self, method: str) -> None:
        owner = self.server.owner
        content = self._content()
        if not self._has_key():
            self._send(401, replies.error(401, STATUSES[401]))
            return
        response = owner.batches.answer(method, self.path, self.headers.get("Content-Type", ""), content)
        if response.hangs:
            self._wait_for_client_to_leave()
        elif not response.status:
            self._drop()
        elif isinstance(response.content, bytes):
            self._send_bytes(response.status, response.content, "application/octet-stream")
        else:
            self._send(response.status, response.content)

    def _content(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _has_key(self) -> bool:
        key = self.server.owner.behaviour.require_key
        return key is None or self.headers.get("Authorization") == f"Bearer {key}"

    def _path(self) -> str:
        return self.path.split("?", 1)[0].rstrip("/")

    def _body(self) -> dict[str, Any] | None:
        try:
            content = json.loads(self._content())
        except ValueError:
            return None
        return content if isinstance(content, dict) else None

    def _refusal(self, body: dict[str, Any] | None, messages: Any) -> tuple[int, str] | None:
        """What is wrong with the request itself, if anything."""
        if self._path() != "/v1/chat/completions":
            return 404, f"no such page: {self.path[:200]}"
        if not self._has_key():
            return 401, STATUSES[401]
        if body is None:
            return 400, "the body is not a JSON object"
        if not isinstance(messages, list) or not messages or not isinstance(body.get("model"), str):
            return 400, "'model' and a non-empty list 'messages' are required"
        return None

    def _answer(self, entry: dict[str, Any], messages: Any, refusal: tuple[int, str] | None) -> None:
        """Answer, or misbehave. The outcome is logged just before the client can see it."""
        owner = self.server.owner
        if refusal:
            owner.finished(entry, str(refusal[0]))
            self._send(refusal[0], replies.error(*refusal))
            return
        prompt = models.prompt_text(messages)
        fault = owner.fault_for(entry, prompt)
        if fault.isdigit():
            owner.finished(entry, fault)
            self._send(int(fault), replies.error(int(fault), STATUSES[int(fault)]))
            return
        due = time.monotonic() + owner.behaviour.latency
        if fault == "hang":
            self._wait_for_client_to_leave()
            owner.finished(entry, fault)
            return
        reply = (
            None if fault in ("drop", "html") else replies.completion(owner.behaviour, entry, messages, prompt, fault)
        )
        if owner.stopping.wait(max(0.0, due - time.monotonic())) or self._client_left():
            raise ConnectionAbortedError
        owner.finished(entry, fault)
        if fault == "drop":
            self._drop()
        elif fault == "html":
            self._send_bytes(200, _PAGE, "text/html; charset=utf-8")
        elif fault == "late_drop":
            self._send(200, reply, half=True)
            self._drop()
        else:
            self._send(200, reply)

    def _client_left(self) -> bool:
        self.connection.setblocking(False)
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        finally:
            self.connection.setblocking(True)

    def _wait_for_client_to_leave(self) -> None:
        while not self._client_left() and not self.server.owner.stopping.wait(0.1):
            pass
        self.close_connection = True

    def _drop(self) -> None:
        self.close_connection = True
        _close(self.connection)

    def _send(self, status: int, content: Any, half: bool = False) -> None:
        self._send_bytes(status, json.dumps(content).encode("ascii"), "application/json", half)

    def _send_bytes(self, status: int, content: bytes, kind: str, half: bool = False) -> None:
        """Send head and body in one piece, which costs one packet and no waiting for acknowledgement."""
        reason = self.responses[status][0] if status in self.responses else "Status"
        head = [f"HTTP/1.1 {status} {reason}", f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
        if status == 429:
            head.append(f"Retry-After: {self.server.owner.behaviour.retry_after:g}")
        if self.close_connection:
            head.append("Connection: close")
        body = content[: len(content) // 2] if half else content
        self.connection.sendall("\r\n".join([*head, "", ""]).encode("latin-1") + body)


def _close(connection: socket.socket) -> None:
    """End a connection for both sides, also where another thread is reading from it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
