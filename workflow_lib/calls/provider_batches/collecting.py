"""From the results of a batch that has ended to the answers and failures of its generations."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ... import redaction
from ...catalogs.prices import batch_price
from ...files import at_once
from .. import costs, retries
from ..committed import try_key
from ..journal import Journal
from ..providers import Endpoint
from ..providers.openai_compatible import reply_of
from ..replies import CallError, Reply
from ..transfer import Limits, words
from . import claims, prices, services
from .records import Kept, Request
from .services import Result, Seen, Service

if TYPE_CHECKING:
    from ..caller import Caller

Outcomes = dict[str, CallError | None]
"""gen_id -> why its request brought no answer, None where it did."""


@dataclass
class _Sorted:
    answered: dict[str, Reply] = field(default_factory=dict)
    failed: dict[str, CallError] = field(default_factory=dict)


def collect(caller: "Caller", kept: Kept, service: Service, endpoint: Endpoint, seen: Seen, limits: Limits) -> Outcomes:
    """Write what a batch delivered, and end its record; may be called again after it was interrupted.

    Args:
        caller: the client of this run.
        kept: the batch.
        service, endpoint: where it was.
        seen: its state, which is over.
        limits: of a request.

    Raises:
        CallError: the results could not be fetched, or are not there yet.
        OSError: an answer could not be written; the record stays open.
    """
    record = kept.record
    results: dict[str, Result] = {}
    for one in service.results(endpoint, seen, limits):
        if one.received is not None or one.custom_id not in results:
            results[one.custom_id] = one
    if seen.completed and not results:
        # to take them for not delivered would be to buy them again
        raise CallError(
            retries.NO_CHOICES, f"batch {record.batch_id}: {seen.status}, and its results are not there yet"
        )
    found = _Sorted()
    for request in record.requests:
        _sort(found, request, results.get(request.custom_id), kept, endpoint, seen)
    model = caller.model(record.llm_model_id)
    answered = [request for request in record.requests if request.gen_id in found.answered]
    shares = prices.shares(model, [found.answered[one.gen_id] for one in answered], seen.cost_usd)
    bill: list[tuple[str, str, float]] = []
    unkept: list[tuple[Journal, Request, Reply, dict[str, Any]]] = []
    for request, share in zip(answered, shares, strict=True):
        reply = found.answered[request.gen_id]
        cost = prices.bill(model, reply, share)
        if cost.usd is not None and cost.source == costs.BY_ENDPOINT:
            most, what = request.ceiling_usd, "a request of a batch"
            caller.compare_prices(model, batch_price(model), reply.usage, cost.usd, most, what)
        own = claims.journal_of(caller.settings.data, request)
        if not claims.is_settled(own, request.number):
            about = {"cost_usd": cost.usd, "cost_source": cost.source, "single_usd": prices.single_usd(model, reply)}
            if cost.price_source is not None:
                about["price_source"] = cost.price_source
            unkept.append((own, request, reply, about))
        bill.append((request.key, record.llm_model_id, (request.ceiling_usd or 0.0) if cost.usd is None else cost.usd))
    at_once(lambda one: claims.keep(record, *one), unkept)
    return _finish(caller, kept, found.failed, bill, seen.status)


def give_up(caller: "Caller", kept: Kept, error: CallError) -> Outcomes:
    """End a batch of which nothing will come: the same error for every request."""
    return _finish(caller, kept, {request.gen_id: error for request in kept.record.requests}, [], error.reason)


def _finish(
    caller: "Caller", kept: Kept, failed: dict[str, CallError], bill: list[tuple[str, str, float]], status: str
) -> Outcomes:
    record = kept.record
    for request in record.requests:
        error = failed.get(request.gen_id)
        if error is None:
            continue
        own = claims.journal_of(caller.settings.data, request)
        if not claims.is_settled(own, request.number):
            claims.fail(own, request, record, error)
        bill.append((request.key, record.llm_model_id, 0.0))
        if error.maybe_billed:
            most = error.cost_usd if error.cost_usd is not None else request.ceiling_usd or 0.0
            about = {"stage": request.stage, "gen_id": request.gen_id}
            bill.append((try_key(about, request.number, 1), record.llm_model_id, most))
    settle(caller, kept, bill)
    reasons = Counter(error.reason for error in failed.values())
    kept.end(status=status, answered=len(record.requests) - len(failed), failed=dict(reasons))
    return {request.gen_id: failed.get(request.gen_id) for request in record.requests}


def settle(caller: "Caller", kept: Kept, bill: list[tuple[str, str, float]]) -> None:
    """Tell the budget what things turned out to cost."""
    budget = caller.budget(kept.record.cohort_id)
    if budget.limits(kept.record.llm_model_id):
        budget.settle(bill)


def _sort(found: _Sorted, request: Request, result: Result | None, kept: Kept, endpoint: Endpoint, seen: Seen) -> None:
    shown = f"{redaction.address(endpoint.base_url or '')} batch {kept.record.batch_id}"
    if result is None:
        rule = services.REFUSED if seen.status == "failed" else services.NOT_DELIVERED
        said = f": {words(seen.words)}" if seen.words else ""
        found.failed[request.gen_id] = CallError(rule, f"{shown}: {seen.status} without a result for it{said}")
    elif result.received is None:
        rule = result.rule
        found.failed[request.gen_id] = CallError(
            rule,
            f"{shown}: {result.code}: {words(result.words)}",
            remedy=rule.remedy.format(key_env=endpoint.key_name),
        )
    else:
        try:
            found.answered[request.gen_id] = reply_of(shown, kept.record.model, endpoint.key_name, result.received)
        except CallError as error:
            found.failed[request.gen_id] = error
