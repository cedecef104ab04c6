"""What calls cost: prices, ceilings, and what was billed."""

from collections.abc import Mapping
from typing import Any

from ..catalogs import Model
from ..files import encode

MTOK = 1_000_000
# more than any call can have or cost: a larger figure is a mistake of the endpoint
MOST_TOKENS = 1_000_000_000
MOST_USD = 10_000.0


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

    Every byte of the prompt is counted as a token, and the answer at its full length.
    """
    if model.input_usd_per_mtok is None or model.output_usd_per_mtok is None:
        return None
    return (prompt_bytes * model.input_usd_per_mtok + max_tokens * model.output_usd_per_mtok) / MTOK


def billed_usd(
    model: Model, usage: Mapping[str, int] | None, reported_usd: float | None
) -> tuple[float | None, str | None]:
    """Return the cost of a call and where the figure comes from.

    Args:
        model: its prices.
        usage: tokens as the endpoint counted them, None if it did not say.
        reported_usd: the endpoint's own figure, None if it gave none.

    Returns:
        (cost, ``endpoint`` or ``price``), or (None, None): unknown is unknown, not free.
    """
    if reported_usd is not None:
        return reported_usd, "endpoint"
    asked, answered = model.input_usd_per_mtok, model.output_usd_per_mtok
    if not usage or asked is None or answered is None or not {"prompt_tokens", "completion_tokens"} <= usage.keys():
        return None, None
    cost = (usage["prompt_tokens"] * asked + usage["completion_tokens"] * answered) / MTOK
    return round(cost, 9), "price"


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
