"""Endpoints: one function sends one request, and every way it can end has a name [SPEC 8.1, 8.2]."""

import email.utils
import json
import math
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from .. import offline
from ..errors import ConfigError, DayDreamError, nearest
from ..settings import Settings

OFFLINE = "offline"
ALL_VARIABLE = "DD_LLM_BASE_URL"
OFFLINE_VARIABLE = "DD_OFFLINE_BASE_URL"
MAX_ERROR_CHARS = 300

# status -> (reason, what to do); these are not tried again
FINAL_STATUS = {
    400: ("bad_request", "read the endpoint's words above; a prompt may be too long for the model's context"),
    401: ("unauthorized", "the key was refused: set {key_env} to a valid key"),
    402: ("no_credits", "buy credits at the endpoint, or take a free or cheaper model; then run again"),
    403: ("forbidden", "the key may not use this model: check {key_env} and the account's rights"),
    404: ("unknown_model", "check the column `model` of llm_models.csv and the endpoint's base_url"),
}
# status -> reason; tried again
RETRIED_STATUS = {
    408: "timeout",
    409: "conflict",
    425: "too_early",
    429: "rate_limited",
}
REMEDIES = {
    "rate_limited": "lower calls_per_minute or max_concurrent of the pool, or wait; then run again",
    "server_error": "the endpoint is in trouble: run again later",
    "timeout": "raise llm.read_timeout_s if answers take long, or run again later",
    "connection_lost": "check the network or the server; then run again",
    "unreachable": "check base_url and that the server is up; then run again",
    "not_json": "what answers is not an OpenAI-compatible endpoint, or a proxy: check base_url",
    "no_choices": "the endpoint sent no answer: run again later",
    "error_in_answer": "read the endpoint's words above; run again later",
    "unexpected_status": "check base_url: it must lead to an OpenAI-compatible endpoint",
}


@dataclass(frozen=True)
class Endpoint:
    """Where requests go.

    Attributes:
        name: as in llm_models.csv.
        base_url: up to, not including, /chat/completions; None for the offline models in this process.
        key: sent as bearer token; never written anywhere.
        key_env: the variable that it came from, for messages.
        headers: further headers, sorted pairs.
        asks_for_cost: the endpoint tells the cost of a call when asked to.
    """

    name: str
    base_url: str | None
    key: str | None
    key_env: str
    headers: tuple[tuple[str, str], ...] = ()
    asks_for_cost: bool = False

    def __repr__(self) -> str:
        return f"Endpoint({self.name}, {self.base_url})"


@dataclass(frozen=True)
class Reply:
    """A completed answer of a model.

    Attributes:
        answer: the text, verbatim, may be empty.
        usage: prompt_tokens, completion_tokens, total_tokens as told; None where not.
        cost_usd: the endpoint's own figure, None if it gives none.
    """

    answer: str
    reasoning: str | None
    finish_reason: str | None
    usage: dict[str, int] | None
    cost_usd: float | None
    served_model: str | None
    generation_id: str | None


