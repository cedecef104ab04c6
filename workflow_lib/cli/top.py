"""``daydream top``."""

import argparse

from ..inspect import candidates, scope
from ..inspect.candidates import Ranked
from ..stages import JUDGED
from .options import add_cohort, add_json, at_least_one, command, names, settings_of
from .output import console, print_json, print_table

DETAILS = "The mean is over all scores of an essay; n is how many there are. Essays without a score are not shown."


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "top", run, "Show the essays with the highest mean score.", DETAILS)
    add_cohort(parser)
    parser.add_argument("--template", metavar="T", help="count only scores by this evaluation template")
    parser.add_argument("--judges", metavar="A,B", type=names, default=[], help="count only scores by these models")
    parser.add_argument("--top-n", metavar="N", type=at_least_one, default=10, help="how many (default: %(default)s)")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the ranking; always 0."""
    settings = settings_of(args)
    within = scope.as_written(settings)
    found = candidates.judgements(settings, within.membership)
    candidates.check_names(settings, found, args.template, args.judges)
    ranked = candidates.top(found, args.template, args.judges)[: args.top_n]
    if args.json:
        print_json({"cohort": within.name, "essays": [ranked_json(place, one) for place, one in enumerate(ranked, 1)]})
    elif ranked:
        print_table(f"Top essays of {within.name}", COLUMNS, rows_of(ranked))
    else:
        console().print(f"No essay of {within.name} has a score yet.")
    return 0


COLUMNS = ("rank", "score", "n", JUDGED, "combo", "draft template", "essay template", "model")


def rows_of(ranked: list[Ranked]) -> list[tuple[object, ...]]:
    """Return the cells of a ranking under `COLUMNS`."""
    rows: list[tuple[object, ...]] = []
    for place, one in enumerate(ranked, 1):
        about = candidates.describe(one)
        rows.append(
            (
                place,
                f"{one.score:.2f}",
                one.evaluations,
                one.gen_id,
                about["combo_id"],
                about["draft_template"],
                about["generation_template"],
                about["generation_model"],
            )
        )
    return rows


def ranked_json(place: int, one: Ranked) -> dict[str, object]:
    """Return one essay of a ranking for scripts."""
    return {
        "rank": place,
        "gen_id": one.gen_id,
        "score": round(one.score, 4),
        "evaluations": one.evaluations,
        "by_judge": {judge: round(score, 4) for judge, score in one.by_judge.items()},
        **candidates.describe(one),
    }
