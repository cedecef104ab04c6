"""Endpoints: one function sends one request, the only door through which money leaves."""

import re
from collections.abc import Mapping
from typing import Any

from .. import redaction
from ..errors import ConfigError, nearest
from ..settings import URL_VARIABLES, Settings
from . import providers
from .providers import OFFLINE, Endpoint
from .replies import CallError, Reply
from .transfer import Limits

ALL_VARIABLE, OFFLINE_VARIABLE = URL_VARIABLES

_SECRET_HEADER = re.compile("auth|cookie|key|secret|token", re.IGNORECASE)

__all__ = ["OFFLINE", "CallError", "Endpoint", "Limits", "Reply", "address", "find", "limits_of", "send"]


class KeyProblem(ConfigError):
    """The key of an endpoint is not set, or cannot be one."""


def send(endpoint: Endpoint, request: Mapping[str, Any], limits: Limits) -> Reply:
    """Send one request and return the answer.

    Args:
        endpoint: where to.
        request: body: model, messages, temperature, max_tokens, ...
        limits: how long it may take and how much may come.

    Raises:
        CallError: no answer that can be used; its rule says what follows.
    """
    return providers.PROVIDERS[endpoint.provider].send(endpoint, request, limits)


def limits_of(settings: Settings) -> Limits:
    """Return the limits of a try as they are set."""
    llm = settings.llm
    return Limits(llm.connect_timeout_s, llm.read_timeout_s, llm.answer_timeout_s, int(llm.max_answer_mb * 1_000_000))


def find(settings: Settings, name: str) -> Endpoint:
    """Return an endpoint by its name in llm_models.csv.

    Raises:
        ConfigError: not configured.
        KeyProblem: the variable of its key is not set, or holds no key.
    """
    known = settings.endpoints
    if name not in known:
        raise not_configured(settings, name)
    learn_secrets(settings)
    own = known[name]
    key_env = own.api_key_env or ""
    key = _key(settings, key_env)
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise KeyProblem(
            f"the key in the environment variable {key_env} has blanks, line breaks or letters that no key has",
            f"copy it again; in .env it stands alone after {key_env}=",
        )
    base_url = address(settings, name)
    is_redirected = name != OFFLINE and settings.environment.get(ALL_VARIABLE)
    if key_env and not key and not is_redirected and name != OFFLINE:
        raise KeyProblem(
            f"no key for endpoint '{name}': the environment variable {key_env} is not set",
            f"export {key_env}=... or put it into .env; the offline models need no key",
        )
    if base_url is None and name != OFFLINE:
        raise ConfigError(f"endpoint '{name}' has no base_url", f"set endpoints.{name}.base_url in config.yaml")
    headers = tuple(sorted(own.headers.items()))
    return Endpoint(name, base_url, key, key_env, headers, providers.name_for(base_url))


def not_configured(settings: Settings, name: str) -> ConfigError:
    """Return the error for an endpoint that no setting describes."""
    hint = "or add it under `endpoints:` in config.yaml with its base_url"
    return ConfigError(f"endpoint '{name}' is not configured", f"{nearest(name, settings.endpoints)}; {hint}")


def address(settings: Settings, name: str) -> str | None:
    """Return the base URL that a configured endpoint is asked at; None for the offline models in this process."""
    env = settings.environment
    base_url = settings.endpoints[name].base_url
    if name == OFFLINE:
        return env.get(OFFLINE_VARIABLE) or base_url
    return env.get(ALL_VARIABLE) or base_url


def learn_secrets(settings: Settings) -> None:
    """Make known to `redaction` every key and address that this process could send anything with."""
    for own in settings.endpoints.values():
        redaction.learn(_key(settings, own.api_key_env or ""))
        redaction.learn_address(own.base_url)
        for name, value in own.headers.items():
            if _SECRET_HEADER.search(name):
                redaction.learn(value, value.rpartition(" ")[2])
    for variable in (ALL_VARIABLE, OFFLINE_VARIABLE):
        redaction.learn_address(settings.environment.get(variable))


def _key(settings: Settings, variable: str) -> str | None:
    return (settings.environment.get(variable) or "").strip() or None
