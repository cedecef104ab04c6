"""Text of models made safe and pleasant to show: nothing in it is ever taken for markup of the page."""

import re
from collections.abc import MutableMapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup, escape

from ..files import encode

MAX_MARKDOWN = 200_000
"""Characters up to which a text is rendered as Markdown; longer ones are shown as they are."""

_SCHEMES = ("http", "https", "mailto")
_DEEPEST_HEADING = 6
_MARKUP = re.compile(r"^[#>\s*_`=-]+|[*_`#]+|\[([^\]]*)\]\([^)]*\)")
_SENTENCE_END = re.compile(r"(?<=[.!?:])\s")

# C0 controls become their pictures (NUL is seen as a sign, an ANSI escape as text), C1 controls the
# replacement character; line feeds and tabs stay
_VISIBLE = {code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A)}
_VISIBLE |= {0x7F: 0x2421} | {code: 0xFFFD for code in range(0x80, 0xA0)}


def read(path: Path) -> str | None:
    """Return a file's text with bytes that are not UTF-8 replaced; None if there is no such file."""
    try:
        return path.read_bytes().decode("utf-8-sig", "replace")
    except OSError:
        return None


def visible(text: str) -> str:
    """Return text with line ends ``\\n``, control characters as visible signs and no lone surrogates."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return encode(text).decode().translate(_VISIBLE)


def markdown(text: str, below: int = 1) -> Markup:
    """Return a text's Markdown as HTML: no raw HTML, no images, links to the web and mail only.

    Args:
        text: a model's text, verbatim.
        below: level of the heading that the text stands under; its own headings begin below it.
    """
    text = visible(text)
    if len(text) > MAX_MARKDOWN:
        return Markup('<pre class="verbatim" dir="auto">{}</pre>').format(text)
    # the renderer escapes all text and attributes itself; what it returns is markup of ours only
    return Markup(_renderer().render(text, {"below": below}))


def first_words(text: str, longest: int = 90) -> str:
    """Return a title for a text: its first line if that is a heading, else its first sentence, cut at a word."""
    lines = (line for line in visible(text[:4000]).splitlines() if line.strip(" \t#*_-=`>"))
    plain = plain_text(next(lines, ""))
    return _cut(_SENTENCE_END.split(plain)[0] if len(plain) > longest else plain, longest)


def excerpt(text: str, title: str, longest: int = 170) -> str:
    """Return the beginning of a text without its title, on one line, cut at a word."""
    lines = (plain_text(line) for line in visible(text[:6000]).splitlines() if not line.lstrip().startswith("#"))
    body = " ".join(line for line in lines if line)
    if title and body.startswith(title.rstrip("…")):
        body = body[len(title.rstrip("…")) :].lstrip(" .:!?")
    return _cut(body, longest)


def plain_text(line: str) -> str:
    """Return one line of Markdown without its commonest marks."""
    return " ".join(_MARKUP.sub(lambda found: found[1] or "", line).split())


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    head = text[: longest - 1]
    return f"{head.rsplit(' ', 1)[0] if ' ' in head[longest // 2 :] else head}…"


def _is_web_link(url: str) -> bool:
    try:
        return urlsplit(url.strip()).scheme.lower() in _SCHEMES
    except ValueError:
        return False


@cache
def _renderer() -> MarkdownIt:
    # maxNesting: a text of nothing but opening brackets or quotes must not take minutes or the stack
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable(["table", "strikethrough"])
    parser.disable("image")
    parser.validateLink = _is_web_link  # type: ignore[method-assign]
    parser.add_render_rule("link_open", _link_open)
    parser.core.ruler.push("outline", _outline)
    return parser


def _link_open(
    self: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    # a title would let a text write into the tool tip of the page
    href = escape(str(tokens[index].attrs.get("href", "")))
    return f'<a href="{href}" rel="noopener noreferrer nofollow ugc" target="_blank">'


def _outline(state: StateCore) -> None:
    """Put a text's headings below the one it stands under, each at most one level below the one before."""
    above: list[int] = []
    for token in state.tokens:
        if token.type == "heading_open":
            own = int(token.tag[1:])
            above = [level for level in above if level < own] + [own]
            token.attrSet("dir", "auto")
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(state.env['below'] + len(above), _DEEPEST_HEADING)}"
