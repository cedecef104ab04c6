"""One call: its tries, one after another, until an answer is on disk or there is no point in another try."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..catalogs import Model
from . import costs, endpoints, stopping
from .breaker import Gate
from .budget import BudgetExhausted, Reservation
from .claims import Claim
from .committed import attempt_key, try_key
from .endpoints import Endpoint, Limits
from .journal import Journal
from .pools import Pool
from .replies import CallError, Reply
from .retries import Again, Tally, backoff_seconds

# room on the disk that is kept for an answer while it is on its way
BYTES_PER_TOKEN = 8

Log = Callable[[str], None]
_Held = TypeVar("_Held")


@dataclass
class Call:
    """A call that is about to be made.

    Attributes:
        own: the generation's journal.
        number: the attempt that it takes.
        content: what the attempt keeps of the request.
        endpoint, model, pool: who is asked, and within what limit.
        gate: lets one call of the model go ahead, and stops the others where it is refused.
        limits: of each try.
        max_tries, backoff_s: as in the settings.
        reserve: holds room in the budget for one try.
        log: gets a line per failed try; its own errors are ignored.
    """

    own: Journal
    number: int
    content: Mapping[str, Any]
    endpoint: Endpoint
    model: Model
    pool: Pool
    gate: Gate
    limits: Limits
    max_tries: int
    backoff_s: float
    reserve: Callable[[], AbstractContextManager[Reservation]]
    log: Log
    begun: float = field(default_factory=time.monotonic)
    claim: Claim | None = None

    def make(self) -> dict[str, Any] | None:
        """Return the attempt with the answer, as it is on disk; None if another process claimed it first.

        Raises:
            CallError: the last try failed; ``NNNN.failed.json`` is written if one was sent.
            BudgetExhausted: a try does not fit into the budget.
            OSError: there is no room on the disk; nothing was sent.
        """
        try:
            return self._try_until_answered()
        except (CallError, BudgetExhausted) as error:
            self._fail(error.reason, error.message, error.remedy)
            raise
        except BaseException as error:
            self._fail("interrupted", repr(error), "run again")
            raise

    def _try_until_answered(self) -> dict[str, Any] | None:
        tally = Tally(self.max_tries)
        while True:
            try:
                return self._try()
            except CallError as error:
                count = tally.count(error.rule)
                if not tally.allows_another(error.rule):
                    raise
                pause = backoff_seconds(self.backoff_s, count, error.retry_after)
                if error.rule.again is Again.WAIT:
                    self.pool.pause(pause)
                else:
                    stopping.pause(pause)

    def _try(self) -> dict[str, Any] | None:
        """Make one try. Its answer is on disk before anything else happens; its cost is settled before the next."""
        self.gate.check()
        with (
            self._left_quietly(self.reserve()) as reservation,
            self._left_quietly(self.pool.slot(self._check)),
            self._left_quietly(self.gate.turn(stopping.check)),
        ):
            self._check()
            if not self._begin():
                return None
            try:
                reply = endpoints.send(self.endpoint, self.content["request"], self.limits)
                attempt = self._keep(reply)
            except CallError as error:
                self._end(error, reservation)
                raise
            except BaseException:
                # it may have been sent, and its outcome is not known
                reservation.settle(self._try_key(), None)
                raise
            reservation.settle(attempt_key(attempt), attempt["cost_usd"])
            with self._logged("that the model answered could not be noted"):
                self.gate.note(None)
            return attempt

    def _check(self) -> None:
        stopping.check()
        self.gate.check()

    def _begin(self) -> bool:
        """Record that a request is about to be sent, with room for its answer; False if another process did."""
        if self.claim is not None:
            self.claim.begin_try()
            return True
        # an answer of a model in this process can be had again, and blocks that are held for it cost milliseconds
        room = BYTES_PER_TOKEN * self.content["request"]["max_tokens"] if self.endpoint.base_url is not None else 0
        self.claim = self.own.claim(self.number, self.content, room)
        return self.claim is not None

    def _keep(self, reply: Reply) -> dict[str, Any]:
        assert self.claim is not None
        bill = costs.Bill() if reply.odd_figures else costs.bill(self.model, reply.usage, reply.cost_usd)
        result = {
            "served_model": reply.served_model,
            "answer": reply.answer,
            "reasoning": reply.reasoning,
            "finish_reason": reply.finish_reason,
            "usage": reply.usage,
            "cost_usd": bill.usd,
            "cost_source": bill.source,
            "generation_id": reply.generation_id,
            "duration_s": round(time.monotonic() - self.begun, 3),
        }
        rare = {"refusal": reply.refusal, "odd_figures": reply.odd_figures, "price_source": bill.price_source}
        return self.claim.answer(
            result | {name: value for name, value in rare.items() if value is not None},
            # an answer of an offline model in this process costs nothing and can be made again
            durable=self.endpoint.base_url is not None,
        )

    def _end(self, error: CallError, reservation: Reservation) -> None:
        """Record how a try failed; what cannot be written leaves the try listed as maybe billed."""
        assert self.claim is not None
        if error.maybe_billed:
            reservation.settle(self._try_key(), error.cost_usd)
        about = {"maybe_billed": error.maybe_billed or None, "cost_usd": error.cost_usd, "body": error.body}
        with self._logged("what became of a try could not be written"):
            self.claim.end_try(error.reason, {name: value for name, value in about.items() if value is not None})
        with self._logged("that the model was refused could not be noted"):
            error.is_said = self.gate.note(error)
        self._say(f"try {self.claim.tries}: {error.message}")

    def _fail(self, reason: str, message: str, remedy: str) -> None:
        if self.claim is not None:
            with self._logged("that the call failed could not be written"):
                self.claim.fail({"reason": reason, "message": message, "remedy": remedy})

    def _try_key(self) -> str:
        assert self.claim is not None
        return try_key(self.content, self.claim.number, self.claim.tries)

    @contextmanager
    def _left_quietly(self, held: AbstractContextManager[_Held]) -> Iterator[_Held]:
        """Hold a pool's slot or a reservation; an error in giving it back never replaces the outcome of the try."""
        value = held.__enter__()
        try:
            yield value
        finally:
            with self._logged("a slot or a reservation could not be given back on disk"):
                held.__exit__(None, None, None)

    @contextmanager
    def _logged(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._say(f"{what}: {error}")

    def _say(self, line: str) -> None:
        with contextlib.suppress(Exception):
            self.log(line)
