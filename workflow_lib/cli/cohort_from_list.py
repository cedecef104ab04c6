"""``daydream cohort-from-list``."""

import argparse
from pathlib import Path

from ..cohorts import from_list
from ..inspect import candidates
from .options import add_json, command, settings_of
from .output import console, print_json, sizes, sizes_line

DETAILS = "Nothing is bought: the cohort holds what the store has, and its tables and page show exactly that."


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(
        commands,
        "cohort-from-list",
        run,
        "Make a cohort that holds exactly the listed essays and their evaluations.",
        DETAILS,
    )
    parser.add_argument("name", metavar="NAME", help="the new cohort")
    parser.add_argument(
        "--candidates",
        metavar="FILE",
        type=Path,
        help="list of `daydream select`, or a .txt with one gen_id per line "
        f"(default: curation/{candidates.CANDIDATES} in the data root)",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write the cohort; always 0."""
    settings = settings_of(args)
    path = args.candidates or settings.data.curation / candidates.CANDIDATES
    essays = candidates.read_candidates(path)
    membership, has_spec = from_list.cohort_from(settings, args.name, essays, path.name)
    counts = sizes(membership)
    cohort = settings.data.cohort(args.name)
    if args.json:
        spec = str(cohort.spec) if has_spec else None
        print_json({"cohort": args.name, "membership": str(cohort.membership), "spec": spec, **counts})
        return 0
    out = console()
    out.print(f"{cohort.membership}: {sizes_line(counts)}")
    if has_spec:
        out.print(f"{cohort.spec}: declares them; a judge or template added there adds only its own evaluations")
    else:
        out.print("No spec reproduces these ids: membership.csv alone declares the cohort, and is used as it is.")
    out.print(f"Next: snakemake --config cohort={args.name}")
    return 0
