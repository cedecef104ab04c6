"""
What a run says: a user's mistake is one message without a traceback, and no line lists thousands of files. No rules.
"""

import logging
import textwrap

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

# an invisible sign around a message that is complete in itself; what Snakemake adds around it is left out
SIGN = "\N{INVISIBLE SEPARATOR}"
MAX_FILES = 6


class UserError(WorkflowError):
    """An error that the user can act upon; its message says all there is to say."""

    def __init__(self, error, about=""):
        super().__init__(f"{SIGN}{about}{error}{SIGN}")


class Concise(logging.Filter):
    """Shortens what Snakemake logs: user errors to their message, long lists of files to their length."""

    def filter(self, record):
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_ERROR or str(record.msg).startswith(
            ("Cannot restore", "Restored previous version")
        ):
            # the error itself was logged just before; that the outputs are as they were goes without saying
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
        return True


if not any(type(known).__name__ == "Concise" for known in logger.filters):
    logger.addFilter(Concise())
