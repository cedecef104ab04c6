"""``daydream cohort-update``."""

import argparse

from .. import cohorts, runs
from ..errors import ConfigError
from .options import add_json, command, settings_of
from .output import console, print_json, sizes, sizes_line, warn

DETAILS = (
    "A cohort keeps the replicate counts of its first expansion; this command expands it with the present counts of "
    "replication_config.csv and keeps those. A cohort that an older version made of a list follows the present rules "
    "for lists from then on. No call is made; answers of rows that are dropped stay in the store."
)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "cohort-update", run, "Adopt the replicate counts of replication_config.csv.", DETAILS)
    parser.add_argument("name", metavar="NAME", help="the cohort")
    parser.add_argument("--selection", metavar="FILE", help="list of essays or drafts that makes a curated cohort")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Expand and write the cohort; always 0."""
    settings = settings_of(args)
    source = cohorts.resolve(settings, args.name)
    if source.mode == "given":
        raise ConfigError(
            f"cohort {args.name} has no spec: its membership.csv is used as it is",
            "edit its rows, or make a cohort with a spec: `daydream cohort-from-list`",
        )
    expansion = cohorts.expand_source(settings, source, adopt=True)
    changes = runs.changes(settings, expansion)
    cohorts.write(settings, expansion)
    warn([*cohorts.unused_selection(settings, [source]), *expansion.warnings])
    counts = sizes(expansion.membership)
    path = settings.data.cohort(source.cohort_id).membership
    if args.json:
        print_json({"cohort": source.cohort_id, "membership": str(path), **counts, "changes": changes})
        return 0
    out = console()
    out.print(f"{path}: {sizes_line(counts)}")
    for line in changes or ["No row was added or dropped."]:
        out.print(line)
    return 0
