"""The settings of a run.

Comes in: `--config`, the environment, `.env` and config/config.yaml.
Goes out: one frozen `Settings`, complete and checked; every key is an attribute.
Never: a default anywhere else, or a key that `keys` does not describe.
"""

from .keys import EndpointSettings, IdSettings, LlmSettings, PoolSettings, ResultsSettings, Settings, StageSettings
from .loading import CONFIG_FILE, DOTENV_FILE, ENVIRONMENT, PROJECT, from_words, load, read_dotenv
from .names import URL_VARIABLES, split_names

__all__ = [
    "CONFIG_FILE",
    "DOTENV_FILE",
    "ENVIRONMENT",
    "PROJECT",
    "URL_VARIABLES",
    "EndpointSettings",
    "IdSettings",
    "LlmSettings",
    "PoolSettings",
    "ResultsSettings",
    "Settings",
    "StageSettings",
    "from_words",
    "load",
    "read_dotenv",
    "split_names",
]
