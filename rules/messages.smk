"""
What a run says: a user's mistake is one message without a traceback, and no line lists thousands of files. No rules.
"""

import contextlib
import logging
import sys
import textwrap
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

from workflow_lib.errors import DayDreamError
from workflow_lib.generations import failures

# an invisible sign around a message that is complete in itself; what Snakemake adds around it is left out
SIGN = "\N{INVISIBLE SEPARATOR}"
MAX_FILES = 6
# logs of the failed jobs whose message this process has shown: Snakemake's own report of them is its echo. A job in a
# process of its own, on a cluster for example, is not among them.
SHOWN = set()


class UserError(WorkflowError):
    """An error that the user can act upon; its message says all there is to say."""

    def __init__(self, error, about=""):
        super().__init__(f"{SIGN}{about}{error}{SIGN}")


class Concise(logging.Filter):
    """Shortens what Snakemake logs: user errors to their message, long lists of files to their length."""

    def filter(self, record):
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_ERROR and not SHOWN.isdisjoint(record.log):
            return False
        if str(record.msg).startswith(("Cannot restore", "Restored previous version")):
            # that the outputs are as they were goes without saying
            return False
        if event == LogEvent.JOB_INFO:
            for name in ("input", "output"):
                files = getattr(record, name, None)
                if files and len(files) > MAX_FILES:
                    setattr(
                        record,
                        name,
                        [*files[:MAX_FILES], f"... and {len(files) - MAX_FILES} more"],
                    )
            record.reason = textwrap.shorten(
                str(record.reason), 300, placeholder=" ..."
            )
        text = str(record.msg)
        if text.count(SIGN) >= 2:
            record.msg = textwrap.dedent(text.split(SIGN)[1].replace("\n  ", "\n"))
            # the run has said it already, once for all jobs that it concerns
            if not record.msg:
                return False
        if (
            record.levelno >= logging.ERROR
            and event in (None, LogEvent.ERROR)
            and is_silent()
        ):
            # --quiet all drops errors, too: a timer's log would not say why nothing came
            print(record.getMessage(), file=sys.stderr)
        return True


def is_silent():
    """Return whether Snakemake shows nothing at all, as --quiet all has it."""
    shown = workflow.output_settings
    return Quietness.ALL in (shown.quiet or ()) and not shown.dryrun


if not any(type(known).__name__ == "Concise" for known in logger.filters):
    logger.addFilter(Concise())


@contextlib.contextmanager
def one_message():
    """Turn an error that the user can act upon into its message, without a traceback."""
    try:
        yield
    except DayDreamError as error:
        raise UserError(error) from None


@contextlib.contextmanager
def logged(path):
    """Give a function that notes a line in a job's log; an error is noted there, too, and ends the job."""

    def say(line):
        # a full disk is reported on the screen
        with contextlib.suppress(OSError), open(path, "a", encoding="utf-8") as log:
            print(line, file=log)

    try:
        yield say
    except (DayDreamError, OSError) as problem:
        error = (
            failures.disk_error(problem, DATA.root)
            if isinstance(problem, OSError)
            else problem
        )
        say(str(error))
        SHOWN.add(path)
        if getattr(error, "is_said", False):
            raise UserError("") from None
        raise UserError(
            error, about=f"{Path(path).parent.name} {Path(path).stem}: "
        ) from None


def to_screen(text):
    """Print what a run has to say at its end."""
    print(f"\n{text}", file=sys.stderr)
