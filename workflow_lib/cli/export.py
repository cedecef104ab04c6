"""``daydream export``."""

import argparse
from pathlib import Path

from ..errors import ConfigError, nearest
from ..generations.state import States
from ..inspect import scope
from ..settings import Settings
from ..stages import JUDGING
from .options import add_cohort, add_json, command, names, settings_of
from .output import counted, print_json, warn

DETAILS = (
    "One row per evaluation, with or without a score: ids, templates, models, scores, tokens, costs, times and paths. "
    "data_dictionary.csv describes each column. Nothing is bought. Files are replaced; the same store gives the same "
    "bytes."
)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "export", run, "Write all scores as one long table for analysis.", DETAILS)
    which = parser.add_mutually_exclusive_group()
    add_cohort(which)  # type: ignore[arg-type]
    which.add_argument("--all", action="store_true", help="every evaluation of the store")
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="folder (default: export/ in the cohort's folder, or in 7_cross_experiment/)",
    )
    parser.add_argument("--format", metavar="LIST", type=names, default=["csv", "parquet"], help="default: csv,parquet")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write the table; always 0."""
    # pandas and pyarrow: slow to load, and other commands do without
    from ..results import export

    for name in args.format:
        if name not in export.FORMATS:
            raise ConfigError(f"--format: unknown format '{name}'", nearest(name, export.FORMATS))
    settings = settings_of(args)
    within = None if args.all else scope.as_written(settings)
    folder = args.out or _folder(settings, within)
    if within is not None:
        warn(within.warnings)
    states = States(settings)
    found = export.judgements_of(settings, None if within is None else within.membership, states)
    written = export.write(folder, export.rows(states, found), args.format)
    scored = sum(judgement.score is not None for judgement in found)
    if args.json:
        cohort = None if within is None else within.name
        files = [str(path) for path in written]
        print_json({"cohort": cohort, "evaluations": len(found), "scored": scored, "files": files})
        return 0
    print(f"{counted(len(found), JUDGING)}, {scored:,} with a score:")
    for path in written:
        print(f"  {path}")
    return 0


def _folder(settings: Settings, within: scope.Scope | None) -> Path:
    if within is None:
        return settings.data.cross_export
    if len(within.cohort_ids) > 1:
        raise ConfigError(f"{within.name} are several cohorts", "choose a folder for the table: --out DIR")
    return settings.data.cohort(within.cohort_ids[0]).export
