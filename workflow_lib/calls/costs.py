"""What calls cost: ceilings, and what was billed. The prices are those of `catalogs.prices`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..catalogs import Model, prices
from ..catalogs.prices import Price
from ..files import encode

BY_ENDPOINT = "endpoint"
BY_PRICE = "price"

CACHED_TOKENS = "cached_tokens"
CACHE_WRITE_TOKENS = "cache_write_tokens"
"""Parts of the prompt, in the usage of an attempt; only where the endpoint reports them."""

# more than any call can have or cost: a larger figure is a mistake of the endpoint
MOST_TOKENS = 1_000_000_000
MOST_USD = 10_000.0
# how far a bill may be above the prices: they are rounded, and so are bills
TOLERANCE = 0.1
SMALLEST_USD = 1e-6


@dataclass(frozen=True)
class Bill:
    """What a call cost.

    Attributes:
        usd: None where it is not known: unknown is unknown, not free.
        source: `BY_ENDPOINT`, `BY_PRICE`, or None.
        price_source: where the price comes from, None where no price was used.
    """

    usd: float | None = None
    source: str | None = None
    price_source: str | None = None


def plausible_tokens(value: object) -> int | None:
    """Return a count of tokens that an endpoint gave, None if it cannot be one."""
    number = _number(value)
    return int(number) if number is not None and number <= MOST_TOKENS else None


def plausible_usd(value: object) -> float | None:
    """Return a cost that an endpoint gave, US dollars, None if it cannot be one."""
    number = _number(value)
    return number if number is not None and number <= MOST_USD else None


def ceiling_usd(model: Model, prompt_bytes: int, max_tokens: int) -> float | None:
    """Return the most that a call can cost in US dollars, None if the model's prices are not known.

    Every byte of the prompt is counted as a token, and the answer at its full length, at the dearest rates that
    can apply.
    """
    price = prices.price(model)
    return None if price is None else price.most_usd(prompt_bytes, max_tokens)


def bill(model: Model, usage: Mapping[str, int] | None, reported_usd: float | None) -> Bill:
    """Return what a call that was made just now cost.

    Args:
        model: its row.
        usage: tokens as the endpoint counted them, None if it did not say.
        reported_usd: the endpoint's own figure, None if it gave none.
    """
    # the price is looked up only where it is needed
    return bill_at(None if reported_usd is not None else prices.price(model), usage, reported_usd)


def bill_at(price: Price | None, usage: Mapping[str, int] | None, reported_usd: float | None) -> Bill:
    """Return what a call cost at a price, None for an unknown one; the other arguments are those of `bill`."""
    if reported_usd is not None:
        return Bill(reported_usd, BY_ENDPOINT)
    if price is None or not usage or not {"prompt_tokens", "completion_tokens"} <= usage.keys():
        return Bill()
    usd = price.usd(
        usage["prompt_tokens"],
        usage["completion_tokens"],
        usage.get(CACHED_TOKENS, 0),
        usage.get(CACHE_WRITE_TOKENS, 0),
    )
    return Bill(round(usd, 9), BY_PRICE, price.source)


def is_underpriced(priced: float | None, billed: float) -> bool:
    """Return whether an endpoint billed a call with more than a tenth above what it costs by its prices."""
    return priced is not None and billed > priced * (1 + TOLERANCE) + SMALLEST_USD


def prompt_bytes(messages: list[Mapping[str, Any]]) -> int:
    """Return how many bytes of UTF-8 the messages of a request hold."""
    return sum(len(encode(str(message["content"]))) for message in messages)


def _number(value: object) -> float | None:
    """Return a finite number of 0 or more, anything else as None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if 0 <= number < float("inf") else None
