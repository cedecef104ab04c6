"""``daydream ping``."""

import argparse
import sys

from .. import catalogs as catalogs_module
from ..calls import ping as ping_module
from ..calls.ping import Ping
from ..catalogs import MODELS, OFFLINE, Model
from ..errors import ConfigError, nearest
from ..settings import Settings
from .options import add_json, command, settings_of
from .output import console, counted, print_json, print_table, usd

ASKED_WITHOUT_YES = 3
DETAILS = (
    f"Each model gets one call of a few words, at most {ping_module.MAX_TOKENS} tokens to answer, and no second try. "
    "It costs a fraction of a cent, which is printed before and after; it is in no cohort's spending and no journal. "
    f"More than {ASKED_WITHOUT_YES} hosted models are asked after a question, or with --yes. Exit code 1 if one fails."
)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "ping", run, "Make one tiny call per model and show what came.", DETAILS)
    parser.add_argument("models", metavar="MODEL", nargs="*", help="ids of llm_models.csv (default: all of them)")
    parser.add_argument("--yes", action="store_true", help="do not ask before many calls")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the models and print what came; 0 if all answered.

    Raises:
        ConfigError: an id that does not exist, or many calls that nobody agreed to.
    """
    settings = settings_of(args)
    chosen = _chosen(settings, args.models)
    if not args.yes:
        _agree(chosen)
    pings = list(ping_module.ping(settings, chosen))
    if args.json:
        print_json([ping_module.as_json(one) for one in pings])
    else:
        _show(pings)
    return 1 if any(one.error for one in pings) else 0


def _chosen(settings: Settings, wanted: list[str]) -> list[Model]:
    known = catalogs_module.load(settings.data).models
    for model_id in wanted:
        if model_id not in known:
            table = settings.data.catalog(MODELS)
            raise ConfigError(f"{table} has no model '{model_id}'", nearest(model_id, known))
    return [known[model_id] for model_id in dict.fromkeys(wanted)] if wanted else list(known.values())


def _agree(chosen: list[Model]) -> None:
    """Say what the calls cost, and ask if there are many.

    Raises:
        ConfigError: nobody said yes.
    """
    hosted = [model for model in chosen if model.endpoint != OFFLINE]
    if not hosted:
        return
    most = [ping_module.most_usd(model) for model in hosted]
    unknown = sum(one is None for one in most)
    cost = f"{counted(len(hosted), 'call')} for at most {usd(sum(one for one in most if one is not None))} USD"
    cost += f", and {counted(unknown, 'model')} whose price is not known" if unknown else ""
    print(cost + ".", file=sys.stderr)
    if len(hosted) <= ASKED_WITHOUT_YES:
        return
    if not sys.stdin.isatty() or input("Make these calls? [y/N] ").strip().lower() not in ("y", "yes"):
        raise ConfigError("no call was made", "name fewer models, or add --yes")


def _show(pings: list[Ping]) -> None:
    rows = [
        (
            one.model.model_id,
            "no answer" if one.error else _answer(one),
            one.served_model or "",
            one.key,
            one.bill.price_source or one.bill.source or "",
            "" if one.seconds is None else f"{one.seconds:.2f}",
            _cost(one),
        )
        for one in pings
    ]
    columns = ("model", "answer", "served by", "key", "cost by", "seconds", "USD")
    print_table("Pings", columns, rows, numbers=2)
    out = console()
    for one in pings:
        if one.error:
            out.print(f"{one.model.model_id}: {one.error}\nHint: {one.remedy}")
        elif one.served_other:
            out.print(f"{one.model.model_id}: asked for {one.model.model}, and {one.served_model} answered")
    known = [one.bill.usd for one in pings if one.bill.usd is not None]
    unknown = sum(_cost(one) is None for one in pings)
    spent = f"{counted(sum(one.seconds is not None for one in pings), 'call')}, {sum(known):.6f} USD"
    out.print(spent + (f"; the cost of {unknown:,} of them is not known." if unknown else "."))


def _answer(one: Ping) -> str:
    text = " ".join((one.answer or "").split())
    return text[:40] if text else "(nothing but reasoning)"


def _cost(one: Ping) -> str | None:
    """Return the cell of a cost; None stands for one that is not known."""
    if one.bill.usd is not None:
        return f"{one.bill.usd:.6f}"
    return None if one.maybe_billed or not one.error else ""
