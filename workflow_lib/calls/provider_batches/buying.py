"""Buying the answers of many generations through batches: by model, up to the service's limits, again what failed."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...cohorts.membership import Entry
from ...errors import DayDreamError
from ...files import at_once, sync
from .. import stopping
from ..attempts import REQUEST
from ..budget import BudgetExhausted
from ..journal import Journal
from ..retries import Tally
from . import claims, prices, records, styles
from .records import Request
from .services import Body, Service
from .styles import SERVICES
from .tending import GoesOn, Say

if TYPE_CHECKING:
    from ..caller import Caller

SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 5.0
# another process works on single calls that are waited for
CLAIM_POLL_SECONDS = 0.25
# what a line of a batch has beside the request
AROUND_BYTES = 200


@dataclass(frozen=True)
class Ask:
    """What is to be bought for one generation.

    Attributes:
        own: its journal.
        content: what the attempt keeps of the request, see `Caller.content_of`.
    """

    entry: Entry
    own: Journal
    content: Mapping[str, Any]

    @property
    def request(self) -> Mapping[str, Any]:
        """The body of the request."""
        request: Mapping[str, Any] = self.content["request"]
        return request


def buy(caller: "Caller", asks: Iterable[Ask], say: Say) -> dict[str, DayDreamError]:
    """Buy answers through batches, and wait for them; also for those that other processes are buying now.

    Args:
        caller: the client of this run.
        asks: what to buy; the models' endpoints have a batch service.
        say: gets a line per event.

    Returns:
        gen_id -> why it has no answer; the others have one.

    Raises:
        GoesOn: the run was interrupted, and batches go on at their service.
        Stopped: it was interrupted before anything was handed over.
        StoreError: whether a batch was handed over cannot be known.
        CallError: an endpoint refuses to say how a batch stands.
    """
    buying = _Buying(caller, {ask.entry.gen_id: ask for ask in asks}, say)
    try:
        buying.run()
    except BaseException as error:
        going = caller.batches.release()
        if isinstance(error, stopping.Stopped) and going[0]:
            raise GoesOn(*going) from None
        raise
    return buying.failed


@dataclass
class _Buying:
    caller: "Caller"
    waiting: dict[str, Ask]
    say: Say
    failed: dict[str, DayDreamError] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    # record id -> the generations that it is waited for
    batches: dict[str, set[str]] = field(default_factory=dict)
    # what does not fit into the budget until a batch has ended, which may cost less than it could
    without_room: set[str] = field(default_factory=set)

    def run(self) -> None:
        while self.waiting:
            stopping.check()
            self._submit(self._unclaimed())
            if any([self._has_ended(record_id) for record_id in list(self.batches)]):
                self.without_room.clear()
                continue
            if self.waiting:
                pause = self.caller.batches.seconds_to_next() if self.batches else CLAIM_POLL_SECONDS
                stopping.pause(min(LONGEST_PAUSE_SECONDS, max(SHORTEST_PAUSE_SECONDS, pause)))

    def _unclaimed(self) -> list[Ask]:
        """Return what nobody is buying; forget what has an answer, and note which batch is waited for."""
        found = []
        in_batches = self.without_room.union(*self.batches.values())
        for gen_id, ask in list(self.waiting.items()):
            if gen_id in in_batches:
                continue
            state = ask.own.state(self.caller.watch)
            if state.claimed is not None:
                record_id = ask.own.batch_of(state.claimed)
                if record_id is not None:
                    self.batches.setdefault(record_id, set()).add(gen_id)
            elif state.answered is not None and not state.ordered:
                del self.waiting[gen_id]
            else:
                found.append(ask)
        return found

    def _has_ended(self, record_id: str) -> bool:
        outcomes = self.caller.batches.step(record_id, self.say)
        if outcomes is None:
            return False
        del self.batches[record_id]
        for gen_id, error in outcomes.items():
            # what was answered is seen, and forgotten, by `_unclaimed`
            if gen_id in self.waiting and error is not None:
                tally = self.tallies.setdefault(gen_id, Tally(self.caller.settings.llm.max_tries))
                tally.count(error.rule)
                if not tally.allows_another(error.rule):
                    self._fail(gen_id, error)
        return True

    def _fail(self, gen_id: str, error: DayDreamError) -> None:
        del self.waiting[gen_id]
        self.failed[gen_id] = error

    def _submit(self, asks: Sequence[Ask]) -> None:
        by_model: dict[tuple[str, str], list[Ask]] = {}
        for ask in asks:
            by_model.setdefault((ask.entry.cohort_id, ask.entry.llm_model_id), []).append(ask)
        for (cohort_id, model_id), group in by_model.items():
            model = self.caller.model(model_id)
            style = styles.style_of(self.caller.settings, model)
            if style is None:
                raise DayDreamError(f"endpoint '{model.endpoint}' has no batch service", "run without provider_batch")
            for part in parts(SERVICES[style], group):
                self._submit_one(cohort_id, model_id, style, part)

    def _submit_one(self, cohort_id: str, model_id: str, style: str, asks: Sequence[Ask]) -> None:
        """Record a batch, claim its generations, and hand it over."""
        model = self.caller.model(model_id)
        kept = records.begin(
            self.caller.settings.data,
            cohort_id=cohort_id,
            endpoint=model.endpoint,
            style=style,
            llm_model_id=model_id,
            model=model.model,
        )
        requests: list[Request] = []
        bodies: list[Body] = []
        claimed: list[Path] = []
        for ask in asks:
            try:
                request = self._claim(ask, kept.record.record_id)
            except BudgetExhausted as error:
                if self.batches or requests:
                    self.without_room.add(ask.entry.gen_id)
                else:
                    self._fail(ask.entry.gen_id, error)
                continue
            if request is not None:
                requests.append(request)
                bodies.append((request.custom_id, ask.request))
                claimed.append(ask.own.path(request.number, REQUEST))
        at_once(sync, claimed)
        kept.save(requests=tuple(requests))
        if not requests:
            kept.end(status="nothing was sent")
            return
        self.batches[kept.record.record_id] = {request.gen_id for request in requests}
        self.caller.batches.submit(kept, bodies, self.say)

    def _claim(self, ask: Ask, record_id: str) -> Request | None:
        """Claim a generation for a batch, and put the most that it can cost on the bill; None if another was first.

        Raises:
            BudgetExhausted: it does not fit.
        """
        model = self.caller.model(ask.entry.llm_model_id)
        state = ask.own.state(self.caller.watch)
        if state.claimed is not None or (state.answered is not None and not state.ordered):
            return None
        number = state.next_number
        request = Request(ask.entry.stage, ask.entry.gen_id, number, prices.ceiling_usd(model, ask.request))
        budget = self.caller.budget(ask.entry.cohort_id)
        most = request.ceiling_usd or 0.0
        if not budget.limits(model.model_id):
            return request if claims.claim(ask.own, number, ask.content, record_id) else None
        with budget.reserve(model.model_id, most) as reservation:
            if not claims.claim(ask.own, number, ask.content, record_id):
                return None
            # it may be in flight for days: what it cannot exceed counts as spent until it is known
            reservation.settle(request.key, most)
        return request


def parts(service: Service, asks: Iterable[Ask]) -> Iterator[list[Ask]]:
    """Yield what is asked in batches of a size that a service takes."""
    part: list[Ask] = []
    size = 0
    for ask in asks:
        more = len(json.dumps(ask.request)) + AROUND_BYTES
        if part and (len(part) >= service.MOST_REQUESTS or size + more > service.MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(ask)
        size += more
    if part:
        yield part
