"""One request over HTTP: kept connections, a deadline for the whole, a limit for the size, and no redirects."""

import http.client
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from .. import redaction
from . import retries
from .deadlines import Deadline, deadline
from .replies import CallError

PIECE_BYTES = 65_536
MAX_ERROR_CHARS = 300
# of what came instead of an answer, this much is kept
MAX_KEPT_CHARS = 65_536
# of responses that only say that one is to come, this many are read
MAX_INTERIM_RESPONSES = 100
# of the answer to a refused request, this much is read
MAX_REFUSAL_BYTES = 1_000_000


@dataclass(frozen=True)
class Limits:
    """How long a try may take and how much may come.

    Attributes:
        connect_s: to reach the endpoint, seconds.
        read_s: of silence, seconds.
        answer_s: for the whole try, seconds.
        max_bytes: of an answer, decompressed.
    """

    connect_s: float
    read_s: float
    answer_s: float
    max_bytes: int


@dataclass(frozen=True)
class Received:
    """A whole response with a status of success."""

    content_type: str
    body: bytes


def post(
    target: str, body: Mapping[str, Any], headers: Mapping[str, str], key: str | None, key_name: str, limits: Limits
) -> Received:
    """Send one request with a JSON body and return what came back; see `exchange`."""
    content = json.dumps(body).encode()
    return exchange("POST", target, content, "application/json", headers, key, key_name, limits)


