"""config/config.schema.yaml, made from the models in `keys`."""

from typing import Any

import yaml
from pydantic.json_schema import GenerateJsonSchema

from .keys import Settings
from .loading import PROJECT

SCHEMA_FILE = PROJECT / "config" / "config.schema.yaml"
HEADER = """\
# Every setting there is: meaning, unit and default. Anything else in config.yaml is refused.
# Generated from workflow_lib/settings/keys.py: edit that, and run .venv/bin/python scripts/write-docs
"""


class _Plain(GenerateJsonSchema):
    """JSON schema without titles; a key that has no default is left out instead of null."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> dict[str, Any]:
        return (
            self.generate_inner(schema["schema"])
            if schema.get("default", 0) is None
            else super().default_schema(schema)
        )

    def model_schema(self, schema: Any) -> dict[str, Any]:
        made = super().model_schema(schema)
        del made["title"]
        return made

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        made = super().dict_schema(schema)
        names = self.generate_inner(schema["keys_schema"])
        if "enum" in names:
            made["properties"] = dict.fromkeys(names["enum"], made["additionalProperties"])
        if "enum" in names or "pattern" in names:
            made["additionalProperties"] = False
        return made


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of config.yaml."""
    schema = Settings.model_json_schema(schema_generator=_Plain)
    defaults = Settings().model_dump(exclude_none=True)
    for key, part in schema["properties"].items():
        if "$ref" in part:
            # each of its keys has its own
            del part["default"]
        elif "default" in part:
            part["default"] = defaults[key]
    return {"$schema": _Plain.schema_dialect, **schema}


def schema_text() -> str:
    """Return what config/config.schema.yaml has to hold."""
    return HEADER + yaml.safe_dump(json_schema(), sort_keys=False, width=120, allow_unicode=True)
