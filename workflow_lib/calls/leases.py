"""Leases: one file per process and purpose, worth something only while that process lives."""

import atexit
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..files import write_json
from . import attempts, holders


class Lease:
    """This process's file in a folder that processes share; its content says what it takes.

    All methods are called with the folder's lock held (`locks.locked`).
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._watch = holders.Watch()
        self._path = folder / f"{uuid.uuid4().hex}.lease.json"
        self._held = False

    def publish(self, content: Mapping[str, Any]) -> None:
        """Write what this process takes now; nothing to take removes the file."""
        if content:
            write_json(self._path, {"heartbeat": holders.FIRST_BEAT, "holder": holders.me(), **content})
            if not self._held:
                holders.heart.keep(self._path)
                atexit.register(self._path.unlink, missing_ok=True)
            self._held = True
        elif self._held:
            holders.heart.stop(self._path)
            self._path.unlink(missing_ok=True)
            self._held = False

    def others(self, on_expired: Callable[[], None] = lambda: None) -> Iterator[Mapping[str, Any]]:
        """Yield the content of every other live lease of the folder.

        Files of dead holders are removed, and `on_expired` is called for each.
        """
        for path in self.folder.glob("*.lease.json"):
            if path == self._path:
                continue
            content = attempts.read_request(path)
            if not content:
                continue
            if self._watch.expired(path, content):
                path.unlink(missing_ok=True)
                on_expired()
            else:
                yield content
