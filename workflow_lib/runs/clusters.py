"""What a run needs whose jobs a cluster makes: chunks, and keys that lie in the shared folder and nowhere else."""

import os
import stat
from collections.abc import Iterable, MutableMapping
from pathlib import Path

from ..calls import Caller
from ..cohorts.membership import Entry
from ..errors import ConfigError
from ..generations import is_copy
from ..settings import DOTENV_FILE, Settings, read_dotenv

WAYS = "docs/cluster.md shows what goes where"


def require_chunks(settings: Settings) -> None:
    """Raise ConfigError unless the run is in batch mode: a cluster takes seconds to start a job."""
    if not settings.batch:
        raise ConfigError(
            "on a cluster, generations are made in chunks: a job for each would take seconds to start",
            f"add --config batch=200, or write batch: 200 into config/config.yaml; {WAYS}",
        )


def require_keys_on_file(caller: Caller, entries: Iterable[Entry], file: Path = DOTENV_FILE) -> None:
    """Raise ConfigError if jobs could not read a key that they need from the shared folder, or others could.

    Args:
        caller: the client of this run.
        entries: the generations that are to be bought.
        file: the file of keys; default: that of the working directory.
    """
    settings = caller.settings
    asked = {entry.llm_model_id for entry in entries if not is_copy(settings, entry)}
    names = {caller.model(model_id).endpoint for model_id in asked}
    variables = {settings.endpoints[name].api_key_env for name in names if name in settings.endpoints}
    for variable in sorted(one for one in variables if one and settings.environment.get(one)):
        if read_dotenv(file).get(variable) != settings.environment[variable]:
            raise ConfigError(
                f"the key in {variable} is not in {file}, from which jobs on other hosts read it",
                f"write {variable}=... into {file.absolute()}, and `chmod 600` it; a cluster keeps the environment of "
                "its jobs, so keys are not handed over in it",
            )
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise ConfigError(f"{file} holds a key and others may read it", f"chmod 600 {file.absolute()}")


def forget_keys(settings: Settings, environment: MutableMapping[str, str] = os.environ) -> None:
    """Take the keys out of the environment that jobs are submitted with: a cluster keeps it."""
    for endpoint in settings.endpoints.values():
        if endpoint.api_key_env:
            environment.pop(endpoint.api_key_env, None)
