"""
The offline models over HTTP: an OpenAI-compatible server for tests, demos and benchmarks of the real client.

It serves ``POST /v1/chat/completions`` and ``GET /v1/models``, gives the same texts as `offline.complete`, and can
misbehave in the ways that hosted endpoints do. Every request is logged before anything is done with it, so that
another process can count what was asked even if the client is killed.
"""

import argparse
import hashlib
import json
import re
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from ..errors import DayDreamError, nearest
from . import models

# What each status code says, in the words that hosted endpoints use.
STATUSES: dict[int, str] = {
    400: "This endpoint's maximum context length is 4096 tokens, but more were requested",
    401: "No auth credentials found or invalid API key",
    402: "Insufficient credits",
    403: "Access to this model is forbidden",
    404: "No endpoints found for this model",
    408: "Request timed out",
    409: "Conflict with another request",
    425: "Too early",
    429: "Rate limit exceeded",
    500: "Internal server error",
    502: "Bad gateway: the provider returned an invalid response",
    503: "No available provider",
}
# hang: no answer until the client gives up; html: 200 with a page; drop: connection closed before an answer
# exists; late_drop: closed in the middle of one; error200: 200 with an error object; nochoices: 200 with an
# empty list; empty: empty text; length: cut short; refuse: a refusal.
KINDS: tuple[str, ...] = (
    "hang",
    "html",
    "drop",
    "late_drop",
    "error200",
    "nochoices",
    "empty",
    "length",
    "refuse",
)
_PAGE = b"<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>"
_REFUSAL = "I am sorry, but I cannot help with that request."
_ASKS_FOR_SCORE = re.compile(r"\bSCORE\b")


@dataclass(frozen=True)
class Behaviour:
    """How a server answers.

    Attributes:
        latency: seconds from a request to its answer; refusals by status code come at once.
        faults: probability in ``[0, 1]`` of each fault (see `parse_faults`).
        script: pairs of (substring of prompt or model, faults); the first pair that fits and has faults left
            gives its next one, ``"ok"`` for an answer. Only then do probabilities count.
        retry_after: seconds in the Retry-After header of a 429.
        seed: of the faults.
        require_key: the only bearer token that is let in; None lets everybody in.
        serve_as: model name that answers carry; None for the one asked for.
        usd_per_call: cost in each answer's usage; None for no such field.
        usd_per_mtok: US dollars per million tokens in and out, likewise.
    """

    latency: float = 0.0
    faults: Mapping[str, float] | None = None
    script: tuple[tuple[str, tuple[str, ...]], ...] = ()
    retry_after: float = 1
    seed: int = 0
    require_key: str | None = field(default=None, repr=False)
    serve_as: str | None = None
    usd_per_call: float | None = None
    usd_per_mtok: tuple[float, float] | None = None


def parse_faults(text: str) -> dict[str, float]:
    """Return the probabilities in ``"429:0.1,500:0.05,html:0.03"``, in their order.

    Raises:
        DayDreamError: an unknown fault, a probability outside ``[0, 1]``, or a sum above 1.
    """
    faults: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, _, probability = part.partition(":")
        faults[_known_fault(kind.strip())] = _probability(part, probability)
    if sum(faults.values()) > 1 + 1e-9:
        raise DayDreamError(f"faults '{text}' add up to more than 1", "lower the probabilities")
    return faults


def _known_fault(kind: str) -> str:
    known = [*map(str, STATUSES), *KINDS]
    if kind not in known:
        raise DayDreamError(f"unknown fault '{kind}'", nearest(kind, known))
    return kind


