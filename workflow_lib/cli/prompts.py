"""``daydream prompts``."""

import argparse
import sys
from pathlib import Path

from .. import generations
from ..cohorts.membership import Entry
from ..files import write_text
from ..inspect import prompts, scope
from .options import add_cohort, add_json, command, settings_of
from .output import counted, print_json, warn

DETAILS = "No call is made. Generations that only copy their parent have no prompt."


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "prompts", run, "Render every prompt that can be rendered now.", DETAILS)
    add_cohort(parser)
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="write DIR/<stage>/<gen_id>.txt (and .system.txt) instead of to the screen",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Write the prompts; always 0."""
    settings = settings_of(args)
    within = scope.declared(settings)
    warn(within.warnings)
    rendered = waiting = 0
    listed: list[dict[str, str | None]] = []
    for entry, text in prompts.prompts(settings, within):
        if text is None:
            waiting += 1
            continue
        rendered += 1
        system = prompts.system(settings, entry)
        path = args.out / entry.stage / f"{entry.gen_id}.txt" if args.out else None
        if path:
            _write(path, text, system)
        if args.json:
            listed.append(_as_json(entry, text, system, path))
        elif not path:
            print(f"----- {entry.stage} {entry.gen_id}: {entry.template_id} for {entry.llm_model_id}")
            print(text if system is None else f"--- system message\n{system}\n--- prompt\n{text}", end="\n\n")
    copies = sum(generations.is_copy(settings, entry) for entry in within.membership)
    if args.json:
        print_json({"cohort": within.name, "prompts": listed, "waiting": waiting, "copies": copies})
        return 0
    where = f" in {args.out}" if args.out else ""
    print(
        f"{counted(rendered, 'prompt')} rendered{where}, {waiting:,} waiting for the parent's text, "
        f"{copies:,} copied without a prompt",
        file=sys.stderr,
    )
    return 0


def _write(path: Path, text: str, system: str | None) -> None:
    write_text(path, text)
    if system is not None:
        write_text(path.with_suffix(".system.txt"), system)


def _as_json(entry: Entry, text: str, system: str | None, path: Path | None) -> dict[str, str | None]:
    return {
        "stage": entry.stage,
        "gen_id": entry.gen_id,
        "template": entry.template_id,
        "model": entry.llm_model_id,
        "system": system,
        "prompt": text,
        "file": str(path) if path else None,
    }
