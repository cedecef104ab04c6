"""The page that puts two texts side by side: it opens their own pages in a frame, which send it the texts."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from . import html
from .documents import Document

SCRIPTS = ("dom.js", "cohort.js", "borrow.js", "difference.js", "compare.js")
"""In the order in which they run."""


def page(
    documents: Sequence[Document],
    data: Markup,
    common: Mapping[str, Any],
) -> str:
    """Return the page.

    Args:
        documents: in the order of the cohort's page.
        data: what the cohort's page works on, see `explore.page_data`.
        common: what all pages of the cohort are given.
    """
    return html.render(
        "compare.html.j2",
        scripts=SCRIPTS,
        styles=("compare.css",),
        borrows=True,
        **common,
        documents=documents,
        data=data,
    )
