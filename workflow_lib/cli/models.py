"""``daydream models``."""

import argparse
from collections.abc import Sequence

from ..catalogs import DEFAULT_ENDPOINT, MODELS, Model, prices
from ..catalogs.prices import Known, Price
from ..errors import ConfigError, nearest
from ..inspect import models
from ..inspect.models import Compared
from ..settings import Settings
from .options import add_json, command, settings_of
from .output import console, counted, print_json, print_table

DETAILS = (
    "Without an option it lists the rows of llm_models.csv with the prices that count for them: the row's own, else "
    "those of the package genai-prices for the endpoint of that name. Prices are US dollars per million tokens. "
    "No call is made, and nothing is looked up in the network: the package holds its prices, and a newer version "
    "of it newer ones."
)
PRICE = ("in", "out")
BATCH = ("batch in", "batch out")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "models", run, "List models and prices, find further ones, add them.", DETAILS)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--search", metavar="TEXT", help="list the models of the package whose name has these words")
    what.add_argument("--add", metavar="MODEL", help="append a row for this model of --endpoint to llm_models.csv")
    what.add_argument(
        "--compare", action="store_true", help="list the prices in llm_models.csv beside those of the package"
    )
    parser.add_argument("--endpoint", metavar="NAME", help=f"for --search and --add (default: {DEFAULT_ENDPOINT})")
    parser.add_argument("--id", metavar="ID", help="for --add: the id of the row (default: made of the model's name)")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print what was asked for; 1 if nothing is found, or if prices differ.

    Raises:
        ConfigError: options that do not go together, or a model that cannot be added.
    """
    if args.id and not args.add:
        raise ConfigError("--id goes with --add", "leave it out")
    if args.endpoint and not (args.add or args.search):
        raise ConfigError("--endpoint goes with --search and --add", "leave it out")
    settings = settings_of(args)
    endpoint = args.endpoint or DEFAULT_ENDPOINT
    if args.search:
        return _search(endpoint, args.search, as_json=args.json)
    if args.add:
        return _add(settings, endpoint, args.add, args.id, as_json=args.json)
    if args.compare:
        return _compare(settings, as_json=args.json)
    return _list(settings, as_json=args.json)


def _list(settings: Settings, *, as_json: bool) -> int:
    rows = models.configured(settings)
    if as_json:
        print_json([models.listed_json(model) for model in rows])
        return 0
    columns = ("id", "model", "endpoint", "pool", "parameters", "price of", *PRICE, *BATCH)
    print_table(f"Models of {settings.data.catalog(MODELS)}", columns, map(_row, rows), numbers=4)
    _explain([prices.price(model) for model in rows])
    return 0


def _row(model: Model) -> Sequence[object]:
    price = prices.price(model)
    own = ", ".join(f"{name} {value:g}" for name, value in models.parameters(model).items())
    cells = (model.model_id, model.model, model.endpoint, model.pool, own, price and price.source)
    return (*cells, *_of(price), *_of(prices.batch_price(model)))


def _search(endpoint: str, text: str, *, as_json: bool) -> int:
    if not prices.known_endpoint(endpoint):
        hint = f"{nearest(endpoint, prices.endpoints())} Models of other endpoints need prices of their own"
        raise ConfigError(f"{prices.source()} knows no provider '{endpoint}'", hint)
    found = prices.search(endpoint, text)
    if as_json:
        print_json([models.known_json(known) for known in found])
        return 0 if found else 1
    if not found:
        console().print(f"{prices.source()} knows no model of {endpoint} with '{text}' in its name.")
        return 1
    columns = ("model", "called", "context", *PRICE, *BATCH)
    print_table(f"Models of {endpoint} with '{text}'", columns, map(_found_row, found), numbers=5)
    _explain([known.price for known in found])
    console().print("Add one with `daydream models --add MODEL`.")
    return 0


def _found_row(known: Known) -> Sequence[object]:
    title = f"{known.title} (retiring)" if known.is_retiring else known.title
    context = None if known.context_tokens is None else f"{known.context_tokens:,}"
    batch = _of(known.batch_price) if known.batch_price else ("", "")
    return (known.name, title, context, *_of(known.price), *batch)


def _add(settings: Settings, endpoint: str, name: str, model_id: str | None, *, as_json: bool) -> int:
    new_id, known = models.add(settings, name, endpoint, model_id)
    path = settings.data.catalog(MODELS)
    if as_json:
        print_json({"id": new_id, "path": str(path), "model": models.known_json(known) if known else None})
        return 0
    out = console()
    out.print(f"{path}: added {new_id}, which is {name} of {endpoint}.")
    if known and known.price:
        amounts = f"{known.price.input:g} in, {known.price.output:g} out"
        out.print(f"Price by {known.price.source}: {amounts} (US dollars per million tokens).")
    else:
        out.print("Its price is not known: fill in both price columns before you set a budget (0 is a price).")
    out.print(f"A spec can name it now; try it with `daydream ping {new_id}`.")
    return 0


def _compare(settings: Settings, *, as_json: bool) -> int:
    compared = models.compare(models.configured(settings))
    if as_json:
        print_json([models.compared_json(one) for one in compared])
    elif compared:
        columns = ("id", "model", "what to do", *PRICE, "package in", "package out", "ratio in", "ratio out")
        title = f"Prices in {settings.data.catalog(MODELS)} beside those of {prices.source()}"
        print_table(title, columns, map(_compared_row, compared), numbers=6)
        _explain([one.package or one.own for one in compared])
    else:
        console().print("No row of a hosted model has a price of its own.")
    return 1 if any(one.differs for one in compared) else 0


def _compared_row(one: Compared) -> Sequence[object]:
    ratios = ("" if ratio is None else f"{ratio:.2f}" for ratio in one.ratios)
    package = _of(one.package) if one.package else ("", "")
    return (one.model.model_id, one.model.model, one.advice, *_of(one.own), *package, *ratios)


def _of(price: Price | None) -> tuple[str | None, str | None]:
    """Return the cells of a price; a plus marks one that is higher for long prompts, a tilde one that is estimated."""
    if price is None:
        return None, None
    before, after = "~" if price.estimated and price.output else "", "+" if len(price.tiers) > 1 else ""
    return f"{before}{price.input:g}{after}", f"{before}{price.output:g}{after}"


def _explain(shown: Sequence[Price | None]) -> None:
    out = console()
    out.print("US dollars per million tokens. +: more for long prompts. ~: half the price of single calls, estimated.")
    if any(price and price.source != prices.OWN for price in shown):
        out.print(f"{prices.source()} knows changes of prices up to {prices.newest_change()}.")
    unknown = sum(price is None for price in shown)
    if unknown:
        out.print(f"{counted(unknown, 'price')} not known.")
