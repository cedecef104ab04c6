"""Budgets: what may be spent in the name of a cohort, over all runs and processes.

What was spent is in the attempts, and nowhere else. What is about to be spent is in leases, and what
was settled since a process last read the attempts in a ledger beside them, so that processes see each
other's calls at once.
"""

import json
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import DayDreamError
from ..locks import locked
from . import stopping
from .leases import Lease
from .pools import RETRY_SECONDS

POLL_SECONDS = 0.1
_REREAD = "reread"


class BudgetExhausted(DayDreamError):
    """A call would exceed the budget and nothing in flight can make room for it."""

    def __init__(self, what: str, limit: float, spent: float, needed: float):
        self.reason = "budget_exhausted"
        self.what = what
        self.limit_usd = limit
        self.remedy = f"raise {what} and run again: what was bought is kept"
        super().__init__(
            f"{what} of {limit:.4f} USD: {spent:.4f} spent, {max(0.0, limit - spent):.4f} left, "
            f"and the next call may cost up to {needed:.4f} (calls that may have been billed without an answer "
            "count as spent, at the most they can have cost)",
            self.remedy,
        )


class Reservation:
    """Room in the budget for one try.

    Attributes:
        ceiling_usd: the most that it can cost.
        settled: (what, cost) once it was billed, or may have been.
    """

    def __init__(self, ceiling_usd: float) -> None:
        self.ceiling_usd = ceiling_usd
        self.settled: tuple[str, float] | None = None

    def settle(self, what: str, usd: float | None) -> None:
        """Record what the try cost.

        Args:
            what: names the attempt, or the try of it, so that nothing is ever counted twice.
            usd: its billed cost; None where it is not known: the ceiling counts then.
        """
        self.settled = (what, self.ceiling_usd if usd is None else usd)


class _Spent:
    """What was spent, each thing once; sums by model are kept, since every call asks for them."""

    def __init__(self) -> None:
        self._costs: dict[str, tuple[str, float]] = {}
        self._by_model: dict[str, float] = {}

    def add(self, what: str, model_id: str, usd: float) -> None:
        known_model, known_usd = self._costs.get(what, (model_id, 0.0))
        self._by_model[known_model] = self._by_model.get(known_model, 0.0) - known_usd
        self._by_model[model_id] = self._by_model.get(model_id, 0.0) + usd
        self._costs[what] = (model_id, usd)

    def total(self, only: str | None) -> float:
        """Return what was spent on one model, or on all (None), US dollars."""
        return sum(self._by_model.values()) if only is None else self._by_model.get(only, 0.0)


