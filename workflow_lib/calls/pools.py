"""Pools: calls in flight and per minute, over all processes that share a data root."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
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
# how long leased slots are used before a look at what other processes want
LOOK_SECONDS = 0.5
# how long a leased start of a limit per minute may be used
START_SECONDS = 1.0

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

    A process leases slots in blocks, as many as its threads wait for, and passes them on among its threads in memory.
    It looks at the shared files when it has none left, and every `LOOK_SECONDS`: then it leases more or gives back
    what no thread needs, and, while another process waits, what is above its share. Starts of a limit per minute
    likewise.

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
        # guards all below; taken inside the lock file, never the other way round
        self._changed = threading.Condition()
        self._waiting = 0
        self._in_flight = 0
        self._held = 0
        self._fair_share: int | None = None
        self._published: dict[str, Any] = {}
        self._starts_held = 0
        self._starts_until = 0.0
        self._fresh_until = 0.0
        self._next_look = 0.0
        self._paused_until = 0.0
        self._settles_soon = False

    @contextmanager
    def slot(self, check: Callable[[], None] = stopping.check) -> Iterator[None]:
        """Wait until one more call may start; the slot is free again when the block is left.

        Args:
            check: raises if there is no point in waiting any longer.
        """
        with self._changed:
            self._waiting += 1
        try:
            while (wait := self.try_take()) > 0:
                check()
                with self._changed:
                    self._changed.wait(min(wait, POLL_SECONDS))
        except BaseException:
            self._settle_soon()
            raise
        finally:
            with self._changed:
                self._waiting -= 1
        try:
            yield
        finally:
            self._give_back()

    def pause(self, seconds: float) -> None:
        """Let no call of this pool start for a while, in any process; the endpoint asked for it."""
        seconds = min(seconds, LONGEST_PAUSE_SECONDS)
        with self._changed:
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
        if (wait := self._take_or_wait()) is not None:
            return wait
        with locked(self._lock):
            # another thread may have looked meanwhile
            if (wait := self._take_or_wait()) is not None:
                return wait
            pause = self._pause_on_file()
            wait = pause if pause > 0 else self._lease_slots() or self._lease_starts()
            with self._changed:
                now = steady_clock()
                self._paused_until = max(self._paused_until, now + pause)
                self._fresh_until = now + LOOK_SECONDS
                if wait == 0 and self._take(now):
                    return 0.0
                self._next_look = now + POLL_SECONDS
                return wait or POLL_SECONDS

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

    def _take_or_wait(self) -> float | None:
        """Return 0 for a slot of those that are leased, how long to wait for a look at the files, or None to look."""
        with self._changed:
            now = steady_clock()
            if now < self._fresh_until and self._take(now):
                return 0.0
            wait = max(self._next_look, self._paused_until) - now
            return wait if wait > 0 else None

    def _take(self, now: float) -> bool:
        """Take what this process has leased, if there is any left and no pause."""
        has_slot = self.max_concurrent is None or self._in_flight < self._held
        has_start = self.calls_per_minute is None or (self._starts_held > 0 and now < self._starts_until)
        if not (has_slot and has_start) or now < self._paused_until:
            return False
        self._in_flight += 1
        if self.calls_per_minute is not None:
            self._starts_held -= 1
        return True

    def _give_back(self) -> None:
        if self._has_no_limits:
            return
        with self._changed:
            self._in_flight -= 1
            self._changed.notify()
            is_above_share = self._fair_share is not None and self._held > self._fair_share
            if is_above_share:
                # those who wait come first
                self._next_look = steady_clock() + 2 * POLL_SECONDS
        if is_above_share:
            self._settle()
        else:
            self._settle_soon()

    def _settle_soon(self, seconds: float = LOOK_SECONDS) -> None:
        with self._changed:
            if self.max_concurrent is None or self._settles_soon:
                return
            self._settles_soon = True
        timer = threading.Timer(seconds, self._settle)
        timer.daemon = True
        timer.start()

    def _settle(self) -> None:
        """Give back the slots that no thread needs; what prevents that never reaches a call."""
        with self._changed:
            self._settles_soon = False
        if not self.folder.exists():
            # the data root was removed or moved since
            return
        try:
            with locked(self._lock):
                with self._changed:
                    wanted = self._in_flight + self._waiting
                    possible = self._held if self._fair_share is None else min(self._held, self._fair_share)
                self._hold(wanted, possible)
        except OSError:
            self._settle_soon(RETRY_SECONDS)

    def _lease_slots(self) -> float:
        """Lease the slots that this process needs, as far as they are free; returns for how long there is none."""
        if self.max_concurrent is None:
            return 0.0
        others = list(self._lease.others())
        others_wait = any(other.get("waiting") is True for other in others)
        with self._changed:
            self._fair_share = self.max_concurrent // (len(others) + 1) if others_wait else None
        taken = sum(map(_slots_of, others))
        # a call that nobody waits for in `slot` asks for one, too
        self._hold(self._in_flight + max(1, self._waiting), self.max_concurrent - taken)
        return 0.0 if self._in_flight < self._held else POLL_SECONDS

    def _hold(self, wanted: int, possible: int) -> None:
        """Hold as many slots as are wanted, possible and fair, and let the other processes see it."""
        with self._changed:
            fair = wanted if self._fair_share is None else max(1, self._fair_share)
            held = max(self._in_flight, min(wanted, possible, fair))
            # never more than the file says: less before it is written, more after it
            self._held = min(self._held, held)
        content: dict[str, Any] = {"in_flight": held} if held else {}
        if held < wanted:
            content = {"in_flight": held, "waiting": True}
        if content != self._published:
            self._lease.publish(content)
            self._published = content
        with self._changed:
            self._held = held

    def _lease_starts(self) -> float:
        """Lease starts of the limit per minute; returns for how long there is none."""
        limit = self.calls_per_minute
        if limit is None:
            return 0.0
        with self._changed:
            now, wanted = steady_clock(), max(1, self._waiting)
            if self._starts_held > 0 and now < self._starts_until:
                return 0.0
        block = max(1, limit // 60)
        # a start of a block may be used a second after it was written
        window = WINDOW_SECONDS + (START_SECONDS if block > 1 else 0.0)
        recent = self._starts.younger_than(window, _times(self._starts_file))
        if len(recent) >= limit:
            ages = sorted(self._starts.of(one) for one in recent)
            return window - ages[limit - 1]
        new: list[float] = []
        for _ in range(min(block, wanted, limit - len(recent))):
            start = wall_clock()
            while start in recent or start in new:
                # two starts within one tick of the clock are two
                start += 1e-6
            new.append(start)
        write_text(self._starts_file, json.dumps([*recent, *new]))
        for start in new:
            self._starts.note(start)
        with self._changed:
            self._starts_held, self._starts_until = len(new), now + START_SECONDS
        return 0.0

    def _pause_left(self) -> float:
        with self._changed:
            now = steady_clock()
            if now >= self._fresh_until:
                self._paused_until = max(self._paused_until, now + self._pause_on_file())
                self._fresh_until = now + LOOK_SECONDS
            return max(0.0, self._paused_until - now)

    def _pause_on_file(self) -> float:
        times = _times(self._pause_file)
        if len(times) != 2:
            return 0.0
        since, until = times
        return max(0.0, until - since - self._pauses.of(since))


def _times(path: Path) -> list[float]:
    """Return the times of a shared file; none where it is missing or cannot be read as a list of numbers."""
    try:
        content = read_json(path)
    except (FileNotFoundError, DayDreamError):
        return []
    is_list = isinstance(content, list) and all(isinstance(one, int | float) for one in content)
    return [float(one) for one in content] if is_list else []


def _slots_of(lease: Mapping[str, Any]) -> int:
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
