"""Prompt templates: Jinja2, strict, in a sandbox; a model's text is only ever a value."""

import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, UndefinedError, meta
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..errors import TemplateError
from ..files import read_text
from ..stages import BOUNDARY, FIRST, STAGE

T = TypeVar("T")
Version = tuple[int, int, int]

_HINT = "correct the template and run again"


class Compiled(NamedTuple):
    """A template, the names in it that its stage does not have, and whether it uses `boundary`."""

    template: Template
    unknown: tuple[str, ...]
    fenced: bool


# no loader: a template cannot include or import another file
_environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


def check(path: Path, stage: str) -> None:
    """Raise TemplateError if a template is missing, malformed or names an unknown variable (all are named)."""
    unknown = _compiled(path, stage).unknown
    if unknown:
        raise _unknown(path, stage, unknown)


def is_fenced(path: Path, stage: str) -> bool:
    """Return whether a template uses `boundary`, so that each generation has a prompt of its own.

    Raises:
        TemplateError: the template is missing or malformed.
    """
    return _compiled(path, stage).fenced


def render(path: Path, stage: str, variables: Mapping[str, Any]) -> str:
    """Return the prompt that a template makes of its variables.

    Args:
        path: the template's file.
        stage: decides which variables there are.
        variables: their values.

    Raises:
        TemplateError: as `check`, or the template fails while it is rendered.
    """
    compiled = _compiled(path, stage)
    try:
        return compiled.template.render(variables)
    except UndefinedError as error:
        if compiled.unknown:
            raise _unknown(path, stage, compiled.unknown) from None
        raise TemplateError(path, _line(error), f"undefined value: {error.message}", _offer(stage)) from None
    except SecurityError as error:
        raise TemplateError(path, _line(error), f"not allowed in a template: {error}", _HINT) from None
    except (TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise TemplateError(path, _line(error), f"cannot be rendered: {error}", _HINT) from None


def system_text(path: Path) -> str:
    """Return the system message that a file holds: its text, stripped, and never rendered.

    Raises:
        TemplateError: there is no such file, it cannot be read, or it is empty.
    """
    text = _read(path, "system prompt", _text)
    if not text:
        raise TemplateError(path, "", "the system prompt is empty", "write it, or clear the column system_prompt")
    return text


def _line(error: Exception) -> str:
    """Return the line of a template at which it failed; Jinja puts its own frames into the traceback."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return f"line {lines[-1]}" if lines else ""


def _offer(stage: str) -> str:
    own = f"a template of stage {stage} has {', '.join(STAGE[stage].template_variables)}"
    return f"{own}, a list; each concept has name and content" if stage == FIRST else own


def _unknown(path: Path, stage: str, unknown: tuple[str, ...]) -> TemplateError:
    return TemplateError(
        path,
        "",
        f"undefined variable{'s' if len(unknown) > 1 else ''} {', '.join(unknown)}",
        _offer(stage),
    )


def _compiled(path: Path, stage: str) -> Compiled:
    return _read(path, "template", lambda path, version: _compile(path, stage, version))


def _read(path: Path, what: str, read: Callable[[Path, Version], T]) -> T:
    """Return what is read of a file; `read` may keep it as long as the file's version is the same."""
    try:
        stat = path.stat()
    except OSError:
        raise TemplateError(path, "", f"no such {what} file", "create it, or correct the catalog") from None
    try:
        return read(path, (stat.st_ino, stat.st_mtime_ns, stat.st_size))
    except OSError as error:
        raise TemplateError(path, "", f"cannot be read: {error.strerror}", "it must be a text file") from None


@lru_cache(maxsize=64)
def _text(path: Path, version: Version) -> str:
    return read_text(path).strip()


@lru_cache(maxsize=512)
def _compile(path: Path, stage: str, version: Version) -> Compiled:
    text = read_text(path)
    try:
        parsed = _environment.parse(text)
        if list(meta.find_referenced_templates(parsed)):
            raise TemplateError(path, "", "a template cannot include, import or extend another file", "copy it in")
        named = meta.find_undeclared_variables(parsed)
        unknown = named - set(STAGE[stage].template_variables)
        return Compiled(_environment.from_string(text), tuple(sorted(unknown)), BOUNDARY in named)
    except TemplateSyntaxError as error:
        raise TemplateError(path, f"line {error.lineno}", f"not valid Jinja2: {error.message}", _HINT) from None
