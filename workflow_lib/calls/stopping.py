"""An interrupted run: no new call starts, those in flight end and are kept, and a second Ctrl-C ends at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable

from ..errors import DayDreamError

EXIT_CODE = 130

_interrupted = threading.Event()
_asked: list[Callable[[], bool]] = []


class Stopped(DayDreamError):
    """A call that was not made, because the run was interrupted."""

    def __init__(self) -> None:
        super().__init__("not asked: the run was interrupted", "run again to go on")


def check() -> None:
    """Raise Stopped if the run was interrupted."""
    if is_stopping():
        raise Stopped


def is_stopping() -> bool:
    """Return whether the run was interrupted."""
    return _interrupted.is_set() or any(asked() for asked in _asked)


def pause(seconds: float) -> None:
    """Wait, and raise Stopped as soon as the run is interrupted."""
    left = seconds
    while left > 0:
        check()
        _interrupted.wait(min(left, 0.5))
        left -= 0.5
    check()


def on_interrupt(is_stopping: Callable[[], bool], leave: Callable[[], None], *, shows: bool) -> None:
    """Handle Ctrl-C in this process from now on: the first raises KeyboardInterrupt, the second ends the process.

    Args:
        is_stopping: whether something else asked for a stop, for example SIGTERM.
        leave: called before the process ends at once; its errors are ignored.
        shows: say on the screen what happens; not where a job has a process of its own.
    """
    _asked.append(is_stopping)
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return

    def say(text: str) -> None:
        # not by print(): its lock may be held by the code that the signal interrupted
        if shows:
            with contextlib.suppress(OSError):
                os.write(2, f"\n{text}\n".encode())

    def handle(number: int, frame: object) -> None:
        if _interrupted.is_set():
            say("Ended at once; calls in flight are listed by `daydream status`. Run again to go on.")
            with contextlib.suppress(BaseException):
                leave()
            os._exit(EXIT_CODE)
        _interrupted.set()
        say(
            "Interrupted: no new call is made; those in flight are waited for and kept, and running the same again "
            "goes on from there. Ctrl-C once more ends at once."
        )
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, handle)
