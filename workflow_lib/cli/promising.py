"""``daydream promising``."""

import argparse
from pathlib import Path

from ..inspect import candidates, rankings
from ..stages import JUDGED
from . import top
from .options import add_by, add_cohort, add_json, at_least_one, command, names, settings_of
from .output import console, counted, print_json, print_table
from .scores_of import found_in

DETAILS = (
    "Both scores follow the same rule. With --out, the essays that lack the target are "
    "written as a selection that evaluates them: `--config cohort=NAME selection=FILE`."
)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(
        commands, "promising", run, "Rank essays by one evaluation template and list which lack another.", DETAILS
    )
    parser.add_argument("--baseline", metavar="T", required=True, help="evaluation template to rank by")
    parser.add_argument("--target", metavar="T", required=True, help="evaluation template that may be missing")
    add_cohort(parser, "only essays of this cohort (default: the whole store)")
    parser.add_argument("--top-n", metavar="N", type=at_least_one, default=20, help="how many (default: %(default)s)")
    parser.add_argument("--judges", metavar="A,B", type=names, default=[], help="only these judges (default: all)")
    add_by(parser)
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the essays that lack the target there")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the ranking; always 0."""
    settings = settings_of(args)
    found, rule = found_in(settings, args.cohort), args.by or rankings.ADJUSTED
    for template in (args.baseline, args.target):
        rankings.check_names(settings, found, template, args.judges)
    listed = candidates.promising(settings, found, rule, args.baseline, args.target, args.judges)[: args.top_n]
    lacking = [one.ranked.gen_id for one in listed if one.target_score is None]
    if args.out:
        # fill-up: what other judges may have given meanwhile must not be bought again
        directives = ("mode: reuse-essays", "fill-up", f"templates: {args.target}")
        candidates.write_selection(args.out, lacking, directives, overwrite=args.overwrite)
    if args.json:
        essays = [
            {
                "rank": one.ranked.rank,
                "gen_id": one.ranked.gen_id,
                "baseline_score": round(one.ranked.score, 4),
                "target_score": None if one.target_score is None else round(one.target_score, 4),
                **candidates.describe(one.ranked),
            }
            for one in listed
        ]
        print_json({"by": rule, "baseline": args.baseline, "target": args.target, "essays": essays, "lacking": lacking})
        return 0
    rows = [
        (
            one.ranked.rank,
            f"{one.ranked.score:.2f}",
            "missing" if one.target_score is None else f"{one.target_score:.2f}",
            one.ranked.gen_id,
            candidates.describe(one.ranked)["draft_template"],
            candidates.describe(one.ranked)["generation_template"],
            candidates.describe(one.ranked)["generation_model"],
        )
        for one in listed
    ]
    columns = ("rank", args.baseline, args.target, JUDGED, "draft template", "essay template", "model")
    print_table(f"Promising essays, {top.RULE[rule]}", columns, rows)
    top.say_who_judged([one.ranked for one in listed])
    where = f"; listed in {args.out}" if args.out else ""
    console().print(f"{counted(len(lacking), JUDGED)} without a score by {args.target}{where}.")
    if args.out and lacking:
        console().print(
            f"Next: snakemake --config cohort=NAME selection={args.out}   (judges: the models with for_evaluation, or "
            "those of a line '# judges: A, B' in it)",
            markup=False,
            soft_wrap=True,
        )
    return 0
