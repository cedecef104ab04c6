"""What a model's tokens cost: by its row of llm_models.csv, else by the package genai-prices, else not known.

`price` is for single calls, `batch_price` for calls through an endpoint's batch service. The package knows
providers and their models; an endpoint takes the prices of the provider that has its name. The package is imported
when it is asked first (0.05 s), holds its prices in itself, and never goes to the network.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from .tables import MODELS, OFFLINE, Model

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

MTOK = 1_000_000
OWN = f"{MODELS}.csv"
PACKAGE = "genai-prices"
BATCH_SHARE = 0.5
"""What batch services charge of the price of single calls where nothing better is known."""

_FREE = ":free"
_BATCH = ":batch"
_AS_BATCH = {"processing": "batch"}
_HOURS_OF_A_RUN = 24


@dataclass(frozen=True)
class Rates:
    """US dollars per million tokens, for prompts of more than `above` tokens.

    Attributes:
        input: of the prompt, where it is neither read from nor written to a cache.
        cached: of the part that is read from a cache.
        written: of the part that is written to one.
        output: of the answer with its reasoning.
    """

    above: int
    input: float
    cached: float
    written: float
    output: float

    def usd(self, prompt_tokens: float, answer_tokens: float, cached: float = 0, written: float = 0) -> float:
        """Return what a call costs at these rates; `cached` and `written` are parts of the prompt."""
        cached = min(cached, prompt_tokens)
        written = min(written, prompt_tokens - cached)
        plain = prompt_tokens - cached - written
        parts = (plain * self.input, cached * self.cached, written * self.written, answer_tokens * self.output)
        return sum(parts) / MTOK


@dataclass(frozen=True)
class Price:
    """The price of a model.

    Attributes:
        tiers: rates at the time asked for, by rising length of the prompt; the first is for short ones.
        coming: those of the next 24 hours besides.
        per_call_usd: what each call costs beside its tokens.
        source: `OWN`, or the package with its version.
        estimated: the figures are derived from the price of single calls.
    """

    tiers: tuple[Rates, ...]
    source: str
    coming: tuple[Rates, ...] = ()
    per_call_usd: float = 0.0
    estimated: bool = False

    @property
    def input(self) -> float:
        """US dollars per million tokens of a short prompt."""
        return self.tiers[0].input

    @property
    def output(self) -> float:
        """US dollars per million tokens of the answer to a short prompt."""
        return self.tiers[0].output

    def usd(self, prompt_tokens: float, answer_tokens: float, cached: float = 0, written: float = 0) -> float:
        """Return what a call costs; a prompt above a tier's length pays that tier for all its tokens.

        Args:
            prompt_tokens: all of the prompt.
            answer_tokens: all of the answer, its reasoning included.
            cached, written: the parts of the prompt that were read from and written to a cache.
        """
        tier = next((rates for rates in reversed(self.tiers) if prompt_tokens > rates.above), self.tiers[0])
        return self.per_call_usd + tier.usd(prompt_tokens, answer_tokens, cached, written)

    def most_usd(self, prompt_tokens: int, answer_tokens: int) -> float:
        """Return the most that a call can cost that begins within a day: at the dearest rates that can apply."""
        within_reach = [rates for rates in (*self.tiers, *self.coming) if rates.above < max(1, prompt_tokens)]
        dearest_input = max(max(rates.input, rates.written) for rates in within_reach)
        dearest_output = max(rates.output for rates in within_reach)
        return self.per_call_usd + (prompt_tokens * dearest_input + answer_tokens * dearest_output) / MTOK


@dataclass(frozen=True)
class Known:
    """A model that the package knows.

    Attributes:
        name: as an endpoint is asked for it.
        title: as people call it.
        context_tokens: the longest prompt, None where it is not known.
        price, batch_price: None where there is none.
        is_retiring: the provider has announced its end.
    """

    name: str
    title: str
    context_tokens: int | None
    price: Price | None
    batch_price: Price | None
    is_retiring: bool


def price(model: Model, at: datetime | None = None) -> Price | None:
    """Return the price of single calls of a model, None if it is not known.

    Args:
        model: its row; what it says wins over the package, and one column without the other is no price.
        at: when the call is made; default: now.
    """
    return own_price(model) if _has_own(model) else package_price(model, at)


def batch_price(model: Model, at: datetime | None = None) -> Price | None:
    """Return the price of calls through the batch service of a model's endpoint, None if it is not known.

    Half of the row's own price, or of the package's where that has none for batches, is marked as estimated.

    Args:
        model: its row.
        at: when the batch is submitted; default: now.
    """
    if not _has_own(model):
        found = _of_package(model.endpoint, model.model, _minute(at), in_batch=True)
        if found is not None:
            return found
    single = price(model, at)
    return None if single is None else _at_share(single, BATCH_SHARE)


def own_price(model: Model) -> Price | None:
    """Return the price that a model's row gives in both columns, None if it does not."""
    asked, answered = model.input_usd_per_mtok, model.output_usd_per_mtok
    if asked is None or answered is None:
        return None
    return Price((Rates(0, asked, asked, asked, answered),), OWN)


def package_price(model: Model, at: datetime | None = None) -> Price | None:
    """Return the package's price of single calls of a model, whatever its row says; None if it has none."""
    return _of_package(model.endpoint, model.model, _minute(at), in_batch=False)


def source() -> str:
    """Return the package with its version, as costs record it."""
    import genai_prices

    return f"{PACKAGE} {genai_prices.__version__}"


@cache
def newest_change() -> str:
    """Return the date of the newest change of a price that the package knows of and that is in force, ISO 8601."""
    today = datetime.now(UTC).date()
    constraints = (
        conditional.constraint
        for provider in _providers().values()
        for info in provider.models
        for conditional in (info.prices if isinstance(info.prices, list) else ())
    )
    dates = (getattr(constraint, "start_date", None) for constraint in constraints)
    return str(max(date for date in dates if date is not None and date <= today))