def _probability(part: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise DayDreamError(f"fault '{part}' has no probability between 0 and 1", "write it as 429:0.1")
    return value


class OfflineServer:
    """A server in threads of this process; a context manager that starts and stops it.

    Args:
        port: TCP port, 0 for any free one.
        host: address to bind.
        faults: as text for `parse_faults`, or as a mapping.
        script: mapping or pairs of substring -> faults (see `Behaviour`).
        log_path: file to which each request appends one JSON line at receipt (``event: "received"``) and one at
            the end (``event: "answered"``), both with its ``number``; the last line of a number holds.
        others: `Behaviour`'s attributes.

    Attributes:
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
            (text, tuple(kind if kind == "ok" else _known_fault(kind) for kind in kinds)) for text, kinds in pairs
        )
        chances = parse_faults(faults) if isinstance(faults, str) else dict(faults)
        self.behaviour = Behaviour(faults=chances, script=steps, **others)
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
        digest = hashlib.sha256(f"{self.behaviour.seed}|{entry['number']}".encode()).digest()
        throw = int.from_bytes(digest[:6], "big") / (1 << 48)
        for kind, probability in (self.behaviour.faults or {}).items():
            throw -= probability
            if throw < 0:
                return kind
        return "ok"


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
        if self._path() == "/v1/models":
            known = [{"id": name, "object": "model", "owned_by": "offline"} for name in models.MODELS]
            self._send(200, {"object": "list", "data": known})
        else:
            self._send(404, _error(404, f"no such page: {self.path[:200]}"))

    def do_POST(self) -> None:
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

    def _path(self) -> str:
        return self.path.split("?", 1)[0].rstrip("/")

    def _body(self) -> dict[str, Any] | None:
        try:
            content = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        except ValueError:
            return None
        return content if isinstance(content, dict) else None

    def _refusal(self, body: dict[str, Any] | None, messages: Any) -> tuple[int, str] | None:
        """What is wrong with the request itself, if anything."""
        key = self.server.owner.behaviour.require_key
        if self._path() != "/v1/chat/completions":
            return 404, f"no such page: {self.path[:200]}"
        if key is not None and self.headers.get("Authorization") != f"Bearer {key}":
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
            self._send(refusal[0], _error(*refusal))
            return
        prompt = models.prompt_text(messages)
        fault = owner.fault_for(entry, prompt)
        if fault.isdigit():
            owner.finished(entry, fault)
            self._send(int(fault), _error(int(fault), STATUSES[int(fault)]))
            return
        due = time.monotonic() + owner.behaviour.latency
        if fault == "hang":
            self._wait_for_client_to_leave()
            owner.finished(entry, fault)
            return
        reply = None if fault in ("drop", "html") else _reply(owner.behaviour, entry, messages, prompt, fault)
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
            return self.connection.recv(1, socket.MSG_PEEK) == b""
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


def _reply(
    behaviour: Behaviour, entry: dict[str, Any], messages: list[dict], prompt: str, fault: str
) -> dict[str, Any]:
    if fault == "error200":
        return _error(502, "Provider returned error")
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
    cost = _cost(behaviour, done.prompt_tokens, completion_tokens)
    if cost is not None:
        usage["cost"] = cost
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


def _cost(behaviour: Behaviour, prompt_tokens: int, completion_tokens: int) -> float | None:
    if behaviour.usd_per_call is not None:
        return behaviour.usd_per_call
    if behaviour.usd_per_mtok is not None:
        price_in, price_out = behaviour.usd_per_mtok
        return (prompt_tokens * price_in + completion_tokens * price_out) / 1_000_000
    return None


def _error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "code": code}}


def _close(connection: socket.socket) -> None:
    """End a connection for both sides, also where another thread is reading from it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``daydream serve-offline``."""
    parser.add_argument("--port", type=int, default=0, metavar="N", help="TCP port (default: any free one)")
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--latency", type=_not_negative, default=0.0, metavar="S", help="seconds per answer (default: 0)"
    )
    parser.add_argument(
        "--faults",
        default="",
        metavar="LIST",
        help="probabilities of faults, such as 429:0.1,500:0.05,html:0.03,drop:0.03; "
        f"status codes {', '.join(map(str, STATUSES))}; kinds {', '.join(KINDS)}",
    )
    parser.add_argument(
        "--retry-after",
        type=_not_negative,
        default=1,
        metavar="S",
        help="Retry-After of a 429 in seconds (default: 1)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the faults (default: 0)")
    parser.add_argument("--log", metavar="FILE", help="append two JSON lines per request: at receipt, at its end")
    parser.add_argument("--require-key", metavar="KEY", help="answer 401 to any other bearer token")
    parser.add_argument("--serve-as", metavar="NAME", help="model name in all answers (default: the one asked for)")
    price = parser.add_mutually_exclusive_group()
    price.add_argument("--usd-per-call", type=_not_negative, metavar="X", help="cost of each answer in US dollars")
    price.add_argument(
        "--usd-per-mtok", type=_price_pair, metavar="IN,OUT", help="cost per million tokens in US dollars"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted; prints one line with the URL once requests are taken. Returns the exit code.

    Raises:
        DayDreamError: an unknown fault, or a port that is taken.
    """
    return run_forever(
        port=args.port,
        host=args.host,
        latency=args.latency,
        faults=args.faults,
        retry_after=args.retry_after,
        seed=args.seed,
        log_path=args.log,
        require_key=args.require_key,
        serve_as=args.serve_as,
        usd_per_call=args.usd_per_call,
        usd_per_mtok=args.usd_per_mtok,
    )


def run_forever(**options: Any) -> int:
    """Run an `OfflineServer` with these options until SIGINT or SIGTERM; must be called in the main thread."""
    ended = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: ended.set())
    with OfflineServer(**options) as server:
        print(f"Offline models at {server.url}", flush=True)
        ended.wait()
    return 0


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of at least 0")
    return value


def _price_pair(text: str) -> tuple[float, float]:
    price_in, separator, price_out = text.partition(",")
    if not separator:
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form IN,OUT")
    return _not_negative(price_in), _not_negative(price_out)
