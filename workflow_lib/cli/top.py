"""``daydream top``."""

import argparse

from ..inspect import candidates, rankings, scope
from ..inspect.rankings import Ranked
from ..stages import JUDGED
from .options import add_by, add_cohort, add_json, at_least_one, command, names, settings_of
from .output import console, print_json, print_table

DETAILS = (
    "If not all essays were judged by the same judges and templates, it says so: their plain means cannot be compared, "
    "their adjusted scores can. Essays without a score are not shown."
)
RULE = {
    rankings.ADJUSTED: "adjusted for their judges, points of 9",
    rankings.BEST: "each judge's best score",
}


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "top", run, "Show the essays with the highest scores.", DETAILS)
    add_cohort(parser)
    parser.add_argument("--template", metavar="T", help="count only scores by this evaluation template")
    parser.add_argument("--judges", metavar="A,B", type=names, default=[], help="count only scores by these models")
    parser.add_argument("--top-n", metavar="N", type=at_least_one, default=10, help="how many (default: %(default)s)")
    add_by(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the ranking; always 0."""
    settings = settings_of(args)
    within = scope.as_written(settings)
    found = rankings.judgements(settings, within.membership)
    rankings.check_names(settings, found, args.template, args.judges)
    rule = args.by or rankings.ADJUSTED
    ranked = rankings.rank(settings, found, rule, args.template, args.judges)[: args.top_n]
    if args.json:
        print_json({"cohort": within.name, "by": rule, "essays": [ranked_json(one) for one in ranked]})
    elif ranked:
        print_table(f"Top essays of {within.name}, {RULE[rule]}", COLUMNS, rows_of(ranked))
        say_who_judged(ranked)
    else:
        console().print(f"No essay of {within.name} has a score yet.")
    return 0


COLUMNS = ("rank", "score", "95 %", "ranks", "n", JUDGED, "combo", "draft template", "essay template", "model")


def say_who_judged(ranked: list[Ranked]) -> None:
    """Say whether the essays of a ranking had the same judges and templates."""
    out = console()
    for who, count in rankings.differently_judged(ranked):
        out.print(f"judged by {who}: {count:,}", soft_wrap=True, markup=False)
    if len({one.component for one in ranked}) > 1:
        out.print("Some of them share no judge and template with the others: ranks count within such a group only.")


def rows_of(ranked: list[Ranked]) -> list[tuple[object, ...]]:
    """Return the cells of a ranking under `COLUMNS`."""
    rows: list[tuple[object, ...]] = []
    for one in ranked:
        about = candidates.describe(one)
        rows.append(
            (
                one.rank,
                f"{one.score:.2f}",
                "" if one.low is None or one.high is None else f"{one.low:.2f} to {one.high:.2f}",
                "" if one.rank_low is None else f"{one.rank_low}-{one.rank_high}",
                one.evaluations,
                one.gen_id,
                about["combo_id"],
                about["draft_template"],
                about["generation_template"],
                about["generation_model"],
            )
        )
    return rows


def ranked_json(one: Ranked) -> dict[str, object]:
    """Return one essay of a ranking for scripts."""
    return {
        "rank": one.rank,
        "gen_id": one.gen_id,
        "score": round(one.score, 4),
        "ci_low": None if one.low is None else round(one.low, 4),
        "ci_high": None if one.high is None else round(one.high, 4),
        "rank_low": one.rank_low,
        "rank_high": one.rank_high,
        "component": one.component,
        "templates": list(one.rubrics),
        "evaluations": one.evaluations,
        "by_judge": {judge: round(score, 4) for judge, score in one.by_judge.items()},
        **candidates.describe(one),
    }
