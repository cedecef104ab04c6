"""The provider batches that are open in the name of some cohorts."""

from collections.abc import Iterable
from typing import Any

from ..calls.provider_batches.records import Record, open_batches
from ..paths import DataRoot


def of(data: DataRoot, cohort_ids: Iterable[str]) -> list[Record]:
    """Return the open batches that some cohorts pay for, the oldest first."""
    wanted = set(cohort_ids)
    return [record for record in open_batches(data) if record.cohort_id in wanted]


def as_json(record: Record) -> dict[str, Any]:
    """Return an open batch in the shape that docs/tables.md documents."""
    return {
        "record_id": record.record_id,
        "batch_id": record.batch_id or None,
        "endpoint": record.endpoint,
        "model": record.llm_model_id,
        "stages": record.stages,
        "requests": len(record.requests),
        "state": record.seen.get("status") or record.state,
        "completed": record.seen.get("completed"),
        "submitted_at": record.submitted_at or None,
        "age_s": round(record.age_s, 1),
    }
