"""Seeing to batches that are open: handing them over, waiting for them, collecting them, one process for each."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...errors import DayDreamError, StoreError
from .. import attempts, endpoints, retries, stopping
from ..breaker import Gate
from ..replies import CallError
from ..retries import Again, Tally
from ..transfer import Limits
from . import claims, collecting, finding, records, services
from .collecting import Outcomes
from .records import Kept
from .services import Body, Seen
from .styles import SERVICES

if TYPE_CHECKING:
    from ..caller import Caller

LONGEST_INTERVAL_SECONDS = 60.0
OTHERS_INTERVAL_SECONDS = 0.5
# a service is asked again after this share of the time that it has taken so far
INTERVAL_SHARE = 0.25
# what was sent just before a crash may reach a service's list this many back-offs later
GRACE_BACKOFFS = 30

Say = Callable[[str], None]


@dataclass
class _Held:
    kept: Kept
    begun: float = field(default_factory=time.monotonic)
    next_look: float = 0.0
    missing_since: float | None = None
    missing: int = 0
    error: CallError | None = None


class Tender:
    """The batches that this process sees to.

    Args:
        caller: the client of this run.
    """

    def __init__(self, caller: "Caller"):
        self._caller = caller
        self._data = caller.settings.data
        self._held: dict[str, _Held] = {}
        self._ended: dict[str, Outcomes] = {}
        self._lock = threading.RLock()

    def submit(self, kept: Kept, bodies: Sequence[Body], say: Say) -> None:
        """Hand a batch over; `step` says what comes of it, also where the service refused it.

        Args:
            kept: its record, with all requests claimed.
            bodies: of the requests.
            say: gets a line per event.
        """
        held = _Held(kept)
        with self._lock:
            self._held[kept.record.record_id] = held
            self._submit(held, bodies, say)

    def step(self, record_id: str, say: Say) -> Outcomes | None:
        """Take a look at an open batch, if it is time to and nobody else sees to it.

        Args:
            record_id: of the batch.
            say: gets a line per event.

        Returns:
            What became of its requests, {} where another process knows that; None while the batch is open.

        Raises:
            CallError: the endpoint refuses to say anything, for example for want of a valid key.
            StoreError: whether it was handed over, or what became of it, cannot be known.
            OSError: an answer could not be written; it can be fetched again.
        """
        with self._lock:
            if record_id in self._ended:
                return self._ended[record_id]
            held = self._held.get(record_id) or self._take(record_id, say)
            if held is None:
                return None if self._data.provider_batch(record_id).exists() else {}
            now = time.monotonic()
            if now < held.next_look:
                return None
            try:
                outcomes = self._look(held, say)
            except CallError as error:
                if error.rule.again is Again.NEVER:
                    raise
                say(f"batch {held.kept.record.batch_id}: {error.message}")
                outcomes = None
            if outcomes is None:
                held.next_look = time.monotonic() + self._interval(held)
            return outcomes

    def seconds_to_next(self) -> float:
        """Return when the next look is due, in seconds from now; for batches of other processes a file is looked at."""
        with self._lock:
            due = [held.next_look for held in self._held.values()]
        return max(0.0, min(due) - time.monotonic()) if due else OTHERS_INTERVAL_SECONDS

    def release(self) -> tuple[int, int]:
        """Let other processes see to the batches; returns how many go on at their service, with how many requests."""
        with self._lock:
            going = [held.kept.record for held in self._held.values() if held.kept.record.state != records.PREPARING]
            for held in self._held.values():
                held.kept.release()
            self._held.clear()
        return len(going), sum(len(record.requests) for record in going)

    def _take(self, record_id: str, say: Say) -> _Held | None:
        kept = records.take(self._data, record_id, self._caller.watch)
        if kept is None:
            return None
        say(f"goes on waiting for batch {kept.record.batch_id or record_id} of {len(kept.record.requests)} requests")
        return self._held.setdefault(record_id, _Held(kept))

    def _look(self, held: _Held, say: Say) -> Outcomes | None:
        record = held.kept.record
        if record.state == records.PREPARING:
            # whoever began it died before anything was sent
            collecting.settle(self._caller, held.kept, [(one.key, record.llm_model_id, 0.0) for one in record.requests])
            held.kept.end(status="nothing was sent")
            return self._over(held, {})
        endpoint = endpoints.find(self._caller.settings, record.endpoint)
        service = SERVICES[record.style]
        if not record.batch_id and not self._find(held, say):
            return self._ended.get(record.record_id)
        record = held.kept.record
        try:
            seen = service.look(endpoint, record.batch_id, self._limits(len(record.requests)))
        except CallError as error:
            if error.rule is retries.STATUS[410]:
                lost = CallError(services.LOST_RESULTS, f"batch {record.batch_id}: {error.message}")
                return self._over(held, collecting.give_up(self._caller, held.kept, lost))
            if error.rule is retries.STATUS[404]:
                raise _not_known(held.kept, error) from None
            raise
        if not seen.is_over:
            self._note(held, seen)
            return None
        limits = self._limits(len(record.requests))
        outcomes = collecting.collect(self._caller, held.kept, service, endpoint, seen, limits)
        answered = sum(error is None for error in outcomes.values())
        say(f"batch {record.batch_id}: {seen.status}, {answered} of {len(outcomes)} answers")
        return self._over(held, outcomes)

    def _find(self, held: _Held, say: Say) -> bool:
        """Learn the id of a batch that was handed over; hand it over again if it is certainly not there."""
        record = held.kept.record
        endpoint = endpoints.find(self._caller.settings, record.endpoint)
        others = records.known_ids(self._data, record.record_id)
        limits = self._limits(len(record.requests))
        search = finding.find(SERVICES[record.style], endpoint, record, held.kept.path, others, limits)
        if search.batch_id is not None:
            say(f"found batch {search.batch_id} in the service's list: it is the one of {record.submitted_at}")
            held.kept.save(state=records.SUBMITTED, batch_id=search.batch_id)
            return True
        if search.undecided:
            held.missing_since = None
            return False
        now = time.monotonic()
        held.missing_since = now if held.missing_since is None else held.missing_since
        if now - held.missing_since < GRACE_BACKOFFS * self._caller.settings.llm.backoff_s:
            return False
        held.missing_since = None
        held.missing += 1
        if held.missing >= self._caller.settings.llm.max_tries:
            said = held.error.message if held.error else "handed over again and again, and never in the service's list"
            self._over(held, collecting.give_up(self._caller, held.kept, CallError(services.NOT_ARRIVED, said)))
            return False
        say(f"the batch of {record.submitted_at} is not in the service's list: it is handed over again")
        bodies = [
            (one.custom_id, claims.request_of(claims.journal_of(self._data, one), one.number))
            for one in record.requests
        ]
        self._submit(held, bodies, say)
        return False

    def _submit(self, held: _Held, bodies: Sequence[Body], say: Say) -> None:
        tally = Tally(self._caller.settings.llm.max_tries)
        gate = Gate(self._caller.shared, self._caller.model(held.kept.record.llm_model_id), is_open=False)
        while True:
            try:
                gate.check()
                self._submit_once(held, bodies, say)
                return
            except CallError as error:
                error.is_said = error.is_said or gate.note(error)
                count = tally.count(error.rule)
                say(f"batch of {len(bodies)} requests: {error.message}")
                if not tally.allows_another(error.rule):
                    self._over(held, collecting.give_up(self._caller, held.kept, error))
                    return
                backoff = self._caller.settings.llm.backoff_s
                stopping.pause(retries.backoff_seconds(backoff, count, error.retry_after))

    def _submit_once(self, held: _Held, bodies: Sequence[Body], say: Say) -> None:
        """Hand a batch over once.

        Raises:
            CallError: the service has not got it.
        """
        kept = held.kept
        endpoint = endpoints.find(self._caller.settings, kept.record.endpoint)
        service = SERVICES[kept.record.style]
        limits = self._limits(1)
        prepared = service.prepare(endpoint, bodies, limits)
        stopping.check()
        kept.save(state=records.SUBMITTING, submitted_at=attempts.now(), prepared=prepared)
        mark = kept.record.record_id
        try:
            seen = service.submit(endpoint, kept.record.model, bodies, prepared, mark, limits)
        except CallError as error:
            if services.was_refused(error):
                kept.save(state=records.PREPARING)
                raise
            held.error = error
            say(f"batch of {len(bodies)} requests: {error.message}; it may have arrived, and is looked for")
            return
        if seen.batch_id:
            kept.save(state=records.SUBMITTED, batch_id=seen.batch_id)
            self._note(held, seen)
            say(f"handed over batch {seen.batch_id} of {len(bodies)} requests to {kept.record.model}")

    def _note(self, held: _Held, seen: Seen) -> None:
        about = {"status": seen.status, "total": seen.total, "completed": seen.completed, "failed": seen.failed}
        if about != held.kept.record.seen:
            held.kept.save(seen=about)

    def _over(self, held: _Held, outcomes: Outcomes) -> Outcomes:
        record_id = held.kept.record.record_id
        self._held.pop(record_id, None)
        self._ended[record_id] = outcomes
        return outcomes

    def _interval(self, held: _Held) -> float:
        """Return the seconds to the next look: the longer a batch takes, the rarer it is asked for."""
        so_far = INTERVAL_SHARE * (time.monotonic() - held.begun)
        return min(LONGEST_INTERVAL_SECONDS, max(self._caller.settings.llm.backoff_s, so_far))

    def _limits(self, answers: int) -> Limits:
        single = endpoints.limits_of(self._caller.settings)
        return Limits(single.connect_s, single.read_s, single.answer_s, single.max_bytes * answers)


def _not_known(kept: Kept, error: CallError) -> StoreError:
    return StoreError(
        f"batch {kept.record.batch_id}, handed to endpoint '{kept.record.endpoint}' at {kept.record.submitted_at}, "
        f"is not known there: {error.message}",
        f"use the key and the URL that it was handed over with; or, if it was deleted, remove {kept.path}: its "
        f"{len(kept.record.requests)} requests are asked anew then",
    )


class GoesOn(stopping.Stopped):
    """The run was interrupted while batches were open: they go on."""

    def __init__(self, batches: int, requests: int):
        DayDreamError.__init__(
            self,
            f"interrupted: batches at their service go on ({batches}, with {requests} requests)",
            "run the same again to collect what they bring: nothing is bought twice; `daydream status` lists them",
        )