def exchange(
    method: str,
    target: str,
    content: bytes | None,
    content_type: str,
    headers: Mapping[str, str],
    key: str | None,
    key_name: str,
    limits: Limits,
) -> Received:
    """Send one request and return what came back.

    Args:
        method: GET or POST.
        target: full URL; user and password in it are sent if there is no key.
        content: the body, None for none.
        content_type: of the body.
        headers: further headers.
        key: bearer token, None for none.
        key_name: what a message calls the place where the key is set.
        limits: time and size.

    Raises:
        CallError: anything but a whole response with a status of success.
    """
    redaction.learn(key)
    redaction.learn_address(target)
    shown = redaction.address(target)
    with deadline(limits.answer_s) as ends:
        attempt = _local.attempt = _Attempt(ends)
        try:
            with _session().request(
                method,
                target,
                data=content,
                headers={**headers, **({} if content is None else {"Content-Type": content_type})},
                auth=_authorization(target, key),
                timeout=(limits.connect_s, limits.read_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                received = _read(response, shown, key_name, limits)
            # a response whose headers or end were cut off can look whole
            if ends.passed and not _is_json(received.body):
                raise _too_slow(attempt, shown, limits)
            return received
        except CallError:
            raise
        except Exception as error:
            # whatever an HTTP library can raise: what matters is whether the request had left
            raise _broken(error, attempt, shown, limits) from None


def words(content: object) -> str:
    """Return a few words of what an endpoint said: one line, no control characters, no secrets."""
    text = _cut(_message_of(content), MAX_ERROR_CHARS * 4)
    text = "".join(char if char.isprintable() else " " for char in text)
    text = " ".join(text.split())
    return text[:MAX_ERROR_CHARS] + ("..." if len(text) > MAX_ERROR_CHARS else "")


def kept(body: bytes) -> str | None:
    """Return what is put on record of a body that is no answer: redacted and cut; None if it is empty."""
    text = body[: 4 * (MAX_KEPT_CHARS + 1000)].decode("utf-8", "replace")
    try:
        # a key may hide behind escapes that only reading undoes
        text = json.dumps(json.loads(text), ensure_ascii=False) if "\\" in text else text
    except (ValueError, RecursionError):
        pass
    return _cut(text, MAX_KEPT_CHARS) or None


@dataclass
class _Attempt:
    """A try as its connection sees it."""

    ends: Deadline
    reached: bool = False


_local = threading.local()


class _Response(http.client.HTTPResponse):
    """A response that http.client cannot be kept waiting for by a flood of ``100 Continue``: it reads them for ever."""

    _interim = 0

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        if status == http.client.CONTINUE:
            self._interim += 1
            if self._interim > MAX_INTERIM_RESPONSES:
                raise http.client.HTTPException(f"more than {MAX_INTERIM_RESPONSES} interim responses")
        return version, status, reason


class _Reporting:
    """A connection that makes itself known to the try that it works for, and says when it has reached the endpoint."""

    sock: Any
    response_class: Any = _Response

    def connect(self) -> None:
        _local.attempt.ends.connection = self
        super().connect()  # type: ignore[misc]
        _local.attempt.reached = True

    def request(self, *arguments: Any, **named: Any) -> None:
        _local.attempt.ends.connection = self
        if self.sock is not None:
            _local.attempt.reached = True
        super().request(*arguments, **named)  # type: ignore[misc]
        _local.attempt.ends.sock = self.sock


class _Http(_Reporting, HTTPConnection):
    pass


class _Https(_Reporting, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class _Adapter(HTTPAdapter):
    """An adapter whose connections report."""

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **named: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **named)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _Session(requests.Session):
    """A session that reads no redirect: where one leads may not even be a URL."""

    def __init__(self) -> None:
        super().__init__()
        self.mount("http://", _Adapter())
        self.mount("https://", _Adapter())
        self.headers["Accept-Encoding"] = "gzip, deflate"

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def _session() -> requests.Session:
    # one per thread: connections stay open between calls, and a session is not made for sharing
    session: _Session | None = getattr(_local, "session", None)
    if session is None:
        session = _local.session = _Session()
    return session


class _Bearer(AuthBase):
    """Puts the key into the Authorization header and nowhere else; a .netrc must not replace it."""

    def __init__(self, key: str | None):
        self._key = key

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            prepared.headers["Authorization"] = f"Bearer {self._key}"
        return prepared


def _authorization(target: str, key: str | None) -> AuthBase:
    user, password = requests.utils.get_auth_from_url(target)
    return HTTPBasicAuth(user, password) if user and not key else _Bearer(key)


def _read(response: requests.Response, shown: str, key_name: str, limits: Limits) -> Received:
    status = response.status_code
    # 204 and 205 say that there is nothing to read
    if not 200 <= status < 300 or status in (204, 205):
        rule = retries.of_status(status)
        raise CallError(
            rule,
            f"{shown}: {status}: {words(_beginning(response))}",
            remedy=rule.remedy.format(key_env=key_name),
            retry_after=retries.retry_after_seconds(response.headers.get("Retry-After")),
        )
    pieces: list[bytes] = []
    size = 0
    try:
        for piece in response.iter_content(PIECE_BYTES):
            pieces.append(piece)
            size += len(piece)
            if size > limits.max_bytes:
                message = f"{shown}: more than {limits.max_bytes / 1e6:g} MB came (llm.max_answer_mb)"
                raise CallError(retries.TOO_LARGE, message, body=kept(pieces[0]))
    except requests.exceptions.ContentDecodingError as error:
        message = f"{shown}: what came cannot be unpacked: {words(_cause(error))}"
        raise CallError(retries.BROKEN_ENCODING, message, body=kept(b"".join(pieces))) from None
    return Received(response.headers.get("Content-Type", ""), b"".join(pieces))


def _beginning(response: requests.Response) -> bytes:
    """Return the beginning of a refusal's body, as far as it can be read: its status says enough."""
    content = b""
    try:
        for piece in response.iter_content(PIECE_BYTES):
            content += piece
            if len(content) > MAX_REFUSAL_BYTES:
                break
    except requests.exceptions.RequestException:
        pass
    return content


def _broken(error: Exception, attempt: _Attempt, shown: str, limits: Limits) -> CallError:
    cause = words(_cause(error))
    if attempt.ends.passed:
        return _too_slow(attempt, shown, limits)
    if attempt.reached:
        if _is_silence(error):
            return CallError(retries.SILENT, f"{shown}: no answer within {limits.read_s:g} s (llm.read_timeout_s)")
        return CallError(retries.LOST, f"{shown}: the connection was lost before the answer had come: {cause}")
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return CallError(retries.NOT_REACHED, f"{shown}: no connection: {cause}")
    return CallError(retries.NO_ADDRESS, f"{shown}: {cause}")


def _too_slow(attempt: _Attempt, shown: str, limits: Limits) -> CallError:
    within = f"within {limits.answer_s:g} s (llm.answer_timeout_s)"
    if attempt.reached:
        return CallError(retries.TOO_SLOW, f"{shown}: no whole answer {within}")
    return CallError(retries.NOT_REACHED, f"{shown}: no connection {within}")


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _is_silence(error: BaseException) -> bool:
    return isinstance(error, requests.Timeout) or isinstance(_cause(error), TimeoutError)


def _cause(error: BaseException) -> BaseException:
    """Return what went wrong at the bottom of it, without the HTTP library's errors around it."""
    while True:
        inner = [getattr(error, "reason", None), error.__cause__, *reversed(error.args)]
        below = next((one for one in inner if isinstance(one, BaseException)), None)
        if below is None:
            return error
        error = below


def _cut(text: str, longest: int) -> str:
    """Return the beginning of a text without secrets; one that the cut would halve is found, too."""
    return redaction.message(text[: longest + 1000])[:longest]


def _message_of(content: object) -> str:
    """Return the message inside an error as OpenAI-compatible endpoints send it, else all of it."""
    if isinstance(content, bytes):
        text = content.decode("utf-8", "replace")
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            return text
    if isinstance(content, dict):
        inner = content.get("error", content)
        message = inner.get("message") if isinstance(inner, dict) else inner
        if isinstance(message, str) and message.strip():
            return message
    if isinstance(content, BaseException):
        return str(content) or type(content).__name__
    try:
        return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return "(too deeply nested to show)"
