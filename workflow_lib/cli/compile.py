"""``daydream compile``."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from .. import catalogs, parsers, spec, tables
from ..catalogs import checks
from ..errors import DayDreamError
from ..files import write_text
from ..stages import JUDGING, STAGE
from .options import at_least_one, command, settings_of
from .output import counted, warn

DETAILS = (
    "The rows are printed as CSV; the count after each rule, and how each evaluation template is read (its parser, "
    "the range, and the line that its text must ask for), on stderr. Nothing is expanded or written to the store."
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
    for line in _readings(args, rows):
        print(line, file=sys.stderr)
    text = tables.render(list(rows[0]) if rows else loaded.field_order, shown)
    if args.out:
        write_text(args.out, text)
    else:
        print(text, end="")
    return 0


def _readings(args: argparse.Namespace, rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Yield how the scores of each evaluation template are read, and what does not fit."""
    column = STAGE[JUDGING].template_column
    wanted = dict.fromkeys(row[column] for row in rows if row.get(column))
    if not wanted:
        return
    data = settings_of(args).data
    try:
        known = catalogs.load(data).templates[JUDGING]
    except DayDreamError as error:
        yield f"Warning: {error}"
        return
    for template_id in wanted:
        template = known.get(template_id)
        if template is None:
            yield f"Warning: {column} '{template_id}' is not in {data.catalog('evaluation_templates')}"
            continue
        reading = parsers.reading(template.parser)
        asked = f" reads {reading.line} (scale_max {template.scale_max:g})" if reading else ""
        yield f"{column} {template_id}: parser {template.parser}{asked}"
        yield from (f"Warning: {mistake}" for mistake in checks.of_template(data, template, ()))
