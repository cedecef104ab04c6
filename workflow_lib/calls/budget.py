"""Budgets: what may be spent in the name of a cohort, over all runs and processes [SPEC 8.4].

What was spent is in the attempts, and nowhere else. What is about to be spent is in leases, and what
was settled since a process last read the attempts in a ledger beside them, so that processes see each
other's calls at once.
"""

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import DayDreamError
from ..locks import locked
from .leases import Lease

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
    """Room in the budget for one call.

    Attributes:
        ceiling_usd: the most that a try of it can cost.
        settlements: (what, cost) of every try that was billed, or may have been.
    """

    def __init__(self, ceiling_usd: float) -> None:
        self.ceiling_usd = ceiling_usd
        self.settlements: list[tuple[str, float]] = []

    def settle(self, what: str, usd: float | None) -> None:
        """Say what a try cost.

        Args:
            what: names the attempt, or a try of it, so that nothing is ever counted twice.
            usd: its billed cost; None where it is not known: the ceiling counts then.
        """
        self.settlements.append((what, self.ceiling_usd if usd is None else usd))


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
        self._reserved: dict[str, tuple[str, float]] = {}
        self._spent: dict[str, tuple[str, float]] | None = None
        self._ledger_position = 0
        self._changed = threading.Condition()

    def limits(self, model_id: str) -> bool:
        """Tell whether any limit concerns a model."""
        return self.total_usd is not None or model_id in self.per_model_usd

    @contextmanager
    def reserve(self, model_id: str, ceiling_usd: float) -> Iterator[Reservation]:
        """Wait until a call fits, and hold room for it until the block is left.

        Args:
            model_id: the model that is asked.
            ceiling_usd: the most that the call can cost.

        Raises:
            BudgetExhausted: it does not fit, and no call is in flight whose end could make room.
        """
        token = uuid.uuid4().hex
        while not self._try_reserve(token, model_id, ceiling_usd):
            with self._changed:
                self._changed.wait(POLL_SECONDS)
        reservation = Reservation(ceiling_usd)
        try:
            yield reservation
        finally:
            self._release(token, model_id, reservation)

    @property
    def _lock(self) -> Path:
        return self.folder / "lock"

    @property
    def _ledger(self) -> Path:
        return self.folder / "ledger.jsonl"

    def _try_reserve(self, token: str, model_id: str, ceiling: float) -> bool:
        with locked(self._lock):
            self._read_ledger()
            reserved = [*self._reserved.values()]
            for other in self._lease.others(self._note_lost_holder):
                reserved += [(str(model), float(usd)) for model, usd in other.get("reserved", [])]
            for what, limit, only in self._limits_of(model_id):
                spent = _total(self._spent or {}, only)
                waiting = [usd for model, usd in reserved if only in (None, model)]
                # a model without a price has no ceiling: it is stopped by what its calls turned out to cost
                if spent + sum(waiting) + ceiling > limit + 1e-9 or (not ceiling and spent >= limit > 0):
                    if waiting:
                        return False
                    raise BudgetExhausted(what, limit, spent, ceiling)
            self._reserved[token] = (model_id, ceiling)
            self._publish()
            return True

    def _limits_of(self, model_id: str) -> Iterator[tuple[str, float, str | None]]:
        if self.total_usd is not None:
            yield "budget_usd", self.total_usd, None
        if model_id in self.per_model_usd:
            yield f"budget_per_model.{model_id}", self.per_model_usd[model_id], model_id

    def _release(self, token: str, model_id: str, reservation: Reservation) -> None:
        with locked(self._lock):
            for what, usd in reservation.settlements:
                self._append(what, model_id, usd)
            del self._reserved[token]
            self._publish()
        with self._changed:
            self._changed.notify_all()

    def _publish(self) -> None:
        content: dict[str, Any] = {"reserved": list(self._reserved.values())} if self._reserved else {}
        self._lease.publish(content)

    def _note_lost_holder(self) -> None:
        # it may have kept an answer and died before it could tell the cost: everybody reads the attempts again
        self._append(_REREAD, "", 0.0)

    def _append(self, attempt: str, model_id: str, usd: float) -> None:
        with open(self._ledger, "a", encoding="utf-8") as stream:
            stream.write(json.dumps([attempt, model_id, usd]) + "\n")

    def _read_ledger(self) -> None:
        if self._spent is None:
            # lines up to here are in the attempts already
            self._ledger_position = self._ledger.stat().st_size if self._ledger.exists() else 0
            self._spent = {attempt: (model, usd) for attempt, model, usd in self._read_spent()}
            return
        if not self._ledger.exists():
            return
        with open(self._ledger, encoding="utf-8") as stream:
            stream.seek(self._ledger_position)
            lines = stream.readlines()
            self._ledger_position = stream.tell()
        settled = [json.loads(line) for line in lines]
        if any(attempt == _REREAD for attempt, _, _ in settled):
            self._spent = None
            self._read_ledger()
            return
        self._spent.update({attempt: (model, float(usd)) for attempt, model, usd in settled})


def _total(spent: Mapping[str, tuple[str, float]], only: str | None = None) -> float:
    return sum(usd for model, usd in spent.values() if only in (None, model))
