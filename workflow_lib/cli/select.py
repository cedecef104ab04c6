"""``daydream select``."""

import argparse
from pathlib import Path

from ..errors import ConfigError, DayDreamError
from ..inspect import candidates, rankings
from ..inspect.rankings import Ranked
from ..stages import JUDGED
from . import top
from .options import add_by, add_cohort, add_json, at_least_one, command, names, not_negative, settings_of
from .output import console, counted, print_json, print_table
from .scores_of import found_in

DETAILS = "The list is for people to edit: column `selected`. `daydream cohort-from-list` makes a cohort of it."


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "select", run, "List the best essays by an evaluation template as candidates.", DETAILS)
    parser.add_argument("--template", metavar="T", required=True, help="evaluation template that decides")
    add_cohort(parser, "only essays of this cohort (default: the whole store)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--top-n", metavar="N", type=at_least_one, default=10, help="the N best (default: %(default)s)")
    how.add_argument("--score-span", metavar="X", type=not_negative, help="all within X of the best")
    how.add_argument("--max-only", action="store_true", help="only those with the best score")
    add_by(parser, "; --score-span and --max-only use this rule")
    parser.add_argument("--judges", metavar="A,B", type=names, default=[], help="only these judges (default: all)")
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help=f"the list (default: curation/{candidates.CANDIDATES} in the data root)",
    )
    parser.add_argument(
        "--write-selection",
        action="store_true",
        help=f"write curation/{candidates.SELECTED_ESSAYS} as well, for `--config selection=...`",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write the list; 1 if no essay has a score."""
    settings = settings_of(args)
    found = found_in(settings, args.cohort)
    rankings.check_names(settings, found, args.template, args.judges)
    ranked = rankings.rank(settings, found, _rule(args), args.template, args.judges)
    if not ranked:
        raise DayDreamError(f"no essay has a score by '{args.template}' yet", "evaluate some first, or choose another")
    chosen = _chosen(args, ranked)
    path = args.out or settings.data.curation / candidates.CANDIDATES
    candidates.write_candidates(path, settings.data, chosen, overwrite=args.overwrite)
    if args.write_selection:
        listed = settings.data.curation / candidates.SELECTED_ESSAYS
        candidates.write_selection(listed, (one.gen_id for one in chosen), overwrite=args.overwrite)
    if args.json:
        essays = [top.ranked_json(one) for one in chosen]
        print_json({"file": str(path), "by": _rule(args), "essays": essays})
        return 0
    print_table(f"Candidates by {args.template}, {top.RULE[_rule(args)]}", top.COLUMNS, top.rows_of(chosen))
    top.say_who_judged(chosen)
    console().print(f"{counted(len(chosen), 'candidate')} of {counted(len(ranked), JUDGED)} in {path}")
    return 0


def _rule(args: argparse.Namespace) -> str:
    """Return the rule to rank by.

    Raises:
        ConfigError: the options contradict each other.
    """
    if not (args.max_only or args.score_span is not None):
        return args.by or rankings.ADJUSTED
    if args.by == rankings.ADJUSTED:
        raise ConfigError("--max-only and --score-span choose by the best scores", "leave out --by adjusted")
    return rankings.BEST


def _chosen(args: argparse.Namespace, ranked: list[Ranked]) -> list[Ranked]:
    if args.max_only:
        return candidates.within_span(ranked, 0.0)
    if args.score_span is not None:
        return candidates.within_span(ranked, args.score_span)
    return ranked[: args.top_n]