def known_endpoint(endpoint: str) -> bool:
    """Return whether the package has a provider of an endpoint's name."""
    return endpoint != OFFLINE and endpoint in _providers()


def endpoints() -> list[str]:
    """Return the names of endpoints whose prices the package knows."""
    return sorted(_providers())


def search(endpoint: str, text: str = "") -> list[Known]:
    """Return the models of an endpoint's provider whose name or title has every word of a text, by name."""
    words = text.lower().split()
    found = []
    for info in _providers()[endpoint].models if known_endpoint(endpoint) else ():
        title = info.name or info.id
        if not info.id.endswith(_BATCH) and all(word in f"{info.id} {title}".lower() for word in words):
            found.append(_known(endpoint, info, title))
    return sorted(found, key=lambda one: one.name)


def names(endpoint: str) -> list[str]:
    """Return the names of the models that the package knows of an endpoint's provider."""
    return [info.id for info in _providers()[endpoint].models] if known_endpoint(endpoint) else []


def find(endpoint: str, name: str) -> Known | None:
    """Return what the package knows of a model by any of its names at an endpoint, None if nothing."""
    info = _info(endpoint, name)
    return None if info is None else replace(_known(endpoint, info, info.name or info.id), name=name)


def _known(endpoint: str, info: "ModelInfo", title: str) -> Known:
    now = _minute(None)
    single = _of_package(endpoint, info.id, now, in_batch=False)
    in_batch = _of_package(endpoint, info.id, now, in_batch=True)
    return Known(info.id, title, info.context_window, single, in_batch, bool(info.deprecated))


def _has_own(model: Model) -> bool:
    return model.input_usd_per_mtok is not None or model.output_usd_per_mtok is not None


def _at_share(whole: Price, share: float) -> Price:
    def part(rates: Iterable[Rates]) -> tuple[Rates, ...]:
        return tuple(
            Rates(one.above, one.input * share, one.cached * share, one.written * share, one.output * share)
            for one in rates
        )

    return Price(part(whole.tiers), whole.source, part(whole.coming), whole.per_call_usd * share, estimated=True)


def _minute(at: datetime | None) -> datetime:
    return (at or datetime.now(UTC)).astimezone(UTC).replace(second=0, microsecond=0)


@cache
def _providers() -> Mapping[str, "Provider"]:
    from genai_prices.data import providers

    return {provider.id: provider for provider in providers}


@lru_cache(maxsize=4096)
def _info(endpoint: str, name: str) -> "ModelInfo | None":
    if not known_endpoint(endpoint):
        return None
    return _providers()[endpoint].find_model(name, all_providers=list(_providers().values()))


# a price may depend on the time of day, and every call asks for it
@lru_cache(maxsize=4096)
def _of_package(endpoint: str, name: str, at: datetime, *, in_batch: bool) -> Price | None:
    info = _info(endpoint, name)
    context = None
    if in_batch and info is not None:
        variant = _info(endpoint, name + _BATCH)
        if variant is not None and variant.id == info.id + _BATCH:
            info = variant
        elif _has_batch_rates(_providers()[endpoint], info, at):
            context = _AS_BATCH
        else:
            return None
    if info is None:
        return None
    today = [info.get_prices(at + timedelta(hours=hours), context) for hours in range(_HOURS_OF_A_RUN + 1)]
    tiers = _tiers(today[0], name)
    if not tiers:
        return None
    coming = dict.fromkeys(rates for later in today[1:] for rates in _tiers(later, name))
    fees = [getattr(prices, "requests_kcount", None) or 0 for prices in today]
    return Price(tiers, source(), tuple(one for one in coming if one not in tiers), float(max(fees)) / 1000)


def _has_batch_rates(provider: "Provider", info: "ModelInfo", at: datetime) -> bool:
    # another provider's batch service is not this one's
    own = any(info is one for one in provider.models)
    variants = [variant for variant in info.price_variants or () if variant.when == _AS_BATCH]
    return own and any(variant.constraint is None or variant.constraint.active(at) for variant in variants)


def _tiers(prices: "ModelPrice", name: str) -> tuple[Rates, ...]:
    """Return the rates of each length of a prompt; () if prompts or answers have none."""
    asked, answered = prices.input_mtok, prices.output_mtok
    if asked is None or answered is None:
        return (Rates(0, 0.0, 0.0, 0.0, 0.0),) if asked is answered and name.endswith(_FREE) else ()
    cached = _or(prices.cache_read_mtok, asked)
    written = _or(prices.cache_write_mtok, asked)
    # which part of an answer was reasoning is not always reported: the dearer of the two counts
    reasoning = _or(prices.output_reasoning_mtok, answered)
    parts = (asked, cached, written, answered, reasoning)
    starts = sorted({0} | {tier.start for part in parts for tier in getattr(part, "tiers", ())})
    return tuple(
        Rates(
            start,
            _rate(asked, start),
            _rate(cached, start),
            # some providers bill the storage only here, and the tokens besides
            max(_rate(asked, start), _rate(written, start)),
            max(_rate(answered, start), _rate(reasoning, start)),
        )
        for start in starts
    )


def _or(rate: object, other: object) -> object:
    return other if rate is None else rate


def _rate(rate: object, start: int) -> float:
    """Return US dollars per million tokens of a prompt that is longer than `start`."""
    tiers = [tier.price for tier in getattr(rate, "tiers", ()) if tier.start <= start]
    return float(tiers[-1] if tiers else getattr(rate, "base", rate))  # type: ignore[arg-type]
