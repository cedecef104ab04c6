"""``daydream check``."""

import argparse

from ..inspect import health, mistakes, models, side_by_side
from ..inspect.findings import as_json, fix
from ..settings import Settings
from .options import add_cohort, add_config, add_json, command, settings_of
from .output import console, counted, print_json, print_table, warn

DETAILS = (
    "Checks the whole store, all cohorts, and the catalogs, texts and settings that they use. A mistake that would "
    "stop a run before its first call is a finding; if no call that it spoils is still to be made, it is a warning. "
    "--fix writes metadata.json from membership.csv and parsed.txt from raw.txt where these are missing or empty, and "
    "changes nothing that cannot be derived. Exit code 1 if anything is found, or remains after --fix."
)
MAX_SHOWN = 50


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "check", run, "Check the health of the store.", DETAILS)
    parser.add_argument("--fix", action="store_true", help="repair what can be derived from the rest")
    parser.add_argument(
        "--counts",
        action="store_true",
        help="instead, show the counts of the cohort as status, plan, watch, page and tables have them",
    )
    add_cohort(parser, "the cohort of --counts")
    add_config(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the findings; 0 if there are none (left), or with --counts if all agree."""
    settings = settings_of(args)
    if args.counts:
        return _show_counts(settings, as_json=args.json)
    wrong, warnings = mistakes.of_all(settings)
    warnings += models.price_warnings(settings, models.configured(settings))
    findings = [*wrong, *health.check(settings)]
    fixed = 0
    if args.fix:
        remaining, troubles = fix(findings)
        fixed = len(findings) - len(remaining)
        # a repair may reveal, or settle, something else
        findings = [*wrong, *health.check(settings)] if fixed else remaining
        warn(troubles)
    if args.json:
        print_json({**as_json(findings), "warnings": warnings, "fixed": fixed})
        return 1 if findings else 0
    warn(warnings)
    out = console()
    if fixed:
        out.print(f"{counted(fixed, 'finding')} repaired.")
    if not findings:
        out.print("Nothing is wrong with the store.")
        return 0
    shown = [(one.kind, one.path, one.message, one.remedy) for one in findings[:MAX_SHOWN]]
    print_table("Findings", ("kind", "path", "what is wrong", "what to do"), shown)
    if len(findings) > MAX_SHOWN:
        out.print(f"... and {len(findings) - MAX_SHOWN:,} more; --json lists all")
    for kind, count in as_json(findings)["counts"].items():
        out.print(f"{kind}: {count:,}")
    fixable = sum(one.fixable for one in findings)
    if fixable:
        out.print(f"{fixable:,} of them can be repaired with --fix.")
    return 1


def _show_counts(settings: Settings, *, as_json: bool) -> int:
    table = side_by_side.of(settings)
    differing = side_by_side.differences(table)
    if as_json:
        print_json({"counts": table, "differences": differing})
    else:
        rows = [
            (what, *("" if one not in found else _number(found[one]) for one in side_by_side.SOURCES))
            for what, found in table.items()
        ]
        print_table("Counts", ("count", *side_by_side.SOURCES), rows, numbers=len(side_by_side.SOURCES))
        verdict = f"They differ in: {', '.join(differing)}." if differing else "All agree."
        console().print(verdict)
    return 1 if differing else 0


def _number(value: side_by_side.Number) -> str:
    if value is None:
        return "?"
    return f"{value:.6f}" if isinstance(value, float) else f"{value:,}"
