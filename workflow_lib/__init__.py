"""DayDreaming: cohorts of drafts, essays and judgements; everything but the Snakemake rules.

``ids``, ``parsers``, ``spec`` and ``scores`` are the modules that other projects may rely on. The packages
stand in the order in which the data takes its way: catalogs, spec, cohorts, calls, generations, results,
pages, and then inspect and cli, which look at all of them.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    # on demand: scores needs pandas, which takes a second to import
    if name == "scores":
        from .results import scores

        return scores
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
