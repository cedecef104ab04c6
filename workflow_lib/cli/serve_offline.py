"""``daydream serve-offline``."""

import argparse

from ..offline import command as server_command
from .options import command

DETAILS = (
    "The server is OpenAI-compatible, gives the same answers as the offline models inside a run, and listens on "
    "loopback unless --host says otherwise. Delays and faults are for rehearsals. Point a run at it with "
    "DD_OFFLINE_BASE_URL, or with DD_LLM_BASE_URL for all models."
)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "serve-offline", server_command.run, "Serve the offline models over HTTP.", DETAILS)
    server_command.add_arguments(parser)
