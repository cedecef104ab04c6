"""One generation: its prompt, its answer, its parsed text, and the state that it is in.

Comes in: a row of membership, its parent's parsed text, an attempt of the journal.
Goes out: the files of gens/<stage>/<gen_id>/, and what they say.
Never: sends a request by itself, or aggregates over generations.
"""

from .make import adopt, buy, lacks_files, metadata_of, normalised, parse, restore
from .mode import is_copy, pool_of
from .parsing import needs_parse
from .prompts import render, request_for, seed_of, system_message, variables_of

__all__ = [
    "adopt",
    "buy",
    "is_copy",
    "lacks_files",
    "metadata_of",
    "needs_parse",
    "normalised",
    "parse",
    "pool_of",
    "render",
    "request_for",
    "restore",
    "seed_of",
    "system_message",
    "variables_of",
]
