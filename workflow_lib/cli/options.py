"""Options that commands have in common."""

import argparse
from collections.abc import Callable
from typing import Any

from .. import settings as settings_module
from ..inspect import rankings
from ..settings import Settings


def command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    details: str = "",
) -> argparse.ArgumentParser:
    """Add a command with the options that every command has.

    Args:
        commands: where to add it.
        name: as typed.
        run: gets the arguments, returns the exit code.
        summary: one line for the list of commands.
        details: further sentences for its own --help.
    """
    parser = commands.add_parser(name, help=summary, description=f"{summary} {details}".strip())
    parser.add_argument("--data-root", metavar="DIR", help="folder of catalogs, cohorts and generations")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(run=run)
    return parser


def add_cohort(parser: argparse.ArgumentParser, what: str = "the cohort (default: as configured)") -> None:
    """Add --cohort."""
    parser.add_argument("--cohort", metavar="NAME", help=what)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add --config, which says what Snakemake's says."""
    parser.add_argument(
        "--config",
        metavar="KEY=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="settings over config.yaml, as for snakemake: what would be run with them",
    )


def add_by(parser: argparse.ArgumentParser, implied: str = "") -> None:
    """Add --by; `implied` says which options choose the other rule."""
    parser.add_argument(
        "--by",
        choices=rankings.RULES,
        help="adjusted: the mean of the judges after the severity of each is taken off, drawn towards the mean of all "
        "as far as it is uncertain, in points of 9, fitted to the scores asked for (default); best: each judge's best "
        f"score by the template, averaged over judges, as older tools did{implied}",
    )


def settings_of(args: argparse.Namespace) -> Settings:
    """Return the settings that a command works with: its options over --config, environment and config.yaml."""
    chosen: dict[str, Any] = settings_module.from_words(getattr(args, "config", ())) | {
        key: value for key in ("data_root", "cohort", "selection") if (value := getattr(args, key, None)) is not None
    }
    return settings_module.load(chosen)


def names(text: str) -> list[str]:
    """Return the names of a comma-separated argument."""
    return settings_module.split_names(text)


def at_least_one(text: str) -> int:
    """Return a whole number of 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def not_negative(text: str) -> float:
    """Return a number of 0 or more."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of 0 or more")
    return value


def port(text: str) -> int:
    """Return a TCP port, or 0."""
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port, 0 to 65535")
    return value
