"""``daydream completion``."""

import argparse
from typing import Any

from .options import command

SHELLS = ("bash", "zsh", "fish")
DETAILS = (
    'The start-up file of a shell loads it: `eval "$(daydream completion bash)"`, the same for zsh after compinit, '
    "`daydream completion fish | source`. Commands, options, choices, files and folders are completed."
)
FOLDERS = ("DIR",)
FILES = ("FILE", "PATH", "SPEC")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "completion", run, "Print the script that completes daydream in a shell.", DETAILS)
    parser.add_argument("shell", choices=SHELLS, help="the shell that reads the script")


def run(args: argparse.Namespace) -> int:
    """Print the script for the parser in `args.parser`; always 0."""
    # 0.1 s to load; other commands do without
    import shtab

    _prepare(args.parser, shtab.FILE, shtab.DIRECTORY)
    print(shtab.complete(args.parser, args.shell))
    return 0


def _prepare(parser: argparse.ArgumentParser, files: dict[str, Any], folders: dict[str, Any]) -> None:
    """Mark what takes a file or folder, and leave one line of description to each command."""
    for action in parser._actions:
        if action.metavar in FOLDERS:
            action.complete = folders  # type: ignore[attr-defined]
        elif action.metavar in FILES:
            action.complete = files  # type: ignore[attr-defined]
        if isinstance(action, argparse._SubParsersAction):
            for listed in action._choices_actions:
                own = action.choices[listed.dest]
                own.description = listed.help
                _prepare(own, files, folders)
