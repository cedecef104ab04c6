"""What a request of a batch costs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...catalogs import Model
from .. import costs
from ..committed import request_ceiling_usd
from ..replies import Reply

# what hosted services take of the price of a single call, where no other figure is known
USUAL_SHARE = 0.5

ENDPOINT = "endpoint"
ESTIMATED = "estimated"


def batch_price(model: Model) -> tuple[Model, str]:
    """Return a model at the price of its endpoint's batch service, and where that price comes from.

    ``estimated``: half the price of a single call.
    """
    asked, answered = model.input_usd_per_mtok, model.output_usd_per_mtok
    half = replace(
        model,
        input_usd_per_mtok=None if asked is None else asked * USUAL_SHARE,
        output_usd_per_mtok=None if answered is None else answered * USUAL_SHARE,
    )
    return half, ESTIMATED


def ceiling_usd(model: Model, request: Mapping[str, Any]) -> float | None:
    """Return the most that a request of a batch can cost, US dollars, None if the model has no price."""
    return request_ceiling_usd(batch_price(model)[0], request)


def billed_usd(model: Model, reply: Reply, share_usd: float | None) -> tuple[float | None, str | None]:
    """Return the cost of an answer of a batch, and where the figure comes from.

    Args:
        model: its row, with the price of single calls.
        reply: the answer.
        share_usd: its share of what the service billed for the batch, None if it gave no figure.
    """
    if reply.odd_figures:
        return None, None
    if share_usd is not None:
        return round(share_usd, 9), ENDPOINT
    priced, source = batch_price(model)
    cost, found = costs.billed_usd(priced, reply.usage, reply.cost_usd)
    return cost, source if found == "price" else found


def single_usd(model: Model, reply: Reply) -> float | None:
    """Return what a single call with this answer would have cost by its price, None where that is not known."""
    return costs.billed_usd(model, reply.usage, None)[0]


def shares(model: Model, replies: Sequence[Reply], billed: float | None) -> list[float | None]:
    """Return what each answer of a batch takes of the one figure that its service gives, by tokens and their prices."""
    if billed is None or not replies:
        return [None] * len(replies)
    weights = [_weight(model, reply.usage or {}) for reply in replies]
    whole = sum(weights)
    return [billed * weight / whole if whole else billed / len(replies) for weight in weights]


def _weight(model: Model, usage: Mapping[str, int]) -> float:
    asked, answered = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
    prices = model.input_usd_per_mtok, model.output_usd_per_mtok
    if prices[0] is None or prices[1] is None or not any(prices):
        return asked + answered
    return asked * prices[0] + answered * prices[1]
