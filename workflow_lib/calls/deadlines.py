"""Deadlines: connections that are cut when a try has taken too long, however little of it came at a time."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LOOK_SECONDS = 0.2


class Deadline:
    """The end of one try.

    Attributes:
        passed: the time was up before the try had ended.
        connection: has the socket as ``sock`` while it connects, None until it is made.
        sock: the socket that the request went through. The connection lets go of it as soon as the endpoint
            has said that it will close it; the answer is still to be read from it then.
    """

    def __init__(self, seconds: float) -> None:
        self.due = time.monotonic() + seconds
        self.passed = False
        self.connection: Any = None
        self.sock: socket.socket | None = None

    def cut(self) -> None:
        """End the connection, if there is one by now: whoever reads from it sees its end."""
        self.passed = True
        sock = self.sock or getattr(self.connection, "sock", None)
        if sock is not None:
            # shutdown, not close: the thread that waits in a read owns the socket. The plain method: that of a
            # TLS socket would throw away what the reading thread still uses
            with contextlib.suppress(OSError, TypeError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Watchdog:
    """One thread per process that cuts what is late."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: set[Deadline] = set()
        self._thread: threading.Thread | None = None

    def watch(self, deadline: Deadline) -> None:
        with self._changed:
            self._open.add(deadline)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            if len(self._open) == 1:
                self._changed.notify()

    def forget(self, deadline: Deadline) -> None:
        # under the lock: a connection that is used again must not be cut for its last try
        with self._changed:
            self._open.discard(deadline)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(LOOK_SECONDS if self._open else None)
                for deadline in self._open:
                    if deadline.due <= time.monotonic():
                        deadline.cut()


_watchdog = _Watchdog()


@contextmanager
def deadline(seconds: float) -> Iterator[Deadline]:
    """Cut the connection of a try that takes longer than `seconds`; set its attributes as soon as there is one."""
    ends = Deadline(seconds)
    _watchdog.watch(ends)
    try:
        yield ends
    finally:
        _watchdog.forget(ends)
