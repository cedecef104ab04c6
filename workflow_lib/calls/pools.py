"""Pools: calls in flight and per minute, over all processes that share a data root [SPEC 8.3]."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..files import write_text
from ..locks import locked
from ..settings import PoolSettings
from .leases import Lease

POLL_SECONDS = 0.1
RETRY_SECONDS = 1.0
# the window is a little longer than a minute: calls travel for different times to the endpoint
WINDOW_SECONDS = 60.5
LONGEST_PAUSE_SECONDS = 600.0


class Pool:
    """The limits of one pool, as this process sees them.

    Args:
        folder: shared by all processes; holds leases, the start times of the last minute, a pause.
        max_concurrent: calls in flight at most, None for no limit.
        calls_per_minute: calls started within 60 s at most, None for no limit.
    """

    def __init__(self, folder: Path, max_concurrent: int | None, calls_per_minute: int | None):
        self.folder = folder
        self.max_concurrent = max_concurrent
        self.calls_per_minute = calls_per_minute
        self._lease = Lease(folder)
        self._in_flight = 0
        self._changed = threading.Condition()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait until one more call may start; the slot is free again when the block is left."""
        while (wait := self._try_take()) > 0:
            with self._changed:
                self._changed.wait(min(wait, POLL_SECONDS))
        try:
            yield
        finally:
            self._give_back()

    def pause(self, seconds: float) -> None:
        """Let no call of this pool start for a while, in any process; the endpoint asked for it."""
        seconds = min(seconds, LONGEST_PAUSE_SECONDS)
        with locked(self._lock):
            if self._pause_left() < seconds:
                now = time.time()
                write_text(self._pause_file, json.dumps([now, now + seconds]))

    @property
    def _lock(self) -> Path:
        return self.folder / "lock"

    @property
    def _pause_file(self) -> Path:
        return self.folder / "pause.json"

    @property
    def _starts_file(self) -> Path:
        return self.folder / "starts.json"

    def _try_take(self) -> float:
        """Take a slot and return 0, or return for how long there is none (seconds, a guess)."""
        if self._has_no_limits:
            return self._pause_left()
        with locked(self._lock):
            wait = self._pause_left()
            if wait > 0:
                return wait
            if self.max_concurrent is not None:
                taken = self._in_flight + sum(_in_flight_of(other) for other in self._lease.others())
                if taken >= self.max_concurrent:
                    return POLL_SECONDS
            if self.calls_per_minute is not None and (wait := self._note_start(self.calls_per_minute)) > 0:
                return wait
            with self._changed:
                self._in_flight += 1
            try:
                self._publish()
            except OSError:
                with self._changed:
                    self._in_flight -= 1
                raise
        return 0.0

    @property
    def _has_no_limits(self) -> bool:
        return self.max_concurrent is None and self.calls_per_minute is None

    def _give_back(self) -> None:
        if self._has_no_limits:
            return
        with self._changed:
            self._in_flight -= 1
            self._changed.notify()
        self._tell_others()

    def _tell_others(self) -> None:
        """Let other processes see a slot that is free again; what prevents that never reaches the call."""
        try:
            with locked(self._lock):
                self._publish()
        except OSError:
            again = threading.Timer(RETRY_SECONDS, self._tell_others)
            again.daemon = True
            again.start()

    def _publish(self) -> None:
        if self.max_concurrent is not None:
            with self._changed:
                in_flight = self._in_flight
            self._lease.publish({"in_flight": in_flight} if in_flight else {})

    def _pause_left(self) -> float:
        try:
            since, until = json.loads(self._pause_file.read_text())
        except (FileNotFoundError, ValueError):
            return 0.0
        # a clock that was set back must not make a pause longer than it was meant to be
        return until - time.time() if time.time() >= since else 0.0

    def _note_start(self, limit: int) -> float:
        now = time.time()
        try:
            starts = [float(start) for start in json.loads(self._starts_file.read_text())]
        except (FileNotFoundError, ValueError):
            starts = []
        # times ahead of the clock come from before it was set back: count them as of now
        recent = sorted(min(start, now) for start in starts if now - start < WINDOW_SECONDS)
        if len(recent) >= limit:
            return recent[-limit] + WINDOW_SECONDS - now
        write_text(self._starts_file, json.dumps([*recent, now]))
        return 0.0


def _in_flight_of(lease: Mapping[str, Any]) -> int:
    told = lease.get("in_flight")
    return told if isinstance(told, int) else 0


class Pools:
    """The pools of a run by name."""

    def __init__(self, coordination: Path, limits: Mapping[str, PoolSettings]):
        self._folder = coordination / "pools"
        self._limits = limits
        self._pools: dict[str, Pool] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Pool:
        with self._lock:
            if name not in self._pools:
                limits = self._limits.get(name, PoolSettings())
                self._pools[name] = Pool(self._folder / name, limits.max_concurrent, limits.calls_per_minute)
            return self._pools[name]
