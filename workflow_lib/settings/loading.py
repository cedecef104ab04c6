"""Settings from where people write them: `--config` over environment over `.env` over config.yaml over defaults."""

import contextlib
import inspect
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from .. import documents
from ..errors import ConfigError, DayDreamError, PlacedError, nearest
from ..files import read_text
from .keys import AS_TEXT, OTHER_NAMES, REFUSED, UNKNOWN_KEY, Settings, merge, truth, wrong_base_url
from .names import URL_VARIABLES

PROJECT = Path(__file__).resolve().parent.parent.parent
CONFIG_FILE = Path("config") / "config.yaml"
DOTENV_FILE = Path(".env")
COMMAND_LINE = "--config"
SEE_SCHEMA = "config/config.schema.yaml lists every setting"

ENVIRONMENT = {
    "cohort": "DD_COHORT",
    "data_root": "DAYDREAMING_DATA_ROOT",
    "templates_root": "GEN_TEMPLATES_ROOT",
}


def load(
    overrides: Mapping[str, Any] | None = None,
    workdir: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings of a run.

    Args:
        overrides: what `--config` gave; numbers and truth values may be text, as Snakemake hands on `true`
            and all values inside a nested `--config`.
        workdir: folder whose config/config.yaml and .env count; default: the current one. Without a
            config.yaml there, the project's own is used.
        environment: default: the process's, over the lines of .env.

    Raises:
        ConfigError: unknown key, wrong type or value, unreadable file.
    """
    workdir = workdir or Path()
    env = read_dotenv(workdir / DOTENV_FILE) | dict(os.environ if environment is None else environment)
    source = workdir / CONFIG_FILE
    if not source.exists():
        source = PROJECT / CONFIG_FILE
    values = _read_config(source)
    _checked(values, str(source))
    for variable in URL_VARIABLES:
        if wrong := wrong_base_url(env[variable]) if env.get(variable) else None:
            raise ConfigError(f"environment variable {variable}: {wrong[0]}", wrong[1])
    for key, variable in ENVIRONMENT.items():
        if env.get(variable):
            values[key] = env[variable]
            _checked({key: env[variable]}, f"environment variable {variable}")
    given = _with_own_names(_plain(overrides or {}), COMMAND_LINE)
    _read_extra(given)
    _checked(given, COMMAND_LINE, AS_TEXT)
    settings = _checked(merge(values, given), COMMAND_LINE, AS_TEXT)
    settings._environment = env
    return settings


def from_words(words: Iterable[str]) -> dict[str, Any]:
    """Return the settings in the words ``key=value`` of a command line, values as YAML whose scalars stay text.

    Raises:
        ConfigError: a word that is none, or a value that is no YAML.
    """
    found: dict[str, Any] = {}
    for word in words:
        key, is_assigned, value = word.partition("=")
        if not is_assigned or not key or not value.strip():
            raise ConfigError(f"{COMMAND_LINE}: '{word}' is no setting", "settings are written key=value")
        try:
            # this loader makes texts, lists and mappings only
            found[key] = yaml.load(value, Loader=yaml.BaseLoader)
        except yaml.YAMLError as error:
            problem = getattr(error, "problem", None) or error
            hint = f"quote it for the shell, as in {COMMAND_LINE} 'ids={{scope: cohort}}'"
            raise ConfigError(f"{COMMAND_LINE}: {key}: '{value}' is not valid YAML ({problem})", hint) from None
    return found


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the variables that a file in the manner of .env sets; none where there is no file."""
    if not path.exists():
        return {}
    import dotenv

    found = dotenv.dotenv_values(stream=io.StringIO(_text_of(path)), interpolate=False)
    return {name: value for name, value in found.items() if value is not None}


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = documents.parse_yaml(path, _text_of(path))
    except PlacedError as error:
        raise ConfigError(error.message, error.hint) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must be a mapping of settings", SEE_SCHEMA)
    return _with_own_names({str(key): _plain(value) for key, value in content.items()}, str(path))


def _with_own_names(values: dict[str, Any], where: str) -> dict[str, Any]:
    """Return settings under their own names."""
    for other, own in OTHER_NAMES.items():
        if other in values:
            if own in values:
                raise ConfigError(f"{where}: {other} and {own} are the same setting", "keep one of them")
            values[own] = values.pop(other)
    return values


def _text_of(path: Path) -> str:
    try:
        return read_text(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}", "it must be a text file") from None
    except DayDreamError as error:
        raise ConfigError(error.message, error.hint) from None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _read_extra(given: Mapping[str, Any]) -> None:
    """Read the fields of requests that `--config` gave as YAML would: no model knows their types."""
    stages = given.get("stages")
    for own in stages.values() if isinstance(stages, dict) else ():
        if isinstance(own, dict) and isinstance(own.get("extra"), dict):
            own["extra"] = _read_scalars(own["extra"])


def _read_scalars(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _read_scalars(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_read_scalars(item) for item in value]
    if isinstance(value, str):
        for read in (truth, int, float):
            with contextlib.suppress(ValueError):
                return read(value)
    return value


def _checked(values: Mapping[str, Any], where: str, context: Mapping[str, bool] | None = None) -> Settings:
    try:
        return Settings.model_validate(values, context=context)
    except ValidationError as error:
        raise _readable(error.errors(include_url=False)[0], values, where) from None


def _readable(error: Any, values: Mapping[str, Any], where: str) -> ConfigError:
    """Return a validation error as a message with place, key, value, what is allowed, and a way out."""
    path = _keys_of(error["loc"], values)
    key, kind, value = ".".join(path), error["type"], error["input"]
    allowed, description = _about(path)
    if kind in ("extra_forbidden", UNKNOWN_KEY):
        known = error["ctx"]["known"] if kind == UNKNOWN_KEY else allowed
        return ConfigError(f"{where}: unknown setting '{key}'", nearest(path[-1], known))
    if kind == REFUSED:
        return ConfigError(f"{where}: {key}: {error['msg']}", error["ctx"]["hint"])
    hint = description or SEE_SCHEMA
    if kind == "string_type":
        if where == COMMAND_LINE and key in ("cohort", "cross_cohort"):
            return _number_for_name(key, value)
        hint = f'quote it to make it text: {path[-1]}: "..."; {hint}'
    rule = error["msg"].replace("Input should", "should").replace("String should", "should")
    return ConfigError(f"{where}: {key}: {value!r} {rule.replace('dictionary or instance of', 'mapping for')}", hint)


def _number_for_name(key: str, value: Any) -> ConfigError:
    return ConfigError(
        f"--config {key}=...: the name was read as the {type(value).__name__} {value!r}, not as text",
        f"Snakemake drops plain quotes: mark the name as text, --config '{key}=!!str NAME'"
        + (", or set DD_COHORT=NAME" if key == "cohort" else ""),
    )


def _keys_of(location: Sequence[Any], values: Any) -> list[str]:
    """Return the keys on the way to an error, without pydantic's marks for unions and keys."""
    path = []
    for part in location:
        if (isinstance(values, Mapping) and part in values) or (isinstance(values, list) and isinstance(part, int)):
            values = values[part]
        else:
            break
        path.append(str(part))
    return path


def _about(path: Sequence[str]) -> tuple[list[str], str]:
    """Return the keys that are known beside the last one of a path, and the description nearest to it."""
    kind: Any = Settings
    known: list[str] = []
    description = ""
    for part in path:
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            known = list(kind.model_fields)
            field = kind.model_fields.get(part)
            if field is None:
                break
            description = field.description or description
            kind = field.annotation
        elif get_origin(kind) is dict:
            kind = get_args(kind)[1]
        else:
            break
    return known, description
