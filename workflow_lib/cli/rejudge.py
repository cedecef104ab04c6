"""``daydream rejudge``."""

import argparse
from pathlib import Path

from ..cohorts import rejudging
from ..errors import DayDreamError
from ..inspect import candidates, rankings, scope
from ..settings import Settings
from ..stages import JUDGED, JUDGING
from .options import add_cohort, add_json, at_least_one, command, names, settings_of
from .output import console, counted, print_json, sizes

DETAILS = (
    "Drafts and essays are kept; each essay gets further evaluations. The list is written to curation/NAME.txt in the "
    "data root, with its judges and templates. Nothing is bought yet: `daydream plan` shows what it would cost."
)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "rejudge", run, "Make a cohort that has essays judged again.", DETAILS)
    parser.add_argument("name", metavar="NAME", help="the new cohort")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--essays",
        metavar="FILE",
        type=Path,
        help="list of `daydream select`, or a .txt with one gen_id per line",
    )
    which.add_argument("--top", metavar="N", type=at_least_one, help="the N best essays of --cohort by adjusted scores")
    add_cohort(parser, "cohort that --top ranks (default: as configured)")
    parser.add_argument("--judges", metavar="A,B", type=names, required=True, help="models that judge")
    parser.add_argument(
        "--templates",
        metavar="A,B",
        type=names,
        default=[],
        help="evaluation templates (default: those that the essays were evaluated by before)",
    )
    parser.add_argument(
        "--replicates",
        metavar="N",
        type=at_least_one,
        help="evaluations of an essay by each judge and template (default: as replication_config.csv says)",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write the list and the cohort; always 0."""
    settings = settings_of(args)
    essays = candidates.read_candidates(args.essays) if args.essays else _best(settings, args.top)
    membership = rejudging.rejudge(settings, args.name, essays, args.judges, args.templates, args.replicates)
    evaluations = membership.stage(JUDGING)
    path = settings.data.cohort(args.name).membership
    templates = list(dict.fromkeys(one.template_id for one in evaluations))
    if args.json:
        content = {"cohort": args.name, "membership": str(path), **sizes(membership)}
        print_json(content | {"judges": args.judges, "templates": templates})
        return 0
    out = console()
    out.print(
        f"{path}: {counted(len(evaluations), JUDGING)} of "
        f"{counted(len(membership.stage(JUDGED)), JUDGED)}, by {', '.join(args.judges)} with "
        f"{', '.join(templates)}",
        soft_wrap=True,
    )
    out.print(f"Next: daydream plan --cohort {args.name}; then snakemake --config cohort={args.name}", soft_wrap=True)
    return 0


def _best(settings: Settings, number: int) -> list[str]:
    within = scope.as_written(settings)
    ranked = rankings.rank(settings, rankings.judgements(settings, within.membership), rankings.ADJUSTED, None)
    if not ranked:
        raise DayDreamError(f"no essay of {within.name} has a score yet", "run it first, or list essays with --essays")
    return [one.gen_id for one in ranked[:number]]
