"""Settings of a run: `--config` over environment over config.yaml over defaults [SPEC 16]."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .errors import ConfigError, DayDreamError, nearest
from .files import read_text
from .paths import STAGES, DataRoot, is_safe_id

PROJECT = Path(__file__).resolve().parent.parent
CONFIG_FILE = Path("config") / "config.yaml"
SCHEMA_FILE = PROJECT / "config" / "config.schema.yaml"

ENVIRONMENT = {
    "cohort": "DD_COHORT",
    "data_root": "DAYDREAMING_DATA_ROOT",
    "templates_root": "GEN_TEMPLATES_ROOT",
}

DEFAULT_ENDPOINTS: dict[str, dict[str, Any]] = {
    "openrouter": {"base_url": "https://openrouter.ai/api/v1", "api_key_env": "OPENROUTER_API_KEY"},
    "offline": {},
}
DEFAULT_POOLS: dict[str, dict[str, int]] = {
    "free": {"max_concurrent": 1, "calls_per_minute": 1},
    "paid": {"max_concurrent": 64},
    "offline": {},
}


@dataclass(frozen=True)
class Settings:
    """All settings after precedence, defaults and checks; keys as in config.schema.yaml."""

    values: Mapping[str, Any]
    data: DataRoot
    environment: Mapping[str, str]

    def __getitem__(self, key: str) -> Any:
        return self.values.get(key)

    def stage(self, stage: str) -> Mapping[str, Any]:
        """Return temperature, max_tokens, min_lines, allow_truncated and extra of a stage."""
        return self.values["stages"][stage]

    @property
    def cohorts(self) -> list[str]:
        """The names of the cohorts of this run, in the order given."""
        return split_names(self.values.get("cohort") or "")

    def is_fresh(self, stage: str) -> bool:
        """Tell whether this run was asked to buy new answers for a stage."""
        fresh = self.values["fresh"]
        return fresh if isinstance(fresh, bool) else stage in split_names(fresh)


def load(
    overrides: Mapping[str, Any] | None = None,
    workdir: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings of a run.

    Args:
        overrides: what `--config` gave (types as YAML reads them).
        workdir: folder whose config/config.yaml and .env count; default: the current one. Without a
            config.yaml there, the project's own is used.
        environment: default: the process's, over the lines of .env.

    Raises:
        ConfigError: unknown key, wrong type or value, unreadable file.
    """
    workdir = workdir or Path()
    env = dict(read_dotenv(workdir / ".env")) | dict(os.environ if environment is None else environment)
    source = workdir / CONFIG_FILE
    if not source.exists():
        source = PROJECT / CONFIG_FILE
    values = _read_config(source)
    _check(values, str(source))
    for key, variable in ENVIRONMENT.items():
        if env.get(variable):
            values[key] = env[variable]
    given = _typed(_plain(overrides or {}), _schema())
    _refuse_numbers_for_names(given)
    _check(given, "--config")
    values = _with_defaults(_merge(values, given), _schema())
    values["endpoints"] = _merge(DEFAULT_ENDPOINTS, values["endpoints"])
    values["pools"] = {**DEFAULT_POOLS, **values["pools"]}
    _check_meaning(values)
    templates_root = values.get("templates_root")
    # normpath: the same file must have one name, or Snakemake takes it for two
    data = DataRoot(
        Path(os.path.normpath(values["data_root"])),
        Path(os.path.normpath(templates_root)) if templates_root else None,
    )
    return Settings(values, data, env)


