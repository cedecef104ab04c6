"""The rows of llm_models.csv beside what the package genai-prices knows: lists, comparisons, further rows."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import catalogs as catalogs_module
from ..calls import endpoints
from ..catalogs import DEFAULT_ENDPOINT, MODELS, OFFLINE, Model, prices
from ..catalogs.prices import Known, Price
from ..errors import ConfigError, nearest
from ..files import write_bytes
from ..locks import locked
from ..paths import is_safe_id
from ..settings import Settings
from ..tables import appended, header_of

# a price of the table that differs by more than this share of the package's is reported
TOLERANCE = 0.1

REMOVE = "clear both cells: the package has this price"
DIFFERS = "look the price up, then clear both cells or correct them"
KEEP = "keep it: the package has no price of this model"


@dataclass(frozen=True)
class Compared:
    """A row's own price beside the package's; `package` is None where that has none."""

    model: Model
    own: Price
    package: Price | None

    @property
    def ratios(self) -> tuple[float | None, float | None]:
        """The row's price of input and of output by the package's; None where that is 0 or not known."""
        if self.package is None:
            return None, None
        return _ratio(self.own.input, self.package.input), _ratio(self.own.output, self.package.output)

    @property
    def differs(self) -> bool:
        """Whether one of the two differs by more than a tenth."""
        if self.package is None:
            return False
        pairs = ((self.own.input, self.package.input), (self.own.output, self.package.output))
        return any(abs(own - known) > TOLERANCE * known for own, known in pairs)

    @property
    def advice(self) -> str:
        """What to do with the row's price."""
        if self.package is None:
            return KEEP
        return DIFFERS if self.differs else REMOVE


def configured(settings: Settings) -> list[Model]:
    """Return the rows of llm_models.csv in their order."""
    return list(catalogs_module.load(settings.data).models.values())


def compare(models: Iterable[Model]) -> list[Compared]:
    """Return those rows that have a price of their own and do not run inside the process."""
    found = []
    for model in models:
        own = prices.own_price(model)
        if own is not None and model.endpoint != OFFLINE:
            found.append(Compared(model, own, prices.package_price(model)))
    return found


def price_warnings(settings: Settings, models: Iterable[Model]) -> list[str]:
    """Return a line for each row whose own price differs from the package's by more than a tenth."""
    table = settings.data.catalog(MODELS)
    return [
        f"{table}: line {one.model.line}, columns input_usd_per_mtok and output_usd_per_mtok: "
        f"{one.model.model_id} has {one.own.input:g} / {one.own.output:g}, {one.package.source} has "
        f"{one.package.input:g} / {one.package.output:g}\nHint: {one.advice}"
        for one in compare(models)
        if one.package is not None and one.differs
    ]


def add(settings: Settings, name: str, endpoint: str, model_id: str | None = None) -> tuple[str, Known | None]:
    """Append a row to llm_models.csv; everything that is in the file stays as it is, byte for byte.

    Prices stay empty, and `cohort=auto` does not use the row until for_generation or for_evaluation is set to true.

    Args:
        settings: where the table lies, and which endpoints there are.
        name: the model's name at the endpoint.
        endpoint: a configured endpoint.
        model_id: our short name; default: made of the name.

    Returns:
        The id, and what the package knows of the model.

    Raises:
        ConfigError: an id that exists or cannot be one, an endpoint that is not configured, a name that the
            package does not know although it knows the endpoint's models, or a table without a column for it.
    """
    if endpoint not in settings.endpoints:
        raise endpoints.not_configured(settings, endpoint)
    known = prices.find(endpoint, name)
    if known is None and prices.known_endpoint(endpoint):
        raise ConfigError(
            f"{prices.source()} knows no model '{name}' of {endpoint}",
            f"{nearest(name, prices.names(endpoint))} Search with `daydream models --search TEXT`; a model that is "
            f"newer than the package needs a row written by hand, with its price",
        )
    new_id = model_id or id_of(name)
    if not is_safe_id(new_id):
        raise ConfigError(f"'{new_id}' cannot be an id", "give one with --id: letters, digits, '.', '_' and '-'")
    path = settings.data.catalog(MODELS)
    with locked(settings.data.coordination / f"{MODELS}.lock"):
        if new_id in catalogs_module.load(settings.data).models:
            raise ConfigError(f"{path} has a model '{new_id}' already", "give another id with --id")
        row = {
            "id": new_id,
            "model": name,
            "provider": name.split("/")[0] if "/" in name else endpoint,
            "display_name": known.title if known else "",
            "endpoint": endpoint,
            "for_generation": "false",
            "for_evaluation": "false",
        }
        _append(path, row)
    return new_id, known


def id_of(name: str) -> str:
    """Return the id that a model's name suggests: what follows its last slash, in letters that ids may have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name.rpartition("/")[2]).strip("-._").lower()


def listed_json(model: Model) -> dict[str, Any]:
    """Return a row in the shape that docs/tables.md documents."""
    price = prices.price(model)
    batch = prices.batch_price(model)
    return {
        "id": model.model_id,
        "model": model.model,
        "endpoint": model.endpoint,
        "pool": model.pool,
        **price_json(price),
        "batch_input_usd_per_mtok": batch and batch.input,
        "batch_output_usd_per_mtok": batch and batch.output,
        "batch_estimated": batch and batch.estimated,
        "parameters": parameters(model),
    }


def known_json(known: Known) -> dict[str, Any]:
    """Return a model that the package knows in the shape that docs/tables.md documents."""
    return {
        "model": known.name,
        "title": known.title,
        "context_tokens": known.context_tokens,
        **price_json(known.price),
        "batch_input_usd_per_mtok": known.batch_price and known.batch_price.input,
        "batch_output_usd_per_mtok": known.batch_price and known.batch_price.output,
        "retiring": known.is_retiring,
    }


def compared_json(one: Compared) -> dict[str, Any]:
    """Return a comparison in the shape that docs/tables.md documents."""
    return {
        "id": one.model.model_id,
        "own": [one.own.input, one.own.output],
        "package": one.package and [one.package.input, one.package.output],
        "ratio": list(one.ratios),
        "differs": one.differs,
        "advice": one.advice,
    }


def price_json(price: Price | None) -> dict[str, Any]:
    """Return a price in the shape that docs/tables.md documents; of a price that is not known all is null."""
    return {
        "input_usd_per_mtok": price and price.input,
        "output_usd_per_mtok": price and price.output,
        "tiers": [
            {
                "above_tokens": rates.above,
                "input_usd_per_mtok": rates.input,
                "cached_input_usd_per_mtok": rates.cached,
                "output_usd_per_mtok": rates.output,
            }
            for rates in price.tiers
        ]
        if price
        else [],
        "price_source": price and price.source,
    }


def parameters(model: Model) -> dict[str, float | int]:
    """Return the request parameters that a model's row sets."""
    own = {"temperature": model.temperature, "max_tokens": model.max_tokens}
    return {name: value for name, value in own.items() if value is not None}


def _ratio(own: float, known: float) -> float | None:
    return own / known if known else None


def _append(path: Path, row: Mapping[str, str]) -> None:
    columns = header_of(path)
    if "endpoint" not in columns and row["endpoint"] != DEFAULT_ENDPOINT:
        raise ConfigError(
            f"{path}: no column 'endpoint', so that every row is of {DEFAULT_ENDPOINT}", "add the column first"
        )
    write_bytes(path.resolve(), appended(path, columns, [row]), durable=True)
