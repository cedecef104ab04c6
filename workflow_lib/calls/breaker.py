"""Gate and breaker: one call per model goes ahead, and a refusal that would meet every other call stops them.

The calls of a model follow at the first outcome that stops nothing (`retries`, column `stops`), or after two seconds.
What is stopped, and what has answered, all processes of a run know in common (`shared`). Once a model has answered,
its calls cost two look-ups in a mapping here.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..catalogs import Model
from .replies import CallError
from .retries import Again, Rule, Stops
from .shared import Known, RunFile

WAIT_SECONDS = 2.0
POLL_SECONDS = 0.1

# sections of the run's file: models that one call goes ahead for, that all calls may follow for, that have answered,
# and what gets no further call
_AHEAD, _OPEN, _ANSWERED, _STOPPED = "ahead", "open", "answered", "stopped"


class NotAsked(CallError):
    """A call that was not made, because an earlier one of this run was refused in a way that would meet it, too.

    Attributes:
        model: the name that the model has at its endpoint.
        endpoint: name of the endpoint.
    """

    def __init__(self, model: Model, what: str, reason: str, message: str, remedy: str):
        super().__init__(Rule(reason, Again.NEVER, False, remedy), f"not asked: {what} refused a call: {message}")
        self.is_said = True
        self.model = model.model
        self.endpoint = model.endpoint


class Gate:
    """Where the calls of one model pass.

    Args:
        shared: what the run knows.
        model: who is asked.
        is_open: nobody has to wait or be stopped: the model answers in this process, for nothing.
    """

    def __init__(self, shared: RunFile, model: Model, *, is_open: bool):
        self._shared = shared
        self._model = model
        self._is_open = is_open

    def check(self, at_most_every: float | None = None) -> None:
        """Raise NotAsked if the model or its endpoint gets no further call in this run."""
        if self._is_open:
            return
        known = self._shared.look() if at_most_every is None else self._shared.look(at_most_every)
        if stopped := known.get(_STOPPED):
            for what in (self._endpoint, self._name):
                if what in stopped:
                    raise NotAsked(self._model, what, **stopped[what])

    @contextmanager
    def turn(self, check: Callable[[], None]) -> Iterator[None]:
        """Wait until a call may be sent; it is sent inside the block, and `note` says there what came of it.

        Args:
            check: raises if the run was interrupted.

        Raises:
            NotAsked: while it waited, another call was refused.
        """
        leads = not self._is_open and not self._follows() and self._wait(check)
        try:
            yield
        finally:
            # nothing came of the call that went ahead, not even a refusal: another one goes
            if leads and not self._follows():
                self._shared.update(self._give_up)

    def note(self, error: CallError | None) -> bool:
        """Take note of how a try ended: None for an answer; returns whether its calls stop because of it."""
        if self._is_open:
            return False
        known = self._shared.look()
        if error is None:
            if self._id not in known.get(_ANSWERED, ()):
                self._shared.update(self._answer)
            return False
        stops = error.rule.stops
        if stops is Stops.NOTHING:
            if not self._follows():
                self._shared.update(self._open)
            return False
        what = self._endpoint if stops is Stops.ENDPOINT else self._name
        self._shared.update(lambda known: self._stop(known, what, error))
        if what not in self._shared.look().get(_STOPPED, ()):
            return False
        self._shared.note(
            f"stopped {what}",
            f"{error.message}; no further call goes to {what} in this run, and its end says what to do",
        )
        return True

    @property
    def _id(self) -> str:
        return self._model.model_id

    @property
    def _name(self) -> str:
        return f"model '{self._model.model_id}'"

    @property
    def _endpoint(self) -> str:
        return f"endpoint '{self._model.endpoint}'"

    def _follows(self) -> bool:
        return self._id in self._shared.look().get(_OPEN, ())

    def _wait(self, check: Callable[[], None]) -> bool:
        """Return True if this call goes ahead, False as soon as it may follow."""
        since = None
        while True:
            check()
            self.check(POLL_SECONDS)
            if self._follows():
                return False
            if self._id not in self._shared.look().get(_AHEAD, ()) and self._shared.update(self._lead):
                return True
            since = since or time.monotonic()
            if time.monotonic() - since >= WAIT_SECONDS:
                self._shared.update(self._open)
                return False
            with self._shared.changed:
                self._shared.changed.wait(POLL_SECONDS)

    def _lead(self, known: Known) -> bool:
        return not known.get(_OPEN, {}).get(self._id) and _add(known, _AHEAD, self._id)

    def _give_up(self, known: Known) -> bool:
        return known.get(_AHEAD, {}).pop(self._id, None) is not None

    def _open(self, known: Known) -> bool:
        return _add(known, _OPEN, self._id)

    def _answer(self, known: Known) -> bool:
        return _add(known, _OPEN, self._id) | _add(known, _ANSWERED, self._id)

    def _stop(self, known: Known, what: str, error: CallError) -> bool:
        # of a model that answers only one prompt was refused
        if error.rule.stops is Stops.MODEL and self._id in known.get(_ANSWERED, {}):
            return _add(known, _OPEN, self._id)
        about = {"reason": error.reason, "message": error.message, "remedy": error.remedy}
        return _add(known, _STOPPED, what, about)


def _add(known: Known, section: str, name: str, value: object = True) -> bool:
    """Put an entry into a section unless it is there; returns whether it was not."""
    entries = known.setdefault(section, {})
    if name in entries:
        return False
    entries[name] = value
    return True