class Budget:
    """The budget of one cohort as this process sees it.

    Args:
        folder: shared by all processes of the cohort.
        total_usd: limit over all models, None for none.
        per_model_usd: limit by model id.
        read_spent: yields (what, model id, cost) of everything that was bought in the cohort's name so far, or
            may have been; called when the first call reserves.
    """

    def __init__(
        self,
        folder: Path,
        total_usd: float | None,
        per_model_usd: Mapping[str, float],
        read_spent: Callable[[], Iterator[tuple[str, str, float]]],
    ):
        self.folder = folder
        self.total_usd = total_usd
        self.per_model_usd = per_model_usd
        self._read_spent = read_spent
        self._lease = Lease(folder)
        # these three are guarded by _changed, so that they hold even where no file can be locked or written
        self._reserved: dict[str, tuple[str, float]] = {}
        self._unwritten: list[tuple[str, str, float]] = []
        self._spent: _Spent | None = None
        self._ledger_position = 0
        self._changed = threading.Condition()

    def limits(self, model_id: str) -> bool:
        """Return whether any limit concerns a model."""
        return self.total_usd is not None or model_id in self.per_model_usd

    @contextmanager
    def reserve(self, model_id: str, ceiling_usd: float) -> Iterator[Reservation]:
        """Wait until a try fits, and hold room for it until the block is left.

        Args:
            model_id: the model that is asked.
            ceiling_usd: the most that the try can cost.

        Raises:
            BudgetExhausted: it does not fit, and no call is in flight whose end could make room.
            OSError: the budget's files cannot be used. Where that happens when the block is left, the room is free
                and the cost counted in this process all the same, and other processes see it later.
        """
        token = uuid.uuid4().hex
        while not self._try_reserve(token, model_id, ceiling_usd):
            stopping.check()
            with self._changed:
                self._changed.wait(POLL_SECONDS)
        reservation = Reservation(ceiling_usd)
        try:
            yield reservation
        finally:
            self._release(token, model_id, reservation)

    def settle(self, found: Iterable[tuple[str, str, float]]) -> None:
        """Record what became of things that were settled before at the most they could cost.

        Args:
            found: (what, model id, US dollars); 0 for what turned out to be free.
        """
        lines = list(found)
        with self._changed:
            self._unwritten += lines
            self._count(lines)
            self._changed.notify_all()
        self._tell_others()

    @property
    def _lock(self) -> Path:
        return self.folder / "lock"

    @property
    def _ledger(self) -> Path:
        return self.folder / "ledger.jsonl"

    def _try_reserve(self, token: str, model_id: str, ceiling: float) -> bool:
        with locked(self._lock):
            self._write_what_is_due()
            # before the ledger is read: a holder that was lost makes a line in it
            others = [lease.get("reserved", []) for lease in self._lease.others(self._note_lost_holder)]
            self._read_ledger()
            limits = list(self._limits_of(model_id))
            # in one look: a try that ends now moves from the one to the other
            with self._changed:
                reserved = [*self._reserved.values()]
                spent_on = [self._spent.total(only) if self._spent else 0.0 for _, _, only in limits]
            reserved += [(str(model), float(usd)) for lease in others for model, usd in lease]
            for (what, limit, only), spent in zip(limits, spent_on, strict=True):
                waiting = [usd for model, usd in reserved if only in (None, model)]
                # a model without a price has no ceiling: it is stopped by what its calls turned out to cost
                if spent + sum(waiting) + ceiling > limit + 1e-9 or (not ceiling and spent >= limit > 0):
                    if waiting:
                        return False
                    raise BudgetExhausted(what, limit, spent, ceiling)
            with self._changed:
                self._reserved[token] = (model_id, ceiling)
            try:
                self._publish()
            except BaseException:
                with self._changed:
                    del self._reserved[token]
                raise
            return True

    def _limits_of(self, model_id: str) -> Iterator[tuple[str, float, str | None]]:
        if self.total_usd is not None:
            yield "budget_usd", self.total_usd, None
        if model_id in self.per_model_usd:
            yield f"budget_per_model.{model_id}", self.per_model_usd[model_id], model_id

    def _release(self, token: str, model_id: str, reservation: Reservation) -> None:
        with self._changed:
            del self._reserved[token]
            if reservation.settled:
                what, usd = reservation.settled
                self._unwritten.append((what, model_id, usd))
                self._count([(what, model_id, usd)])
            self._changed.notify_all()
        self._tell_others()

    def _tell_others(self) -> None:
        """Let other processes see what changed; what prevents that never reaches the call."""
        try:
            with locked(self._lock):
                self._write_what_is_due()
                self._publish()
        except OSError:
            again = threading.Timer(RETRY_SECONDS, self._tell_others)
            again.daemon = True
            again.start()

    def _publish(self) -> None:
        with self._changed:
            reserved = [*self._reserved.values()]
        content: dict[str, Any] = {"reserved": reserved} if reserved else {}
        self._lease.publish(content)

    def _note_lost_holder(self) -> None:
        # it may have kept an answer and died before it could write the cost: everybody reads the attempts again
        self._append([(_REREAD, "", 0.0)])

    def _write_what_is_due(self) -> None:
        """Put into the ledger what this process settled; the lock is held."""
        with self._changed:
            due = list(self._unwritten)
        if due:
            self._append(due)
            with self._changed:
                del self._unwritten[: len(due)]

    def _append(self, lines: list[tuple[str, str, float]]) -> None:
        with open(self._ledger, "a", encoding="utf-8") as stream:
            stream.write("".join(json.dumps(line) + "\n" for line in lines))

    def _read_ledger(self) -> None:
        """Count what other processes settled, and at first all that the attempts show; the lock is held."""
        if self._spent is None:
            # lines up to here are in the attempts already
            self._ledger_position = self._ledger.stat().st_size if self._ledger.exists() else 0
            spent = _Spent()
            for what, model_id, usd in self._read_spent():
                spent.add(what, model_id, usd)
            with self._changed:
                self._spent = spent
                self._count(self._unwritten)
            return
        if not self._ledger.exists():
            return
        with open(self._ledger, encoding="utf-8") as stream:
            stream.seek(self._ledger_position)
            lines = stream.readlines()
            self._ledger_position = stream.tell()
        try:
            settled = [(str(what), str(model), float(usd)) for what, model, usd in map(json.loads, lines)]
        except (ValueError, TypeError):
            # half a line, from a disk that was full: the attempts know it all
            settled = [(_REREAD, "", 0.0)]
        if any(what == _REREAD for what, _, _ in settled):
            self._spent = None
            self._read_ledger()
            return
        with self._changed:
            self._count(settled)

    def _count(self, settled: Iterable[tuple[str, str, float]]) -> None:
        for what, model_id, usd in settled:
            if self._spent is not None:
                self._spent.add(what, model_id, usd)
