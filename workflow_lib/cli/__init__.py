"""The command line, ``daydream``: one module per command.

Comes in: arguments, and the settings of a run.
Goes out: text for a screen, JSON for a script, an exit code (0; 1 found problems or could not go on; 2 used wrongly).
Never: does what a command does; that is in the library, here are only options and layout.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from ..errors import ConfigError, DayDreamError
from ..generations.failures import disk_error
from . import (
    check,
    cohort_from_list,
    cohort_update,
    completion,
    export,
    models,
    new_cohort,
    ping,
    plan,
    promising,
    prompts,
    rejudge,
    select,
    serve_offline,
    show,
    status,
    top,
    upkeep,
    watch,
)
from . import compile as compile_command

FOUND_PROBLEMS = 1
USED_WRONGLY = 2
INTERRUPTED = 130

COMMANDS: tuple[ModuleType, ...] = (
    plan,
    prompts,
    status,
    watch,
    show,
    top,
    export,
    compile_command,
    new_cohort,
    select,
    cohort_from_list,
    rejudge,
    cohort_update,
    promising,
    check,
    upkeep,
    models,
    ping,
    serve_offline,
    completion,
)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; a command's module has `add`, which sets `run`, and gets this as `parser`."""
    parser = argparse.ArgumentParser(
        prog="daydream",
        description="Plan, inspect and look after DayDreaming cohorts. `snakemake` is what runs them.",
        epilog="Exit codes: 0 fine, 1 problems found, 2 wrong usage.",
    )
    # the completion of a shell is made of all commands
    parser.set_defaults(parser=parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in COMMANDS:
        module.add(commands)
    return parser


def command_names() -> list[str]:
    """Return the names of all commands, in the order of --help."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    for module in COMMANDS:
        module.add(commands)
    return list(commands.choices)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: arguments without the program's name; default: the process's.
    """
    argv = sys.argv[1:] if argv is None else argv
    empty = _empty_value(argv)
    if empty:
        # the unset variable of a script must not mean everything
        print(f"{empty}: the value is empty\nHint: give a name, or leave it out to mean all", file=sys.stderr)
        return USED_WRONGLY
    try:
        args = build_parser().parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        return int(args.run(args))
    except DayDreamError as error:
        if args.debug:
            raise
        print(f"daydream {args.command}: {error}", file=sys.stderr)
        return USED_WRONGLY if isinstance(error, ConfigError) else FOUND_PROBLEMS
    except BrokenPipeError:
        # the reader, such as `head`, has seen enough; nothing may be flushed into the closed pipe at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if args.debug:
            raise
        print(f"daydream {args.command}: {disk_error(error, Path())}", file=sys.stderr)
        return FOUND_PROBLEMS
    except KeyboardInterrupt:
        return INTERRUPTED


def _empty_value(argv: Sequence[str]) -> str | None:
    """Return the option (or first word of the command) that has an empty value, None if there is none."""
    name = "daydream"
    for word in argv:
        option, is_assigned, value = word.partition("=")
        if word.startswith("-"):
            name = option
        if not (value if word.startswith("--") and is_assigned else word).strip(" \t\n,"):
            return name
    return None
