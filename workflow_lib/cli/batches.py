"""Provider batches in flight, as commands show them."""

from collections.abc import Iterable

from ..calls.provider_batches.records import Record
from .output import duration

COLUMNS = ("batch", "stage", "model", "state", "age", "requests", "done")


def rows(batches: Iterable[Record]) -> list[tuple[str, str, str, str, str, int, int]]:
    """Return a row per open batch, see `COLUMNS`."""
    return [
        (
            one.batch_id or "(id not known yet)",
            ", ".join(one.stages),
            one.llm_model_id,
            str(one.seen.get("status") or one.state),
            duration(one.age_s),
            len(one.requests),
            int(one.seen.get("completed") or 0),
        )
        for one in batches
    ]


def line(batches: list[Record]) -> str:
    """Return all open batches in a few words; empty if there are none."""
    if not batches:
        return ""
    requests = sum(len(one.requests) for one in batches)
    done = sum(int(one.seen.get("completed") or 0) for one in batches)
    oldest = duration(max(one.age_s for one in batches))
    return f"provider batches: {len(batches):,} in flight, {done:,} of {requests:,} requests done, oldest {oldest}"
