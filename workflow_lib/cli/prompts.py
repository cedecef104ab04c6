"""``daydream prompts``."""

import argparse
import sys
from pathlib import Path

from .. import generations
from ..files import write_text
from ..inspect import prompts, scope
from .options import add_cohort, command, settings_of
from .output import counted, warn

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


def run(args: argparse.Namespace) -> int:
    """Write the prompts; always 0."""
    settings = settings_of(args)
    within = scope.declared(settings)
    warn(within.warnings)
    rendered = waiting = 0
    for entry, text in prompts.prompts(settings, within):
        if text is None:
            waiting += 1
            continue
        rendered += 1
        system = prompts.system(settings, entry)
        if args.out:
            write_text(args.out / entry.stage / f"{entry.gen_id}.txt", text)
            if system is not None:
                write_text(args.out / entry.stage / f"{entry.gen_id}.system.txt", system)
        else:
            print(f"----- {entry.stage} {entry.gen_id}: {entry.template_id} for {entry.llm_model_id}")
            print(text if system is None else f"--- system message\n{system}\n--- prompt\n{text}", end="\n\n")
    copies = sum(generations.is_copy(settings, entry) for entry in within.membership)
    where = f" in {args.out}" if args.out else ""
    print(
        f"{counted(rendered, 'prompt')} rendered{where}, {waiting:,} waiting for the parent's text, "
        f"{copies:,} copied without a prompt",
        file=sys.stderr,
    )
    return 0
