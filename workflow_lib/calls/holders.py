"""Who holds a claim or a lease, and whether that process is still there.

A holder on this host is looked up in the process table. Of one elsewhere only its heartbeat can be
seen: a counter in its file that it raises while it lives. No clocks of two hosts are compared.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import psutil

BEAT_SECONDS = 10.0
SILENCE_SECONDS = 90.0

_BEAT_KEY = b'"heartbeat": "'
_BEAT_WIDTH = 10
FIRST_BEAT = "0" * _BEAT_WIDTH


@cache
def _host() -> str:
    """Name what shares a process table with this process: host, boot and, in containers, the namespace."""
    parts = [socket.gethostname()]
    # without descriptors the name would differ, and a live process would look like one of another host
    with contextlib.suppress(FileNotFoundError, PermissionError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def _started(pid: int) -> str | None:
    """Return when a process started, as text that a later process of the same number does not share."""
    try:
        # ticks since boot: unlike a wall clock time it stays the same when the clock is set
        stat = Path(f"/proc/{pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return None
    try:
        return str(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def me() -> dict[str, Any]:
    """Return this process as a holder: host, pid, start time."""
    pid = os.getpid()
    return {"host": _host(), "pid": pid, "started": _started_once(pid)}


@cache
def _started_once(own_pid: int) -> str | None:
    """Return when this process started; asking the system for each claim took a tenth of a claim's generation."""
    return _started(own_pid)


def is_gone(holder: Mapping[str, Any]) -> bool:
    """Return whether a holder is a process of this host that no longer exists."""
    if holder.get("host") != _host():
        return False
    pid = holder.get("pid")
    return not isinstance(pid, int) or _started(pid) != holder.get("started")


class Watch:
    """Sees which holders have expired; remembers since when a foreign counter stands still."""

    def __init__(self, silence_seconds: float = SILENCE_SECONDS):
        self.silence_seconds = silence_seconds
        self._seen: dict[Path, tuple[str, float]] = {}

    def expired(self, path: Path, content: Mapping[str, Any]) -> bool:
        """Return whether the holder named in a claim or lease file is gone, or silent for too long."""
        holder = content.get("holder") or {}
        if holder.get("host") == _host():
            return is_gone(holder)
        beat = str(content.get("heartbeat"))
        last, since = self._seen.get(path, ("", 0.0))
        if beat != last:
            self._seen[path] = (beat, time.monotonic())
            return False
        return time.monotonic() - since >= self.silence_seconds


class _Heart:
    """One thread per process that raises the counters of all files this process holds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[Path, int] = {}
        self._thread: threading.Thread | None = None

    def keep(self, path: Path) -> None:
        """Begin to beat in a file."""
        with self._lock:
            self._counters[path] = 0
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
                self._thread.start()

    def stop(self, path: Path) -> None:
        """Stop beating in a file."""
        with self._lock:
            self._counters.pop(path, None)

    def _run(self) -> None:
        while True:
            time.sleep(BEAT_SECONDS)
            with self._lock:
                for path in self._counters:
                    self._counters[path] += 1
                beats = dict(self._counters)
            for path, count in beats.items():
                # the file may just have been replaced or removed; its next beat finds the new one
                with contextlib.suppress(OSError):
                    _write_beat(path, count)


def _write_beat(path: Path, count: int) -> None:
    with open(path, "r+b") as stream:
        position = stream.read(64).find(_BEAT_KEY)
        if position >= 0:
            stream.seek(position + len(_BEAT_KEY))
            stream.write(b"%0*d" % (_BEAT_WIDTH, count % 10**_BEAT_WIDTH))


heart = _Heart()
