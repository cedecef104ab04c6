"""The page that puts two texts side by side: it holds all of them, so that it asks for no other file."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from . import html
from .documents import Document

SCRIPTS = ("dom.js", "cohort.js", "difference.js", "compare.js")
"""In the order in which they run."""


def page(
    documents: Sequence[Document],
    bodies: Mapping[str, Markup],
    data: Markup,
    common: Mapping[str, Any],
) -> str:
    """Return the page.

    Args:
        documents: in the order of the cohort's page.
        bodies: gen_id -> a document's text as markup of ours; none for one without a text.
        data: what the cohort's page works on, see `explore.page_data`.
        common: what all pages of the cohort are given.
    """
    return html.render(
        "compare.html.j2",
        scripts=SCRIPTS,
        styles=("compare.css",),
        **common,
        documents=documents,
        bodies=bodies,
        data=data,
    )
