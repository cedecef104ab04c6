"""The way from a cohort's page to the page over all cohorts, which may be made later, and then shows it."""

import os
from pathlib import Path

from markupsafe import Markup

from ..files import read_text, write_text
from ..paths import DataRoot

_HIDDEN = Markup('<span class="way-up" hidden>')
_SHOWN = Markup('<span class="way-up">')


def begins(data: DataRoot) -> Markup:
    """Return the start of the element around the link; it is hidden as long as the link would lead nowhere."""
    return _SHOWN if data.cross_page.exists() else _HIDDEN


def show(page: Path) -> None:
    """Show the link on a cohort's page that was written before the page over all cohorts.

    The page keeps its time: nothing that is made of it is due for that.
    """
    before = read_text(page)
    after = before.replace(_HIDDEN, _SHOWN, 1)
    if after != before:
        times = page.stat()
        write_text(page, after)
        os.utime(page, ns=(times.st_atime_ns, times.st_mtime_ns))
