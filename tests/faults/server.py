"""An OpenAI-compatible endpoint on raw sockets that misbehaves by name, and keeps the bill.

Raw sockets, because an HTTP server would correct most of what is wrong here.
"""

import contextlib
import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

USD_PER_ANSWER = 0.01
GOOD = "good"


class Line:
    """The server's end of a connection, after one request has been read from it.

    Attributes:
        key: what the Authorization header carried after ``Bearer``, to be echoed by the attacks.
        usd: what this request is billed; an attack that bills another figure sets it.
    """

    def __init__(self, connection: socket.socket, key: str, stopping: threading.Event):
        self.key = key
        self.usd = USD_PER_ANSWER
        self._connection = connection
        self._stopping = stopping

    def send(self, content: bytes) -> None:
        self._connection.sendall(content)

    def drip(self, content: Iterator[bytes], seconds: float) -> None:
        """Send piece by piece with a pause before each, until the client has gone."""
        for piece in content:
            if self._stopping.wait(seconds):
                return
            self.send(piece)


@dataclass(frozen=True)
class Attack:
    """One way to misbehave.

    Attributes:
        name: as scripts and the table call it.
        play: answers one request; the connection is closed afterwards.
        sent: ``complete`` (an answer that can be used), ``partial`` (part of one, or one that cannot be used),
            ``nothing``.
        billed: the endpoint bills it.
        ends: the reason on record after the last try, or ``answer``.
        tries: requests that it takes to get there, with max_tries 3.
        parse: reason of the parse failure that follows, empty where the answer parses.
        answer: what must have been kept, None for the usual text.
    """

    name: str
    play: Callable[[Line], None]
    sent: str
    billed: bool
    ends: str
    tries: int
    parse: str = ""
    answer: str | None = None


@dataclass
class Exchange:
    """A request as the server saw it, and what it billed for it."""

    prompt: str
    attack: str
    sent: str
    usd: float


class FaultServer:
    """Plays for each prompt the attacks of its script in turn, the last one for ever; a context manager.

    Args:
        attacks: every attack by name.
        script_of: the names of the attacks for a prompt.

    Attributes:
        url: base URL.
        exchanges: every request, in the order in which they came.
    """

    def __init__(self, attacks: dict[str, Attack], script_of: Callable[[str], Sequence[str]]):
        self._attacks = attacks
        self._script_of = script_of
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self.exchanges: list[Exchange] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._listener.close()

    def billed(self, prompt: str | None = None) -> list[Exchange]:
        """Return the requests that were billed, of one prompt or of all."""
        with self._lock:
            return [one for one in self.exchanges if one.usd and prompt in (None, one.prompt)]

    def bill_usd(self) -> float:
        return sum(one.usd for one in self.billed())

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # a client that goes away is part of the tests
        with connection, contextlib.suppress(OSError):
            while self._answer(connection):
                pass

    def _answer(self, connection: socket.socket) -> bool:
        """Answer one request; False when the connection is at its end."""
        head, body = _request(connection)
        if not head:
            return False
        prompt = json.loads(body)["messages"][-1]["content"]
        line = Line(connection, _key(head), self._stopping)
        with self._lock:
            script = self._script_of(prompt)
            attack = self._attacks[script[min(self._seen[prompt], len(script) - 1)]]
            self._seen[prompt] += 1
            # on the bill before anything is sent: a client that saw the end of an answer may look at once
            exchange = Exchange(prompt, attack.name, attack.sent, line.usd if attack.billed else 0.0)
            self.exchanges.append(exchange)
        attack.play(line)
        return attack.name == GOOD


def _request(connection: socket.socket) -> tuple[str, bytes]:
    content = b""
    while b"\r\n\r\n" not in content:
        more = connection.recv(65536)
        if not more:
            return "", b""
        content += more
    head, _, body = content.partition(b"\r\n\r\n")
    length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
    while len(body) < length:
        body += connection.recv(65536)
    return head.decode("latin-1"), body


def _key(head: str) -> str:
    found = re.search(r"(?im)^authorization: *bearer +(\S+)", head)
    return found[1] if found else ""


def response(
    body: bytes,
    *headers: str,
    status: str = "200 OK",
    kind: str = "application/json",
    length: int | None = None,
    stays_open: bool = False,
) -> bytes:
    """Return a whole HTTP response."""
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", *headers]
    if not stays_open:
        # a client that reused this connection before it sees its end could not know whether its request was billed
        head.append("Connection: close")
    if not any(header.lower().startswith("transfer-encoding") for header in headers):
        head.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def forever(piece: bytes) -> Iterator[bytes]:
    """Yield a piece again and again, for an hour at most."""
    end = time.monotonic() + 3600
    while time.monotonic() < end:
        yield piece


def completion(content: Any, finish_reason: Any = "stop", usd: Any = USD_PER_ANSWER, **others: Any) -> dict[str, Any]:
    """Return the body of a completed answer; `others` replace or join its fields."""
    usage = {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29, "cost": usd}
    return {
        "id": "gen-7",
        "model": "vendor/writer",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish_reason}],
        "usage": usage,
        **others,
    }
