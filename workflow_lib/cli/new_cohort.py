"""``daydream new-cohort``."""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from .. import catalogs as catalogs_module
from ..catalogs import LEVELS
from ..cohorts import Expansion, authoring
from ..cohorts.authoring import Choice
from ..errors import ConfigError
from ..inspect import planning
from ..inspect.scope import Scope
from ..settings import Settings
from ..stages import PARENTS, STAGE, STAGES
from .options import add_json, at_least_one, command, names, settings_of
from .output import console, counted, print_json, sizes, sizes_line, usd, warn

DETAILS = (
    "Without an axis option it asks on a terminal, shows size and cost, and writes when you confirm; elsewhere, or "
    "with --json, it takes all that is active in the catalogs. "
    "Lists are separated by commas; `none` as an essay or evaluation template ends the cohort before that stage."
)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "new-cohort", run, "Write the spec of a new cohort from the catalogs.", DETAILS)
    parser.add_argument("name", metavar="NAME", help="the new cohort")
    axes = parser.add_argument_group("axes")
    which = axes.add_mutually_exclusive_group()
    which.add_argument("--concepts", metavar="LIST", type=names, help="concepts to combine (default: all active ones)")
    which.add_argument("--combos", metavar="LIST", type=names, help="registered combos to use instead")
    axes.add_argument("--k", metavar="LIST", type=_sizes, help="numbers of concepts per combo, such as 2,3")
    axes.add_argument("--level", choices=LEVELS, help="description level of the concepts")
    for stage in STAGES:
        axes.add_argument(
            f"--{stage}-template", metavar="LIST", type=names, help=f"{stage} templates (default: all active ones)"
        )
        own = STAGE[stage]
        default = f"the {own.parent}'s" if own.models == PARENTS else f"all for {own.models}"
        axes.add_argument(f"--{stage}-llm", metavar="LIST", type=names, help=f"models (default: {default})")
        axes.add_argument(
            f"--{stage}-replicates", metavar="N", type=at_least_one, help="default: as in replication_config.csv"
        )
    parser.add_argument("--notes", metavar="TEXT", help="free text, kept in the manifest")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write the spec; always 0."""
    settings = settings_of(args)
    catalogs = catalogs_module.load(settings.data)
    choice = _choice(args)
    asks = choice == Choice(notes=args.notes) and sys.stdin.isatty() and not args.json
    if asks:
        authoring.new_cohort(settings, args.name)
        choice = authoring.ask(settings, catalogs, _ask)
        choice.notes = args.notes
    text, expansion = authoring.prepared(settings, catalogs, args.name, choice)
    warn(expansion.warnings)
    size = _size(settings, args.name, expansion)
    if asks:
        console().print(_listed(size))
        if _ask("Write it? [Y/n]: ").strip().lower() not in ("", "y", "yes"):
            console().print("Nothing was written.")
            return 0
    path = authoring.write(settings, args.name, text)
    if args.json:
        print_json({"cohort": args.name, "spec": str(path), **size})
        return 0
    console().print(f"{path}: {_listed(size)}", soft_wrap=True)
    console().print(f"Next: daydream plan --cohort {args.name}, then snakemake --config cohort={args.name}")
    return 0


def _size(settings: Settings, name: str, expansion: Expansion) -> dict[str, Any]:
    """Return how many generations a cohort has, and what those that are not there yet would cost."""
    combos = {combo.combo_id: combo for combo in expansion.combos}
    plan = planning.Planner(settings, Scope((name,), expansion.membership, combos, ())).plan()
    lines = [line for stage in STAGES for line in plan.stages[stage].values()]
    return {
        **sizes(expansion.membership),
        "calls": sum(line.to_do - line.copies for line in lines),
        "cost_expected_usd": planning.total(line.cost_expected_usd for line in lines),
        "cost_ceiling_usd": planning.total(line.cost_ceiling_usd for line in lines),
    }


def _choice(args: argparse.Namespace) -> Choice:
    options = vars(args)
    return Choice(
        combos=args.combos or [],
        concepts=[] if args.concepts in (None, ["all"]) else args.concepts,
        k=args.k or [],
        level=args.level,
        templates={stage: options[f"{stage}_template"] for stage in STAGES if options[f"{stage}_template"]},
        models={stage: options[f"{stage}_llm"] for stage in STAGES if options[f"{stage}_llm"]},
        replicates={stage: options[f"{stage}_replicates"] for stage in STAGES if options[f"{stage}_replicates"]},
        notes=args.notes,
    )


def _ask(question: str) -> str:
    try:
        return input(question)
    except EOFError:
        raise ConfigError("the input ended before all questions were answered", "nothing was written") from None


def _listed(size: Mapping[str, Any]) -> str:
    expected, most = usd(size["cost_expected_usd"]), usd(size["cost_ceiling_usd"])
    return f"{sizes_line(size)}; {counted(size['calls'], 'call')} to make, {expected} USD expected, {most} at most"


def _sizes(text: str) -> list[int]:
    return [at_least_one(part) for part in names(text)]
