"""Times of files: a file that is newer than all others, and files that are ahead of the clock."""

import atexit
import os
import tempfile
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ..paths import DataRoot


def newest_file(data: DataRoot, *, shared: bool) -> Path:
    """Return a file that is newer than all outputs.

    Args:
        data: the data root.
        shared: it lies in the data root, where other hosts see it, until the process ends; else nothing is
            written there (a dry run).
    """
    return _file_of_now(data.coordination if shared else None)


@cache
def _file_of_now(folder: Path | None) -> Path:
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix="now-", dir=folder)
    os.close(handle)
    # relative if the data root is: Snakemake takes braces in a path for wildcards
    path = folder / Path(name).name if folder else Path(name)
    atexit.register(path.unlink, missing_ok=True)
    return path


def ahead_of_the_clock(data: DataRoot, declared: Iterable[Path]) -> list[Path]:
    """Return the declared files, catalogs and texts whose times lie more than a minute in the future, sorted."""
    folders = {data.catalogs, data.templates_root or data.catalogs}
    found = set(declared)
    found |= {path for folder in folders for path in folder.rglob("*") if path.is_file()}
    limit = time.time_ns() + 60 * 10**9
    return sorted(path for path in found if is_newer(path, limit))


def is_newer(path: Path, than_ns: int) -> bool:
    """Return whether a file is there and was written after a time (ns since the epoch)."""
    try:
        return path.stat().st_mtime_ns > than_ns
    except OSError:
        return False
