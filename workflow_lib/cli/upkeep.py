"""``daydream regenerate`` and ``daydream remove``."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..cohorts.membership import Entry
from ..inspect import archive
from ..inspect.archive import Filters, Move
from ..settings import Settings
from ..stages import STAGES
from .options import add_cohort, add_json, command, names, settings_of
from .output import console, counted, print_json, print_table, warn

REGENERATE = "Order fresh answers and archive the present ones."
REMOVE = "Archive generations with all their files."
REGENERATE_DETAILS = (
    "raw.txt, parsed.txt and what goes with them are moved to archive/ in the data root, and a fresh answer is "
    "ordered; the next run that asks for these generations buys it. attempts/ stays: no answer is ever lost."
)
REMOVE_DETAILS = (
    "Their folders are moved to archive/<time>/ in the data root; move them back to undo it. A later run of a cohort "
    "that they belong to buys them anew: take them out of its spec as well."
)
MAX_SHOWN = 20


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands."""
    _add_one(commands, "regenerate", _run_regenerate, REGENERATE, REGENERATE_DETAILS)
    _add_one(commands, "remove", _run_remove, REMOVE, REMOVE_DETAILS)


def _add_one(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    details: str,
) -> None:
    details += " Only shows what it would do, unless --apply is given. Filters narrow each other."
    parser = command(commands, name, run, summary, details)
    parser.add_argument("--stage", choices=STAGES, help="only this stage")
    parser.add_argument(
        "--gen-id", metavar="ID", action="append", default=[], help="only this one; several by commas or repeated"
    )
    add_cohort(parser, "only generations of this cohort (default: the whole store)")
    parser.add_argument("--template", metavar="T", help="only this template")
    parser.add_argument("--model", metavar="M", help="only this model id")
    parser.add_argument("--stale", action="store_true", help="only those that are stale themselves")
    parser.add_argument("--failed", action="store_true", help="only those with a failure that still stands")
    parser.add_argument("--descendants", action="store_true", help="and all that is made from them")
    parser.add_argument("--apply", action="store_true", help="do it")
    add_json(parser)


def _run_regenerate(args: argparse.Namespace) -> int:
    return _run(args, archive.to_regenerate, archive.regenerate)


def _run_remove(args: argparse.Namespace) -> int:
    return _run(args, archive.to_remove, archive.archive)


def _run(
    args: argparse.Namespace,
    moves_of: Callable[[Settings, Iterable[Entry]], list[Move]],
    carry_out: Callable[[Settings, Sequence[Move]], Path],
) -> int:
    settings = settings_of(args)
    filters = Filters(
        args.stage,
        tuple(gen_id for text in args.gen_id for gen_id in names(text)),
        args.cohort,
        args.template,
        args.model,
        args.stale,
        args.failed,
        args.descendants,
    )
    chosen = archive.select(settings, filters)
    moves = moves_of(settings, chosen)
    _warn(args.command, settings, [move.entry for move in moves])
    folder = carry_out(settings, moves) if args.apply and moves else None
    if args.json:
        print_json(
            {
                "applied": folder is not None,
                "archive": str(folder) if folder else None,
                "generations": [{"stage": move.entry.stage, "gen_id": move.entry.gen_id} for move in moves],
            }
        )
        return 0
    _show(args.command, moves, folder)
    return 0


def _warn(command_name: str, settings: Settings, entries: list[Entry]) -> None:
    left = archive.descendants_left(settings, entries)
    if left:
        effect = "stay without them" if command_name == "remove" else "become stale"
        warn([f"{counted(len(left), 'generation')} made from these {effect}; --descendants takes them along"])
    if command_name == "remove":
        for name, count in archive.cohorts_with(settings, entries).items():
            warn([f"{count:,} of these are in cohort {name}: its next run buys what it lacks"])


def _show(command_name: str, moves: list[Move], folder: Path | None) -> None:
    out = console()
    if not moves:
        out.print("Nothing matches.")
        return
    rows = [
        (move.entry.stage, move.entry.gen_id, move.entry.template_id, move.entry.llm_model_id, move.entry.replicate)
        for move in moves[:MAX_SHOWN]
    ]
    print_table(f"To {command_name}", ("stage", "gen_id", "template", "model", "replicate"), rows)
    if len(moves) > MAX_SHOWN:
        out.print(f"... and {len(moves) - MAX_SHOWN:,} more; --json lists all")
    if folder is None:
        out.print(f"{counted(len(moves), 'generation')}; nothing was changed. Add --apply to do it.")
        return
    out.print(f"{counted(len(moves), 'generation')}: moved to {folder}")
    out.print(f"To undo: cp -a {folder}/. {folder.parent.parent}/")
    if command_name == "regenerate":
        out.print("and delete the newest attempts/*.fresh.json of each, which is the order for another answer.")
