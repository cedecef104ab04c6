"""``daydream compile``."""

import argparse
import sys
from pathlib import Path

from .. import catalogs, spec, tables
from ..files import write_text
from .options import at_least_one, command, settings_of
from .output import counted, warn

DETAILS = (
    "The rows are printed as CSV, the count after each rule on stderr. Nothing is expanded or written to the store."
)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "compile", run, "Preview the rows of a cohort spec.", DETAILS)
    parser.add_argument("spec", metavar="SPEC", type=Path, help="spec folder, or its config file")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the rows there instead of to the screen")
    parser.add_argument("--limit", metavar="N", type=at_least_one, help="only the first N rows")
    parser.add_argument("--seed", metavar="N", type=int, help="shuffle with this seed instead of the spec's")


def run(args: argparse.Namespace) -> int:
    """Print the rows; always 0."""
    loaded = spec.load(args.spec)
    if loaded.combos is not None:
        loaded, _ = spec.with_combos(loaded, catalogs.load(settings_of(args).data))
    rows, counts = spec.rows_with_counts(loaded, args.seed)
    warn(spec.unused_levels(loaded))
    for place, before, after in counts:
        print(f"{place}: {before:,} -> {after:,}", file=sys.stderr)
    shown = rows[: args.limit]
    print(f"{counted(len(rows), 'row')}, {len(shown):,} shown", file=sys.stderr)
    text = tables.render(list(rows[0]) if rows else loaded.field_order, shown)
    if args.out:
        write_text(args.out, text)
    else:
        print(text, end="")
    return 0
