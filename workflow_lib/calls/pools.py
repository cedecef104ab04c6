"""Pools: calls in flight and per minute, over all processes that share a data root."""

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import DayDreamError
from ..files import read_json, write_text
from ..locks import locked
from ..settings import PoolSettings
from . import stopping
from .leases import Lease

POLL_SECONDS = 0.1
RETRY_SECONDS = 1.0
# the window is a little longer than a minute: calls travel for different times to the endpoint
WINDOW_SECONDS = 60.5
LONGEST_PAUSE_SECONDS = 600.0

wall_clock = time.time
steady_clock = time.monotonic


class Ages:
    """How long ago the times were that processes write into a shared file.

    What this process has written, or seen for the first time, is measured by its steady clock, so that a clock
    that is set changes nothing. A time in the future comes from another clock and is read as now, with one warning.
    """

    def __init__(self, path: Path):
        self._path = path
        self._seen: dict[float, float] = {}
        self._has_warned = False

    def note(self, written: float) -> None:
        """Remember a time that this process writes now."""
        self._seen[written] = steady_clock()

    def of(self, written: float) -> float:
        """Return the age of a time of the file in seconds, 0 or more."""
        if written in self._seen:
            return steady_clock() - self._seen[written]
        age = wall_clock() - written
        if age < 0:
            self.note(written)
            if not self._has_warned:
                self._has_warned = True
                print(
                    f"Warning: {self._path}: written in the future, by a clock that was ahead; counted as of now",
                    file=sys.stderr,
                )
        return max(0.0, age)

    def younger_than(self, seconds: float, written: list[float]) -> list[float]:
        """Return the times of the file, and those of this process, that are younger; the others are forgotten."""
        kept = [one for one in {*written, *self._seen} if self.of(one) < seconds]
        self._seen = {one: seen for one, seen in self._seen.items() if one in kept or one in written}
        return kept


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
        self._starts = Ages(self._starts_file)
        self._pauses = Ages(self._pause_file)
        self._paused_until = 0.0
        self._in_flight = 0
        self._changed = threading.Condition()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait until one more call may start; the slot is free again when the block is left."""
        while (wait := self.try_take()) > 0:
            stopping.check()
            with self._changed:
                self._changed.wait(min(wait, POLL_SECONDS))
        try:
            yield
        finally:
            self._give_back()

    def pause(self, seconds: float) -> None:
        """Let no call of this pool start for a while, in any process; the endpoint asked for it."""
        seconds = min(seconds, LONGEST_PAUSE_SECONDS)
        self._paused_until = max(self._paused_until, steady_clock() + seconds)
        # where the disk is full, the other processes learn it from the endpoint
        with suppress(OSError), locked(self._lock):
            if self._pause_on_file() < seconds:
                now = wall_clock()
                self._pauses.note(now)
                write_text(self._pause_file, json.dumps([now, now + seconds]))

    def try_take(self) -> float:
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
    def _lock(self) -> Path:
        return self.folder / "lock"

    @property
    def _pause_file(self) -> Path:
        return self.folder / "pause.json"

    @property
    def _starts_file(self) -> Path:
        return self.folder / "starts.json"

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
        return max(0.0, self._paused_until - steady_clock(), self._pause_on_file())

    def _pause_on_file(self) -> float:
        times = _times(self._pause_file)
        if len(times) != 2:
            return 0.0
        since, until = times
        return until - since - self._pauses.of(since)

    def _note_start(self, limit: int) -> float:
        recent = self._starts.younger_than(WINDOW_SECONDS, _times(self._starts_file))
        if len(recent) >= limit:
            ages = sorted(self._starts.of(one) for one in recent)
            return WINDOW_SECONDS - ages[limit - 1]
        now = wall_clock()
        while now in recent:
            # two starts within one tick of the clock are two
            now += 1e-6
        write_text(self._starts_file, json.dumps([*recent, now]))
        self._starts.note(now)
        return 0.0


def _times(path: Path) -> list[float]:
    """Return the times of a shared file; none where it is missing or cannot be read as a list of numbers."""
    try:
        content = read_json(path)
    except (FileNotFoundError, DayDreamError):
        return []
    is_list = isinstance(content, list) and all(isinstance(one, int | float) for one in content)
    return [float(one) for one in content] if is_list else []


def _in_flight_of(lease: Mapping[str, Any]) -> int:
    count = lease.get("in_flight")
    return count if isinstance(count, int) else 0


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


def small_pools(limits: Mapping[str, int], spare_workers: int) -> set[str]:
    """Return the pools whose calls all fit into some spare worker threads, the smallest first.

    Args:
        limits: pool -> calls in flight at most.
        spare_workers: how many threads there are.
    """
    found = set()
    for pool, limit in sorted(limits.items(), key=lambda item: item[1]):
        if limit <= spare_workers:
            spare_workers -= limit
            found.add(pool)
    return found
