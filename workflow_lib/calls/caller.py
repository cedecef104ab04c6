"""One call, from the decision to buy to the answer on disk [SPEC 7.3, 8.2-8.4]."""

import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from .. import catalogs
from ..catalogs import Model
from ..cohorts.membership import Entry
from ..errors import ConfigError
from ..settings import Settings
from . import costs, endpoints, holders, journal
from .budget import Budget, Reservation
from .committed import attempt_key, committed, request_ceiling_usd, try_key
from .endpoints import CallError, Endpoint, Reply
from .journal import Claim, Journal
from .pools import LONGEST_PAUSE_SECONDS, Pool, Pools

CLAIM_POLL_SECONDS = 0.25
LONGEST_BACKOFF_SECONDS = 60.0
# room on the disk that is kept for an answer while it is on its way
BYTES_PER_TOKEN = 8

Log = Callable[[str], None]


class Caller:
    """Buys answers within the limits of a run. One per process: pools and budgets are counted in it."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.pools = Pools(settings.data.coordination, settings.pools)
        self.watch = holders.Watch()
        self._budgets: dict[str, Budget] = {}

    def require_key(self, model_id: str) -> None:
        """Raise ConfigError if a model cannot be asked because its endpoint is not there, or no key is set.

        Args:
            model_id: id of llm_models.csv.
        """
        endpoints.find(self.settings, self.model(model_id).endpoint)

    def model(self, model_id: str) -> Model:
        """Return a model's row.

        Raises:
            ConfigError: llm_models.csv has no such id.
        """
        try:
            return catalogs.load(self.settings.data).models[model_id]
        except KeyError:
            raise ConfigError(f"llm_models.csv has no model '{model_id}'") from None

    def ask(
        self,
        entry: Entry,
        own: Journal,
        request: Mapping[str, Any],
        about: Mapping[str, Any],
        log: Log,
    ) -> dict[str, Any]:
        """Return the answer to a request: of this call, or of another process that made it meanwhile.

        Args:
            entry: the generation; its cohort pays.
            own: its journal.
            request: body of the request.
            about: what else the attempt keeps.
            log: told about every try that failed.

        Returns:
            The attempt as it stands in the journal.

        Raises:
            CallError: the last try failed; ``NNNN.failed.json`` is written.
            BudgetExhausted: the call does not fit into the budget; nothing was sent.
        """
        model = self.model(entry.llm_model_id)
        endpoint = endpoints.find(self.settings, model.endpoint)
        content = {
            "gen_id": entry.gen_id,
            "stage": entry.stage,
            "cohort_id": entry.cohort_id,
            "endpoint": endpoint.name,
            "llm_model_id": entry.llm_model_id,
            "model": model.model,
            **about,
            "request": dict(request),
            "request_sha256": journal.request_sha256(request),
            "claimed_at": journal.now(),
        }
        waiting = False
        while True:
            state = own.state(self.watch)
            if state.claimed is not None:
                if not waiting:
                    log(f"attempt {state.claimed:04d} is in the hands of another process; waiting for its answer")
                    waiting = True
                time.sleep(CLAIM_POLL_SECONDS)
                continue
            answer = None if state.ordered else own.newest_answer()
            if answer is not None:
                return answer
            with self._reservation(entry, model, request) as reservation:
                pool = self.pools[model.pool]
                call = _Call(own, state.next_number, content, endpoint, model, pool, log, reservation)
                attempt = self._carry_out(call)
                if attempt is not None:
                    if reservation is not None:
                        reservation.settle(attempt_key(attempt), attempt["cost_usd"])
                    return attempt

    def _carry_out(self, call: "_Call") -> dict[str, Any] | None:
        """Make a call and keep what comes of it; None if another process claimed the attempt first."""
        begun = time.monotonic()
        try:
            reply = self._try_until_answered(call)
        except CallError as error:
            call.fail(error.reason, error.message, error.remedy)
            raise
        except BaseException as error:
            call.fail("interrupted", repr(error), "run again")
            raise
        if call.claim is None or reply is None:
            return None
        cost, source = costs.billed_usd(call.model, reply.usage, reply.cost_usd)
        return call.claim.answer(
            {
                "served_model": reply.served_model,
                "answer": reply.answer,
                "reasoning": reply.reasoning,
                "finish_reason": reply.finish_reason,
                "usage": reply.usage,
                "cost_usd": cost,
                "cost_source": source,
                "generation_id": reply.generation_id,
                "duration_s": round(time.monotonic() - begun, 3),
            },
            # what the offline models say in this process costs nothing and can be had again
            durable=call.endpoint.base_url is not None,
        )

    def _try_until_answered(self, call: "_Call") -> Reply | None:
        llm = self.settings.llm
        # being told to come back later is no failure of the call: it is counted apart
        failures = {True: 0, False: 0}
        while True:
            try:
                with call.pool.slot():
                    if not call.begin_try():
                        return None
                    request = call.content["request"]
                    return endpoints.send(call.endpoint, request, llm.connect_timeout_s, llm.read_timeout_s)
            except CallError as error:
                call.end_try(error)
                told_to_wait = error.reason == "rate_limited"
                failures[told_to_wait] += 1
                if not error.retry or failures[told_to_wait] >= llm.max_tries:
                    raise
                pause = backoff_seconds(llm.backoff_s, failures[told_to_wait], error.retry_after)
                if told_to_wait:
                    call.pool.pause(pause)
                else:
                    time.sleep(pause)

    def _reservation(
        self, entry: Entry, model: Model, request: Mapping[str, Any]
    ) -> AbstractContextManager[Reservation | None]:
        budget = self.budget(entry.cohort_id)
        if not budget.limits(model.model_id):
            return nullcontext()
        # a model without a price was refused before the first call, unless its row was edited since
        return budget.reserve(model.model_id, request_ceiling_usd(model, request) or 0.0)

    def budget(self, cohort_id: str) -> Budget:
        """Return the budget of a cohort."""
        new = Budget(
            self.settings.data.coordination / "budgets" / cohort_id,
            self.settings.budget_usd,
            self.settings.budget_per_model,
            lambda: committed(self.settings.data, cohort_id, catalogs.load(self.settings.data).models, self.watch),
        )
        # setdefault: two threads must not count in two budgets
        return self._budgets.setdefault(cohort_id, new)


@dataclass
class _Call:
    """A call that is about to be made, and its claim once it is."""

    own: Journal
    number: int
    content: Mapping[str, Any]
    endpoint: Endpoint
    model: Model
    pool: Pool
    log: Log
    reservation: Reservation | None
    claim: Claim | None = None

    def begin_try(self) -> bool:
        """Note in the journal that a request is about to be sent; False if another process claimed it first."""
        if self.claim is not None:
            self.claim.begin_try()
            return True
        room = BYTES_PER_TOKEN * self.content["request"]["max_tokens"]
        self.claim = self.own.claim(self.number, self.content, room)
        return self.claim is not None

    def end_try(self, error: CallError) -> None:
        """Note in the journal and the log how a try failed."""
        if self.claim is not None:
            self.claim.end_try(error.reason if error.answered else "unanswered")
            if not error.answered and self.reservation is not None:
                self.reservation.settle(try_key(self.content, self.claim.number, self.claim.started_at_last), None)
            self.log(f"try {self.claim.tries}: {error.message}")

    def fail(self, reason: str, message: str, remedy: str) -> None:
        """Note in the journal that the attempt brought no answer."""
        if self.claim is not None:
            self.claim.fail({"reason": reason, "message": message, "remedy": remedy})


def backoff_seconds(first: float, failures: int, retry_after: float | None) -> float:
    """Return how long to wait before the next try, in seconds.

    Args:
        first: pause after the first failure; it doubles with each, up to a minute, and varies by half
            so that many callers do not come back at once.
        failures: how many there were, 1 or more.
        retry_after: what the endpoint asked for, None if nothing; it is the least, but no more than ten minutes.
    """
    pause = min(LONGEST_BACKOFF_SECONDS, first * 2 ** (failures - 1)) * random.uniform(0.5, 1.0)
    return max(pause, min(retry_after or 0.0, LONGEST_PAUSE_SECONDS))
