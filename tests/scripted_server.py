"""An HTTP server that answers exactly the bytes it is given, and remembers what it was sent."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Reply = tuple[int, dict[str, str], bytes] | Callable[[BaseHTTPRequestHandler], None]


def completion(text: Any = "SCORE: 7", finish_reason: str = "stop", **others: Any) -> Reply:
    """Return the reply of an OpenAI-compatible endpoint; `others` stand beside its choices."""
    message = {"role": "assistant", "content": text}
    content = {
        "id": "gen-1",
        "model": "org/served",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        **others,
    }
    return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()


class ScriptedServer:
    """Gives its replies one after another, the last one for ever; a context manager.

    Attributes:
        url: base URL, ``http://127.0.0.1:PORT/v1``.
        requests: (path, headers, body) of every request, in order.
    """

    def __init__(self, *replies: Reply):
        self.replies = list(replies)
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                owner.requests.append((self.path, dict(self.headers), json.loads(body)))
                reply = owner.replies.pop(0) if len(owner.replies) > 1 else owner.replies[0]
                if callable(reply):
                    reply(self)
                    return
                status, headers, content = reply
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(content))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                owner.requests.append((self.path, dict(self.headers), {}))
                self.send_error(404)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Listener(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that goes away is part of the tests."""

        self._http = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
