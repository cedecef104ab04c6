"""What a request of a batch costs, at the price of `catalogs.prices.batch_price`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...catalogs import Model
from ...catalogs.prices import batch_price
from .. import costs
from ..costs import Bill
from ..replies import Reply

ESTIMATED = "estimated"
"""Source of a cost that comes from a price which is derived from that of single calls."""


def ceiling_usd(model: Model, request: Mapping[str, Any]) -> float | None:
    """Return the most that a request of a batch can cost, US dollars, None if the model has no price."""
    price = batch_price(model)
    return None if price is None else price.most_usd(costs.prompt_bytes(request["messages"]), request["max_tokens"])


def bill(model: Model, reply: Reply, share_usd: float | None) -> Bill:
    """Return the cost of an answer of a batch, and where the figure comes from.

    Args:
        model: its row.
        reply: the answer.
        share_usd: its share of what the service billed for the batch, None if it gave no figure.
    """
    if reply.odd_figures:
        return Bill()
    if share_usd is not None:
        return Bill(round(share_usd, 9), costs.BY_ENDPOINT)
    price = batch_price(model)
    found = costs.bill_at(price, reply.usage, reply.cost_usd)
    return replace(found, source=ESTIMATED) if price and price.estimated and found.price_source else found


def single_usd(model: Model, reply: Reply) -> float | None:
    """Return what a single call with this answer would have cost by its price, None where that is not known."""
    return costs.bill(model, reply.usage, None).usd


def shares(model: Model, replies: Sequence[Reply], billed: float | None) -> list[float | None]:
    """Return what each answer of a batch takes of the one figure that its service gives, by tokens and their prices."""
    if billed is None or not replies:
        return [None] * len(replies)
    weights = [_weight(model, reply.usage or {}) for reply in replies]
    whole = sum(weights)
    return [billed * weight / whole if whole else billed / len(replies) for weight in weights]


def _weight(model: Model, usage: Mapping[str, int]) -> float:
    asked, answered = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
    price = batch_price(model)
    return (price.usd(asked, answered) if price else 0.0) or float(asked + answered)