class CallError(DayDreamError):
    """A try that brought no answer.

    Attributes:
        reason: short name, as in failure.json and coverage.csv.
        remedy: what to do.
        retry: whether another try may help.
        answered: whether the endpoint answered at all; if not, the call may have been billed.
        retry_after: seconds that the endpoint asked to wait, None if it did not.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        remedy: str,
        *,
        retry: bool,
        answered: bool = True,
        retry_after: float | None = None,
    ):
        super().__init__(message, remedy)
        self.reason = reason
        self.remedy = remedy
        self.retry = retry
        self.answered = answered
        self.retry_after = retry_after


def find(settings: Settings, name: str) -> Endpoint:
    """Return an endpoint by its name in llm_models.csv.

    Raises:
        ConfigError: not configured, or its key's variable is not set.
    """
    known = settings.endpoints
    if name not in known:
        raise ConfigError(
            f"endpoint '{name}' of llm_models.csv is not configured",
            f"{nearest(name, known)}; add it under `endpoints:` in config.yaml with its base_url",
        )
    own = known[name]
    env = settings.environment
    key_env = own.api_key_env or ""
    key = (env.get(key_env) or "").strip() or None
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigError(
            f"the key in the environment variable {key_env} has blanks, line breaks or letters that no key has",
            f"copy it again; in .env it stands alone after {key_env}=",
        )
    base_url = own.base_url
    if name == OFFLINE:
        base_url = env.get(OFFLINE_VARIABLE) or base_url
    elif env.get(ALL_VARIABLE):
        base_url = env[ALL_VARIABLE]
    elif key_env and not key:
        raise ConfigError(
            f"no key for endpoint '{name}': the environment variable {key_env} is not set",
            f"export {key_env}=... or put it into .env; the offline models need no key",
        )
    if base_url is None and name != OFFLINE:
        raise ConfigError(f"endpoint '{name}' has no base_url", f"set endpoints.{name}.base_url in config.yaml")
    headers = tuple(sorted(own.headers.items()))
    return Endpoint(name, base_url, key, key_env, headers, asks_for_cost="openrouter.ai" in (base_url or ""))


def send(endpoint: Endpoint, request: Mapping[str, Any], connect_s: float, read_s: float) -> Reply:
    """Send one request and return the answer. The one door through which money leaves.

    Args:
        endpoint: where to.
        request: body of POST /chat/completions: model, messages, temperature, max_tokens, ...
        connect_s, read_s: time-outs in seconds.

    Raises:
        CallError: no answer; its attributes say whether to try again and what may have been billed.
    """
    if endpoint.base_url is None:
        return _send_in_process(request)
    target = endpoint.base_url.rstrip("/") + "/chat/completions"
    # in messages without a name and password that it may carry
    url = re.sub(r"(?<=://)[^/@]*@", "", target)
    try:
        response = _session().post(
            target,
            # only where it is known: others refuse fields that they do not know
            json={**request, "usage": {"include": True}} if endpoint.asks_for_cost else dict(request),
            headers=dict(endpoint.headers),
            auth=_Bearer(endpoint.key),
            timeout=(connect_s, read_s),
            allow_redirects=False,
        )
        body = response.content
    except (requests.ConnectTimeout, requests.exceptions.SSLError, requests.exceptions.ProxyError) as error:
        raise _not_reached(url, error) from None
    except requests.Timeout:
        raise CallError(
            "timeout",
            f"{url}: no answer within {read_s:g} s",
            REMEDIES["timeout"],
            retry=True,
            answered=False,
        ) from None
    except requests.ConnectionError as error:
        if _never_connected(error):
            raise _not_reached(url, error) from None
        raise _lost(url, error) from None
    except requests.exceptions.ChunkedEncodingError as error:
        raise _lost(url, error) from None
    except requests.exceptions.RequestException as error:
        raise CallError("unreachable", f"{url}: {_short(error)}", REMEDIES["unreachable"], retry=False) from None
    return _read(endpoint, url, response, body)


class _Bearer(requests.auth.AuthBase):
    """Puts the key into the Authorization header and nowhere else; a .netrc must not replace it."""

    def __init__(self, key: str | None):
        self._key = key

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            prepared.headers["Authorization"] = f"Bearer {self._key}"
        return prepared


_local = threading.local()


def _session() -> requests.Session:
    # one per thread: connections stay open between calls, and a session is not made for sharing
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
    return _local.session


def _send_in_process(request: Mapping[str, Any]) -> Reply:
    done = offline.complete(request["model"], request["messages"], request.get("seed", 0), request.get("max_tokens"))
    usage = {
        "prompt_tokens": done.prompt_tokens,
        "completion_tokens": done.completion_tokens,
        "total_tokens": done.prompt_tokens + done.completion_tokens,
    }
    return Reply(done.text, None, done.finish_reason, usage, None, request["model"], None)


def _read(endpoint: Endpoint, url: str, response: requests.Response, body: bytes) -> Reply:
    status = response.status_code
    if status != 200:
        raise _status_error(endpoint, url, response, body)
    try:
        content = response.json()
    except (ValueError, RecursionError):
        raise CallError(
            "not_json",
            f"{url}: 200 with something that is not JSON: {_words(body, endpoint.key)}",
            REMEDIES["not_json"],
            retry=True,
        ) from None
    error = content.get("error") if isinstance(content, dict) else None
    choices = content.get("choices") if isinstance(content, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
    error = error or (choice or {}).get("error")
    if error:
        raise CallError(
            "error_in_answer",
            f"{url}: 200 with an error inside: {_words(error, endpoint.key)}",
            REMEDIES["error_in_answer"],
            retry=True,
        )
    if choice is None or not isinstance(choice.get("message"), dict):
        raise CallError(
            "no_choices",
            f"{url}: 200 without an answer in it: {_words(body, endpoint.key)}",
            REMEDIES["no_choices"],
            retry=True,
        )
    message = choice["message"]
    usage = content.get("usage") if isinstance(content.get("usage"), dict) else {}
    cost = usage.get("cost")
    return Reply(
        answer=_text(message.get("content")),
        reasoning=_text(message.get("reasoning") or message.get("reasoning_content")) or None,
        finish_reason=choice.get("finish_reason"),
        usage=_tokens(usage),
        cost_usd=_number(cost),
        served_model=content.get("model") if isinstance(content.get("model"), str) else None,
        generation_id=content.get("id") if isinstance(content.get("id"), str) else None,
    )


def _status_error(endpoint: Endpoint, url: str, response: requests.Response, body: bytes) -> CallError:
    status = response.status_code
    words = _words(body, endpoint.key)
    if status in FINAL_STATUS:
        reason, remedy = FINAL_STATUS[status]
        remedy = remedy.format(key_env=endpoint.key_env or f"endpoints.{endpoint.name}.api_key_env")
        return CallError(reason, f"{url}: {status}: {words}", remedy, retry=False)
    reason = RETRIED_STATUS.get(status) or ("server_error" if status >= 500 else "unexpected_status")
    return CallError(
        reason,
        f"{url}: {status}: {words}",
        REMEDIES.get(reason, REMEDIES["server_error"]),
        retry=status in RETRIED_STATUS or status >= 500,
        retry_after=_retry_after(response.headers.get("Retry-After")),
    )


def _retry_after(header: str | None) -> float | None:
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        pass
    else:
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _not_reached(url: str, error: Exception) -> CallError:
    return CallError("unreachable", f"{url}: no connection: {_short(error)}", REMEDIES["unreachable"], retry=True)


def _lost(url: str, error: Exception) -> CallError:
    return CallError(
        "connection_lost",
        f"{url}: the connection was lost before the answer had come: {_short(error)}",
        REMEDIES["connection_lost"],
        retry=True,
        answered=False,
    )


def _never_connected(error: requests.ConnectionError) -> bool:
    from urllib3.exceptions import MaxRetryError, NewConnectionError

    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def _short(error: Exception) -> str:
    """Return what went wrong at the bottom of it, without the HTTP library's words around it."""
    cause = error.args[0] if error.args else error
    return _words(str(getattr(cause, "reason", cause)).rsplit(": ", 1)[-1])


def _words(content: object, key: str | None = None) -> str:
    """Return a few words of what an endpoint said, on one line, without control characters and without the key."""
    text = _message_of(content)
    if key:
        # some endpoints repeat the key that they refuse
        text = text.replace(key, "[key]")
    text = "".join(char if char.isprintable() else " " for char in text[: MAX_ERROR_CHARS * 4])
    text = " ".join(text.split())
    return text[:MAX_ERROR_CHARS] + ("..." if len(text) > MAX_ERROR_CHARS else "")


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
    return str(content)


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    return ""


def _tokens(usage: Mapping[str, Any]) -> dict[str, int] | None:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    found = {name: int(usage[name]) for name in names if _number(usage.get(name)) is not None}
    if not found:
        return None
    if "total_tokens" not in found and len(found) == 2:
        found["total_tokens"] = sum(found.values())
    return found


def _number(value: object) -> float | None:
    """Return a number of 0 or more as such, anything else as None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        return None
    return float(value)
