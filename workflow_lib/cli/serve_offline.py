"""``daydream serve-offline``."""

import argparse

from ..offline import server
from .options import command

DETAILS = (
    "The same answers as in the process, OpenAI-compatible, on loopback unless told otherwise; with delays and "
    "faults for rehearsals. Point a run at it with DD_OFFLINE_BASE_URL, or with DD_LLM_BASE_URL for all models."
)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "serve-offline", server.run, "Serve the offline models over HTTP.", DETAILS)
    server.add_arguments(parser)
