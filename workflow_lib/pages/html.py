"""Templates, styles and scripts of the pages, and the policy that lets no page load or send anything."""

import base64
import hashlib
import json
import os
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from . import numbers, texts

HERE = Path(__file__).parent
ASSETS = HERE / "assets"


def render(
    template: str, *, scripts: tuple[str, ...], styles: tuple[str, ...] = (), borrows: bool = False, **values: Any
) -> str:
    """Return a page.

    Args:
        template: name in templates/.
        scripts: names of the assets that run at the end of the page; theme.js always runs first.
        styles: names of further assets; style.css always comes first.
        borrows: whether the page opens others of its folder (borrow.js).
        values: what the template uses; text is escaped.
    """
    looks = [_asset(name) for name in ("style.css", *styles)]
    early = _asset("theme.js")
    late = [_asset(name) for name in scripts]
    policy = [
        "default-src 'none'",
        f"script-src {' '.join(_hash(script) for script in (early, *late))}",
        f"style-src {' '.join(_hash(look) for look in looks)}",
        "img-src data:",
        *(["frame-src 'self' file:"] if borrows else []),
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return (
        _environment()
        .get_template(template)
        .render(
            policy="; ".join(policy),
            styles=[Markup(look) for look in looks],
            early_script=Markup(early),
            late_scripts=[Markup(script) for script in late],
            **values,
        )
    )


def part(template: str, **values: Any) -> str:
    """Return a part of a page: a template without its own styles and scripts."""
    return _environment().get_template(template).render(**values)


def json_data(content: Any) -> Markup:
    """Return JSON that can stand inside a ``script`` element: it holds no ``<``, ``>`` or ``&``."""
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def link(target: Path, page: Path) -> str:
    """Return the relative, quoted address of a file as seen from a page."""
    folder = _way(str(target.parent), str(page.parent))
    name = quote(target.name)
    return name if folder == "." else f"{folder}/{name}"


# a page links many files of a few folders, all pages of a folder the same
@lru_cache(maxsize=1024)
def _way(target: str, start: str) -> str:
    """Return the relative, quoted address of a folder as seen from another."""
    return quote(Path(os.path.relpath(target, start)).as_posix())


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "score": numbers.score,
        "short_score": numbers.short_score,
        "usd": numbers.usd,
        "visible": texts.visible,
        "counted": numbers.count,
        "known": numbers.known,
    }
    return environment


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


@cache
def _hash(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"
