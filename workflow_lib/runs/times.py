"""Times of files: a file that is newer than all others, when tables were read, files that are ahead of the clock."""

import atexit
import contextlib
import fcntl
import os
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from ..files import read_recorded, write_json
from ..locks import locked
from ..paths import DataRoot

_NOW = "now-"
_READ_FROM = "read_from_ns"


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
    if folder is None:
        handle, name = tempfile.mkstemp(prefix=_NOW)
        os.close(handle)
        path = Path(name)
    else:
        # relative if the data root is: Snakemake takes braces in a path for wildcards
        path = _held(folder)
        _remove_unheld(folder)
    atexit.register(path.unlink, missing_ok=True)
    return path


def _held(folder: Path) -> Path:
    """Make a file that is locked until this process ends, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    name = uuid.uuid4().hex
    coming = folder / f".{_NOW}{name}"
    handle = os.open(coming, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    # a file system without locks: nobody can tell whose it is, and it stays if this process is killed
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    # under its name only now: whoever finds it there unlocked may remove it
    return coming.rename(folder / f"{_NOW}{name}")


def _remove_unheld(folder: Path) -> None:
    """Remove the files of processes that were killed."""
    for path in folder.glob(f"{_NOW}*"):
        with contextlib.suppress(OSError), open(path, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


@contextmanager
def reading(data: DataRoot, what: str) -> Iterator[None]:
    """Record when the texts were read that tables are made of; one process at a time makes the same tables.

    Args:
        data: the data root.
        what: names the tables, such as ``cohorts/NAME``.
    """
    path = _reading(data, what)
    with locked(path.with_name(f"{path.name}.lock")):
        began = _moment(path.parent)
        yield
        write_json(path, {_READ_FROM: began})


def read_from(data: DataRoot, what: str, table: Path) -> int | None:
    """Return the time from which on a file that is written is news to tables (ns), None if there are no tables.

    Where it is not on record, that is the table's own time.
    """
    try:
        written = table.stat().st_mtime_ns
    except FileNotFoundError:
        return None
    began = read_recorded(_reading(data, what)).get(_READ_FROM)
    return began if isinstance(began, int) else written


def _reading(data: DataRoot, what: str) -> Path:
    return data.coordination / "tables" / f"{what}.json"


def _moment(folder: Path) -> int:
    """Return a time that no file written before is later than, and every file written from now on is.

    It is of the clock that stamps files there, on a network file system the server's, which may tick slowly.
    """
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        began = os.stat(file.name).st_mtime_ns
        while os.stat(file.name).st_mtime_ns == began:
            time.sleep(0.001)
            os.utime(file.name)
        return began


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
