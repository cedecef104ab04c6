"""One tiny call per model: does it answer, who answers, how fast, and for how much?

A ping belongs to no cohort: it is in no journal and counts in no budget. It leaves through the same door as all
calls, and holds a slot of the model's pool.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ..catalogs import Model
from ..errors import ConfigError
from ..settings import Settings
from . import costs, endpoints
from .committed import request_ceiling_usd
from .costs import Bill
from .pools import Pools
from .replies import CallError
from .served import served_other_model
from .servers import Servers

PROMPT = "Reply with the single word: pong"
# enough for the word; a model that reasons first is cut off, which shows as well that it answers
MAX_TOKENS = 32
AT_A_TIME = 16


@dataclass(frozen=True)
class Ping:
    """What came of one call.

    Attributes:
        model: the row that was asked.
        key: the variable that the key came from, "" if none was sent.
        seconds: from the request to its answer or error; None if nothing was sent.
        served_model: the name that the endpoint gave, None if it gave none.
        answer: the text, stripped; "" of a model that was cut off while it reasoned.
        bill: what the call cost, as far as it is known.
        error, remedy: what went wrong and what to do; None if nothing did.
        maybe_billed: whether the endpoint may bill a call that brought no answer.
    """

    model: Model
    key: str = ""
    seconds: float | None = None
    served_model: str | None = None
    answer: str | None = None
    bill: Bill = field(default_factory=Bill)
    error: str | None = None
    remedy: str | None = None
    maybe_billed: bool = False

    @property
    def served_other(self) -> bool:
        """Whether another model answered than the one that was asked."""
        return served_other_model(self.model.model, self.served_model)


def request_of(model: Model) -> dict[str, Any]:
    """Return the body of the request, with the temperature that the model's row asks for."""
    own = {} if model.temperature is None else {"temperature": model.temperature}
    return {
        "model": model.model,
        "messages": [{"role": "user", "content": PROMPT}],
        "max_tokens": MAX_TOKENS,
        **own,
    }


def most_usd(model: Model) -> float | None:
    """Return the most that pinging a model can cost, US dollars, None if its price is not known."""
    return request_ceiling_usd(model, request_of(model))


def ping(settings: Settings, models: Iterable[Model]) -> Iterator[Ping]:
    """Ask each model once, without a second try, and yield what came, in their order."""
    pools, servers = Pools(settings.data.coordination, settings.pools), Servers(settings)
    try:
        with ThreadPoolExecutor(AT_A_TIME) as threads:
            yield from threads.map(lambda model: _ping(settings, pools, servers, model), list(models))
    finally:
        servers.stop()


def _ping(settings: Settings, pools: Pools, servers: Servers, model: Model) -> Ping:
    try:
        endpoint = servers.reached(endpoints.find(settings, model.endpoint))
    except (ConfigError, CallError) as error:
        return Ping(model, error=error.message, remedy=error.hint)
    key = endpoint.key_env if endpoint.key else ""
    with pools[model.pool].slot():
        begun = time.monotonic()
        try:
            reply = endpoints.send(endpoint, request_of(model), endpoints.limits_of(settings))
        except CallError as error:
            return Ping(
                model,
                key,
                time.monotonic() - begun,
                bill=Bill(error.cost_usd, None if error.cost_usd is None else costs.BY_ENDPOINT),
                error=error.message,
                remedy=error.remedy,
                maybe_billed=error.maybe_billed,
            )
        seconds = time.monotonic() - begun
    bill = Bill() if reply.odd_figures else costs.bill(model, reply.usage, reply.cost_usd)
    return Ping(model, key, seconds, reply.served_model, reply.answer.strip(), bill)


def as_json(one: Ping) -> Mapping[str, Any]:
    """Return what came of a call in the shape that docs/tables.md documents."""
    return {
        "id": one.model.model_id,
        "model": one.model.model,
        "endpoint": one.model.endpoint,
        "key": one.key or None,
        "ok": one.error is None,
        "seconds": None if one.seconds is None else round(one.seconds, 3),
        "served_model": one.served_model,
        "served_other_model": one.served_other,
        "answer": one.answer,
        "cost_usd": one.bill.usd,
        "cost_source": one.bill.source,
        "price_source": one.bill.price_source,
        "error": one.error,
        "remedy": one.remedy,
        "maybe_billed": one.maybe_billed,
    }