def split_names(text: str) -> list[str]:
    """Return the names of a comma-separated list, stripped, without empty ones."""
    return [name.strip() for name in text.split(",") if name.strip()]


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the NAME=value lines of a .env file; quotes around a value and `export ` are dropped."""
    if not path.exists():
        return {}
    found = {}
    for line in _text_of(path).splitlines():
        name, separator, value = line.strip().removeprefix("export ").partition("=")
        if separator and name.strip().isidentifier():
            found[name.strip()] = value.strip().strip("\"'")
    return found


@cache
def _schema() -> dict[str, Any]:
    return yaml.safe_load(SCHEMA_FILE.read_text(encoding="utf-8"))


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(_text_of(path))
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(
            f"{path}: not valid YAML: {' '.join(str(error).split())}", "see config/config.schema.yaml"
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must be a mapping of settings", "see config/config.schema.yaml")
    return _plain(content)


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


def _typed(value: Any, part: Mapping[str, Any]) -> Any:
    """Return an override with numbers and truth values as such where its part of the schema wants them.

    Snakemake hands on `true`, and all values inside a nested `--config`, as text.
    """
    if "$ref" in part:
        part = _schema()["$defs"][part["$ref"].rsplit("/", 1)[1]]
    if isinstance(value, dict):
        others = part.get("additionalProperties")
        rest = others if isinstance(others, Mapping) else {}
        return {key: _typed(item, part.get("properties", {}).get(key, rest)) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    kinds = part.get("type") or ()
    if "boolean" in kinds and value.lower() in ("true", "false"):
        return value.lower() == "true"
    for kind, read in (("integer", int), ("number", float)):
        if kind in kinds:
            with contextlib.suppress(ValueError):
                return read(value)
    return value


def _refuse_numbers_for_names(given: Mapping[str, Any]) -> None:
    for key in ("cohort", "cross_cohort"):
        value = given.get(key)
        if value is not None and not isinstance(value, str):
            raise ConfigError(
                f"--config {key}=...: the name was read as the {type(value).__name__} {value!r}, not as text",
                f"Snakemake drops plain quotes: mark it as text, --config '{key}=!!str 007'"
                + (", or set DD_COHORT=007" if key == "cohort" else ""),
            )


def _check(values: Mapping[str, Any], where: str) -> None:
    import jsonschema

    validator = jsonschema.Draft202012Validator(_schema())
    for error in sorted(validator.iter_errors(values), key=lambda found: [str(part) for part in found.path]):
        key = ".".join(str(part) for part in error.absolute_path)
        if error.validator == "additionalProperties":
            allowed = error.schema.get("properties", {})
            unknown = next(name for name in error.instance if name not in allowed)
            full = f"{key}.{unknown}" if key else unknown
            raise ConfigError(f"{where}: unknown setting '{full}'", nearest(unknown, allowed))
        hint = error.schema.get("description", "see config/config.schema.yaml")
        if error.validator == "type" and error.validator_value == "string":
            hint = f'quote it to make it text: {key.rsplit(".", 1)[-1]}: "..."; {hint}'
        raise ConfigError(f"{where}: {key or 'settings'}: {error.message}", hint)


def _merge(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(low)
    for key, value in high.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _with_defaults(values: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    filled = dict(values)
    for key, part in schema.get("properties", {}).items():
        default = part.get("default")
        if "$ref" in part:
            part = _schema()["$defs"][part["$ref"].rsplit("/", 1)[1]]
        if key not in filled and default is not None:
            filled[key] = default
        elif isinstance(default, Mapping):
            filled[key] = _merge(default, filled[key])
        if isinstance(filled.get(key), Mapping) and "properties" in part:
            filled[key] = _with_defaults(filled[key], part)
    return filled


def _check_meaning(values: Mapping[str, Any]) -> None:
    for key in ("cohort", "cross_cohort"):
        for name in split_names(values.get(key) or ""):
            if not is_safe_id(name):
                raise ConfigError(
                    f"{key}: '{name}' cannot be a cohort's name",
                    "names are letters, digits, '.', '_' and '-', and begin with a letter or digit",
                )
    fresh = values["fresh"]
    for stage in split_names(fresh) if isinstance(fresh, str) else ():
        if stage not in STAGES:
            raise ConfigError(f"fresh: unknown stage '{stage}'", f"true, or some of {', '.join(STAGES)}")
    shard = values.get("shard")
    if shard:
        index, count = (int(part) for part in shard.split("/"))
        if index > count:
            raise ConfigError(f"shard: there is no slice {index} of {count}", f"1/{count} to {count}/{count}")
