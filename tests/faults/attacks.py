"""Every misbehaviour that a try must survive, by name, with what must be on record afterwards."""

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.faults.server import GOOD, USD_PER_ANSWER, Attack, Line, completion, forever, response

TEXT = "Zwölf Ideen – naïve\nzweite Zeile\ndritte Zeile"
HUGE = 10**400
COMPLETE, PARTIAL, NOTHING = "complete", "partial", "nothing"
ANSWER = "answer"


def _encoded(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def _bytes(content: bytes) -> Callable[[Line], None]:
    return lambda line: line.send(content)


def _json(content: Any, *headers: str, **others: Any) -> Callable[[Line], None]:
    return _bytes(response(_encoded(content), *headers, **others))


def _status(status: str, *headers: str) -> Callable[[Line], None]:
    return _bytes(response(_encoded({"error": {"message": f"refused with {status}"}}), *headers, status=status))


def _completion(*arguments: Any, **fields: Any) -> Callable[[Line], None]:
    return _json(completion(*(arguments or (TEXT,)), **fields))


def _echo(make: Callable[[str], bytes]) -> Callable[[Line], None]:
    """Answer with what is made of the key."""
    return lambda line: line.send(make(line.key))


def _drop(line: Line) -> None:
    """The request was read and an answer made; nobody hears of it."""


def _half(line: Line) -> None:
    whole = response(_encoded(completion(TEXT)))
    line.send(whole[: len(whole) - 60])


def _bomb() -> bytes:
    # many gzip members: 1.5 MB that unpack to 1.5 GB
    return gzip.compress(b" " * 10_000_000) * 150


def _flood(line: Line) -> None:
    """3 GB, made as they are sent."""
    line.send(response(b"", length=3_000_000_000))
    for _ in range(3_000):
        line.send(b" " * 1_000_000)


def _body_drip(stays_open: bool) -> Callable[[Line], None]:
    def play(line: Line) -> None:
        line.send(response(b"", length=1_000_000, stays_open=stays_open))
        line.drip(forever(b" "), 0.05)

    return play


def _header_drip(line: Line) -> None:
    line.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    line.drip(forever(b"a"), 0.05)


def _continues(seconds: float) -> Callable[[Line], None]:
    return lambda line: line.drip(forever(b"HTTP/1.1 100 Continue\r\n\r\n"), seconds)


def _nested(depth: int) -> list[Any]:
    content: Any = TEXT
    for _ in range(depth):
        content = [{"type": "text", "text": content}]
    return content


def _events() -> bytes:
    chunk = {"choices": [{"index": 0, "delta": {"content": TEXT}}], "usage": {"cost": USD_PER_ANSWER}}
    return b"data: " + _encoded(chunk) + b"\n\ndata: [DONE]\n\n"


def _raw_figures(usage: str) -> Callable[[Line], None]:
    """A good answer whose usage is written as given; json.dumps would refuse some of it."""
    body = _encoded(completion(TEXT, usage="USAGE")).replace(b'"USAGE"', usage.encode())
    return _bytes(response(body))


def _usage(cost: str = "0.01", tokens: str = "9") -> Callable[[Line], None]:
    return _raw_figures(f'{{"prompt_tokens": 20, "completion_tokens": {tokens}, "cost": {cost}}}')


def _all() -> Iterator[Attack]:
    good = response(_encoded(completion(TEXT)), stays_open=True)
    yield Attack(GOOD, _bytes(good), COMPLETE, True, ANSWER, 1)

    # connections
    yield Attack("dropped after the request", _drop, NOTHING, True, "connection_lost", 3)
    yield Attack("half a body", _half, PARTIAL, True, "connection_lost", 3)
    body = _encoded(completion(TEXT))
    short, long = len(body) - 20, len(body) + 20
    yield Attack("content-length too small", _bytes(response(body, length=short)), PARTIAL, True, "not_json", 2)
    yield Attack("content-length too large", _bytes(response(body, length=long)), PARTIAL, True, "connection_lost", 3)
    yield Attack(
        "two content-lengths", _bytes(response(body, "Content-Length: 7")), PARTIAL, True, "connection_lost", 3
    )
    yield Attack("no status line", _bytes(b"hello\r\n\r\n"), PARTIAL, True, "connection_lost", 3)

    # bodies
    yield Attack(
        "event stream", _bytes(response(_events(), kind="text/event-stream")), PARTIAL, True, "event_stream", 2
    )
    broken = b"\x1f\x8b" + body
    yield Attack("broken gzip", _bytes(response(broken, "Content-Encoding: gzip")), PARTIAL, True, "broken_encoding", 2)
    half_zip = gzip.compress(body)[:-30]
    yield Attack("half a gzip", _bytes(response(half_zip, "Content-Encoding: gzip")), PARTIAL, True, "not_json", 2)
    yield Attack(
        "good gzip", _bytes(response(gzip.compress(body), "Content-Encoding: gzip")), COMPLETE, True, ANSWER, 1
    )
    yield Attack(
        "gzip bomb", lambda line: line.send(response(_bomb(), "Content-Encoding: gzip")), PARTIAL, True, "too_large", 2
    )
    yield Attack("3 GB body", _flood, PARTIAL, True, "too_large", 2)
    yield Attack("body drip", _body_drip(stays_open=True), PARTIAL, True, "timeout", 3)
    yield Attack("body drip before a close", _body_drip(stays_open=False), PARTIAL, True, "timeout", 3)
    yield Attack("header drip", _header_drip, PARTIAL, True, "timeout", 3)
    yield Attack("endless 100 Continue", _continues(0.05), PARTIAL, True, "timeout", 3)
    yield Attack("flood of 100 Continue", _continues(0), PARTIAL, True, "connection_lost", 3)
    yield Attack("HTML 200", _bytes(response(b"<html>log in</html>", kind="text/html")), PARTIAL, False, "not_json", 2)
    yield Attack(
        "Latin-1 content type", _json(completion(TEXT), kind="text/plain; charset=latin-1"), COMPLETE, True, ANSWER, 1
    )
    yield Attack("byte order mark", _bytes(response(b"\xef\xbb\xbf" + body)), COMPLETE, True, ANSWER, 1)
    bad = body.replace("ö".encode(), b"\xf6")
    yield Attack(
        "byte that is no UTF-8", _bytes(response(bad)), COMPLETE, True, ANSWER, 1, answer=TEXT.replace("ö", "\ufffd")
    )

    # what a 200 can hold
    yield Attack("no choices, with a cost", _completion(choices=[]), PARTIAL, True, "no_choices", 2)
    yield Attack("no message", _completion(choices=[{"finish_reason": "stop"}]), PARTIAL, True, "no_choices", 2)
    error = {"error": {"code": 502, "message": "provider went away"}, "usage": {"cost": USD_PER_ANSWER}}
    yield Attack("error object in a 200", _json(error), PARTIAL, True, "error_in_answer", 2)
    yield Attack(
        "429 inside a 200", _json({"error": {"code": 429, "message": "slow down"}}), NOTHING, False, "rate_limited", 3
    )
    deep: Any = "boom"
    for _ in range(450):
        deep = {"error": deep}
    yield Attack("error nested 450 deep", _json(deep), PARTIAL, True, "error_in_answer", 2)
    yield Attack("JSON nested 100,000 deep", _bytes(response(b"[" * 100_000)), PARTIAL, True, "not_json", 2)
    yield Attack("content nested 450 deep", _completion(_nested(450)), COMPLETE, True, ANSWER, 1)
    yield Attack("null content", _completion(None), COMPLETE, True, ANSWER, 1, "empty_response", "")
    yield Attack("empty answer", _completion(""), COMPLETE, True, ANSWER, 1, "empty_response", "")
    yield Attack("finish_reason error", _completion(TEXT, "error"), PARTIAL, True, "error_in_answer", 2)
    yield Attack(
        "finish_reason content_filter", _completion(TEXT, "content_filter"), COMPLETE, True, ANSWER, 1, "refused"
    )
    yield Attack("finish_reason max_tokens", _completion(TEXT, "max_tokens"), COMPLETE, True, ANSWER, 1, "truncated")
    yield Attack("finish_reason length", _completion(TEXT, "length"), COMPLETE, True, ANSWER, 1, "truncated")
    yield Attack("finish_reason is an object", _completion(TEXT, {"a": HUGE}), COMPLETE, True, ANSWER, 1)
    strange = {"id": 7, "model": ["x"], "created": HUGE}
    yield Attack("id and model of odd types", _completion(TEXT, **strange), COMPLETE, True, ANSWER, 1)

    # figures
    yield Attack("400 digits in usage", _usage(tokens=str(HUGE)), COMPLETE, True, ANSWER, 1)
    yield Attack("5,000 digits in usage", _usage(tokens="9" * 5_000), COMPLETE, True, ANSWER, 1)
    yield Attack("400 digits in cost", _usage(cost=str(HUGE)), COMPLETE, True, ANSWER, 1)
    yield Attack("negative usage", _usage(cost="null", tokens="-9"), COMPLETE, True, ANSWER, 1)
    yield Attack("negative cost", _usage(cost="-3"), COMPLETE, True, ANSWER, 1)
    yield Attack("cost is NaN", _usage(cost="NaN"), COMPLETE, True, ANSWER, 1)
    yield Attack("cost is infinite", _usage(cost="1e999"), COMPLETE, True, ANSWER, 1)
    yield Attack(
        "no choices, cost is NaN",
        _json(completion(TEXT, choices=[], usage={"cost": float("nan")})),
        PARTIAL,
        True,
        "no_choices",
        2,
    )

    # the key
    yield Attack(
        "key in the status line", _echo(lambda key: response(body, status=f"200 {key}")), COMPLETE, True, ANSWER, 1
    )
    yield Attack(
        "key for a status line", _echo(lambda key: f"{key}\r\n\r\n".encode()), PARTIAL, True, "connection_lost", 3
    )
    chunked = "Transfer-Encoding: chunked"
    yield Attack(
        "key for a chunk length",
        _echo(lambda key: response(f"{key}\r\n".encode(), chunked)),
        PARTIAL,
        True,
        "connection_lost",
        3,
    )
    yield Attack(
        "key in headers",
        _echo(lambda key: response(body, f"X-Key: {key}", f"Set-Cookie: a={key}", key)),
        COMPLETE,
        True,
        ANSWER,
        1,
    )
    yield Attack(
        "key for a content encoding",
        _echo(lambda key: response(body, f"Content-Encoding: {key}")),
        COMPLETE,
        True,
        ANSWER,
        1,
    )
    for field in ("model", "id"):
        yield Attack(
            f"key in {field}",
            _echo(lambda key, field=field: response(_encoded(completion(TEXT, **{field: key})))),
            COMPLETE,
            True,
            ANSWER,
            1,
        )
    yield Attack(
        "key in finish_reason", _echo(lambda key: response(_encoded(completion(TEXT, key)))), COMPLETE, True, ANSWER, 1
    )
    yield Attack(
        "key in usage",
        _echo(lambda key: response(_encoded(completion(TEXT, usage={"cost": key, key: 1})))),
        COMPLETE,
        True,
        ANSWER,
        1,
    )
    yield Attack(
        "key in the answer",
        _echo(lambda key: response(_encoded(completion(f"{TEXT} {key}")))),
        COMPLETE,
        True,
        ANSWER,
        1,
        answer=f"{TEXT} [key]",
    )
    yield Attack(
        "key in an unusable body",
        _echo(lambda key: response(_encoded({"choices": [], "echo": key.replace("-", "\\u002d")}))),
        PARTIAL,
        True,
        "no_choices",
        2,
    )
    yield Attack(
        "key in an error body",
        _echo(lambda key: response(f"Bearer {key}".encode(), status="401 No")),
        NOTHING,
        False,
        "unauthorized",
        1,
    )
    yield Attack(
        "key in Retry-After",
        _echo(lambda key: response(b"", f"Retry-After: {key}", status="503 No")),
        NOTHING,
        False,
        "server_error",
        3,
    )

    # statuses
    bad_location = "Location: http://[::1"
    yield Attack(
        "redirect", _status("302 Found", "Location: http://127.0.0.1:9/v1"), NOTHING, False, "unexpected_status", 1
    )
    yield Attack("redirect to http://[::1", _status("302 Found", bad_location), NOTHING, False, "unexpected_status", 1)
    yield Attack("200 with a bad Location", _bytes(response(body, bad_location)), COMPLETE, True, ANSWER, 1)
    year = "Retry-After: Fri, 31 Dec 100000000000000000000 23:59:59 GMT"
    yield Attack("Retry-After in the year 10^20", _status("429 No", year), NOTHING, False, "rate_limited", 3)
    yield Attack("503 with that Retry-After", _status("503 No", year), NOTHING, False, "server_error", 3)
    for status, reason in (
        (400, "bad_request"),
        (401, "unauthorized"),
        (402, "no_credits"),
        (403, "forbidden"),
        (404, "unknown_model"),
    ):
        yield Attack(str(status), _status(f"{status} No"), NOTHING, False, reason, 1)
    for status, reason in (
        (408, "timeout"),
        (409, "conflict"),
        (425, "too_early"),
        (429, "rate_limited"),
        (500, "server_error"),
        (503, "server_error"),
    ):
        yield Attack(str(status), _status(f"{status} No"), NOTHING, False, reason, 3)
    yield Attack("504", _status("504 No"), NOTHING, True, "gateway_timeout", 3)


ATTACKS = {attack.name: attack for attack in _all()}
