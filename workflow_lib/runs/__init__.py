"""What the rules ask of the library.

Comes in: the settings of a run, its cohorts, what the store has by now.
Goes out: which work is open and which files a job reads; chunks of a batch run; tables, pages and reports at the end.
Never: knows Snakemake's objects, or decides what state a generation is in.
"""

from ..calls.shared import RUN_VARIABLE
from .chunks import Chunk, Chunks, make_chunk, planned_chunk, write_outcome
from .clusters import forget_keys, require_chunks, require_keys_on_file
from .ends import after_failure, after_success, notes
from .expanding import changes, expand
from .lost import sign_in
from .markers import ALL, Markers
from .method import refuse_part, rules_before
from .orders import buy, order_id
from .run import Run
from .tables import has_cross_news, has_news, write_cross, write_page, write_tables
from .texts import OpenTexts
from .times import ahead_of_the_clock, newest_file

__all__ = [
    "ALL",
    "RUN_VARIABLE",
    "Chunk",
    "Chunks",
    "Markers",
    "OpenTexts",
    "Run",
    "after_failure",
    "after_success",
    "ahead_of_the_clock",
    "buy",
    "changes",
    "expand",
    "forget_keys",
    "has_cross_news",
    "has_news",
    "make_chunk",
    "newest_file",
    "notes",
    "order_id",
    "planned_chunk",
    "refuse_part",
    "require_chunks",
    "require_keys_on_file",
    "rules_before",
    "sign_in",
    "write_cross",
    "write_outcome",
    "write_page",
    "write_tables",
]
