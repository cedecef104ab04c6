"""``daydream compile``."""

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .. import catalogs, parsers, spec, tables
from ..catalogs import checks
from ..errors import DayDreamError
from ..files import write_text
from ..stages import JUDGING, STAGE
from .options import add_json, at_least_one, command, settings_of
from .output import counted, print_json, warn

DETAILS = (
    "The rows are printed as CSV; the count after each rule, and how each evaluation template is read (its parser, "
    "the range, and the line that its text must ask for), on stderr, or all of it as JSON. Nothing is expanded or "
    "written to the store."
)
JUDGE_COLUMN = STAGE[JUDGING].template_column


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "compile", run, "Preview the rows of a cohort spec.", DETAILS)
    parser.add_argument("spec", metavar="SPEC", type=Path, help="spec folder, or its config file")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the rows there instead of to the screen")
    parser.add_argument("--limit", metavar="N", type=at_least_one, help="only the first N rows")
    parser.add_argument("--seed", metavar="N", type=int, help="shuffle with this seed instead of the spec's")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the rows; always 0."""
    loaded = spec.load(args.spec)
    if loaded.combos is not None:
        loaded, _ = spec.with_combos(loaded, catalogs.load(settings_of(args).data))
    rows, counts = spec.rows_with_counts(loaded, args.seed)
    warn(spec.unused_levels(loaded))
    shown = rows[: args.limit]
    readings, mistakes = _readings(args, rows)
    if args.out:
        write_text(args.out, _csv(loaded, shown))
    if args.json:
        warn(mistakes)
        rules = [{"rule": place, "before": before, "after": after} for place, before, after in counts]
        print_json({"rows": len(rows), "shown": shown, "cells_per_rule": rules, "templates": readings})
        return 0
    for place, before, after in counts:
        print(f"{place}: {before:,} -> {after:,}", file=sys.stderr)
    print(f"{counted(len(rows), 'row')}, {len(shown):,} shown", file=sys.stderr)
    for one in readings:
        asked = f" reads {one['line']} (scale_max {one['scale_max']:g})" if one["line"] else ""
        print(f"{JUDGE_COLUMN} {one['template']}: parser {one['parser']}{asked}", file=sys.stderr)
    warn(mistakes)
    if not args.out:
        print(_csv(loaded, shown), end="")
    return 0


def _csv(loaded: spec.Spec, rows: list[dict[str, str]]) -> str:
    return tables.render(list(rows[0]) if rows else loaded.field_order, rows)


def _readings(args: argparse.Namespace, rows: Iterable[Mapping[str, str]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return how the scores of each evaluation template are read, and what does not fit."""
    wanted = dict.fromkeys(row[JUDGE_COLUMN] for row in rows if row.get(JUDGE_COLUMN))
    if not wanted:
        return [], []
    data = settings_of(args).data
    try:
        known = catalogs.load(data).templates[JUDGING]
    except DayDreamError as error:
        return [], [str(error)]
    readings: list[dict[str, Any]] = []
    mistakes: list[str] = []
    for template_id in wanted:
        template = known.get(template_id)
        if template is None:
            mistakes.append(f"{JUDGE_COLUMN} '{template_id}' is not in {data.catalog('evaluation_templates')}")
            continue
        reading = parsers.reading(template.parser)
        readings.append(
            {
                "template": template_id,
                "parser": template.parser,
                "line": reading.line if reading else None,
                "scale_max": template.scale_max,
            }
        )
        mistakes += map(str, checks.of_template(data, template, ()))
    return readings, mistakes
