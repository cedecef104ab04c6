"""What the processes of one run know in common: a small file below the data root, gone when the run ends.

It is looked at twice a second at most, and read only when it has changed. Where it cannot be used, each process goes
on with what it knows itself.
"""

import contextlib
import copy
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import DayDreamError
from ..files import read_json, write_json
from ..locks import locked

# by which a run hands its id to its jobs
RUN_VARIABLE = "DAYDREAMING_RUN"
LOOK_SECONDS = 0.5
# what a killed run left is removed by a later one
OLD_SECONDS = 7 * 86_400.0

_NOTES = "notes"

Known = dict[str, dict[str, Any]]


class RunFile:
    """The file of one run, as this process sees it.

    Args:
        folder: has a file per run.
        run_id: names the run; None for a run of this process alone.
        shows: this process puts notes on the screen as they come; others leave them to `rest`.

    Attributes:
        changed: notified when this process changes something.
    """

    def __init__(self, folder: Path, run_id: str | None = None, *, shows: bool = True):
        self._folder = folder
        self.run_id = run_id or new_id()
        self._shows = shows
        self.changed = threading.Condition()
        self._known: Known = {}
        self._seen: tuple[int, int, int] | None = None
        self._looked_at = float("-inf")

    def join(self, run_id: str) -> None:
        """Share from now on what another run knows: this process works for it."""
        if run_id != self.run_id:
            self.run_id = run_id
            self._known, self._seen, self._looked_at = {}, None, float("-inf")

    def look(self, at_most_every: float = LOOK_SECONDS) -> Mapping[str, Mapping[str, Any]]:
        """Return section -> name -> value, not older than `at_most_every` seconds; not to be changed."""
        now = time.monotonic()
        if now - self._looked_at >= at_most_every:
            self._looked_at = now
            seen = self._signature()
            if seen is not None and seen != self._seen:
                self._known, self._seen = self._read(), seen
        return self._known

    def update(self, change: Callable[[Known], bool]) -> bool:
        """Let `change` see what is known now and change it; returns what it returned.

        Args:
            change: returns whether it changed anything.
        """
        try:
            with locked(self._folder / "lock"):
                known = copy.deepcopy(self._read())
                is_changed = change(known)
                if is_changed:
                    self._write(known)
                self._known, self._seen = known, self._signature()
        except OSError:
            known = copy.deepcopy(self._known)
            is_changed = change(known)
            self._known = known
        with self.changed:
            self.changed.notify_all()
        return is_changed

    def note(self, key: str, text: str) -> None:
        """Say something once in this run, whichever of its processes finds it first.

        Args:
            key: what it is about.
            text: one or more lines for the screen.
        """
        if key in self.look().get(_NOTES, ()):
            return

        def add(known: Known) -> bool:
            notes = known.setdefault(_NOTES, {})
            if key in notes:
                return False
            notes[key] = {"text": text, "shown": self._shows}
            return True

        if self.update(add) and self._shows:
            print(f"Warning: {text}", file=sys.stderr)

    def rest(self) -> Iterator[str]:
        """Yield the notes of processes that do not show them; for the end of a run."""
        for note in self.look(0).get(_NOTES, {}).values():
            if not note["shown"]:
                yield note["text"]

    def remove(self) -> None:
        """Remove the file: the run has ended."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return self._folder / f"{self.run_id}.json"

    def _signature(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    def _read(self) -> Known:
        try:
            content = read_json(self._path)
        except (OSError, DayDreamError):
            return self._known
        is_known = isinstance(content, dict) and all(isinstance(section, dict) for section in content.values())
        return content if is_known else self._known

    def _write(self, known: Known) -> None:
        if not self._path.exists():
            self._remove_old()
        write_json(self._path, known)

    def _remove_old(self) -> None:
        for path in self._folder.glob("*.json"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > OLD_SECONDS:
                    path.unlink()


def new_id() -> str:
    """Return the id of a new run: 12 hex digits."""
    return uuid.uuid4().hex[:12]
