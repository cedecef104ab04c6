"""A lock that threads of this process and other processes of the data root take in turn."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

_threads: dict[Path, threading.Lock] = defaultdict(threading.Lock)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path` (its folder is made); the system frees it if the holder dies."""
    path = path.absolute()
    with _threads[path]:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path, poll_interval=0.01, thread_local=False):
            yield
