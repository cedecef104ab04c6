"""Looking for a batch that was handed over, and whose id was never learned: the run died, or the response was lost."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ...errors import StoreError
from .. import retries
from ..providers import Endpoint
from ..replies import CallError
from ..retries import Again
from ..transfer import Limits
from .records import Record
from .services import Seen, Service

# clocks of two machines may differ; what else is in this window is told apart by its custom_ids
CLOCKS_SECONDS = 3600.0
_VARIANT = ":batch"


@dataclass(frozen=True)
class Search:
    """What a look at a service's list found.

    Attributes:
        batch_id: the batch that was looked for, None if it was not found.
        undecided: some batch may be the one, and will show it when it has ended.
    """

    batch_id: str | None = None
    undecided: bool = False


def find(
    service: Service, endpoint: Endpoint, record: Record, path: Path, others: Iterable[str], limits: Limits
) -> Search:
    """Look for the batch of a record.

    Args:
        service: the endpoint's style.
        endpoint: where it was handed over.
        record: what is known of it.
        path: the record's file, for messages.
        others: the services' ids of our other batches.
        limits: time and size of each request.

    Raises:
        StoreError: the service has no list, so that nobody but a person can know.
        CallError: the service could not be asked now.
    """
    since = datetime.fromisoformat(record.submitted_at).timestamp() - CLOCKS_SECONDS
    try:
        listed = service.listed(endpoint, since, limits)
    except CallError as error:
        if error.rule in (retries.STATUS[404], retries.UNEXPECTED):
            raise _unknowable(record, path, error) from None
        raise
    known = set(others)
    asked = {request.custom_id for request in record.requests}
    undecided = False
    for seen in listed:
        if seen.mark == record.record_id:
            return Search(seen.batch_id)
        if seen.mark is not None or seen.batch_id in known or not _may_be(seen, record):
            continue
        try:
            names = service.custom_ids(endpoint, seen, limits)
        except CallError as error:
            if error.rule.again is not Again.NEVER:
                raise
            # deleted since it was listed
            continue
        if names is None:
            undecided = True
        elif names and names <= asked:
            return Search(seen.batch_id)
    return Search(None, undecided)


def _may_be(seen: Seen, record: Record) -> bool:
    """Return whether a batch without a mark has our model and our number of requests, as far as it shows them."""
    there, ours = (seen.model or "").removesuffix(_VARIANT), record.model.removesuffix(_VARIANT)
    # a service may answer with the dated name of a model
    same_model = not there or there.startswith(ours) or ours.startswith(there)
    return same_model and seen.total in (None, 0, len(record.requests))


def _unknowable(record: Record, path: Path, error: CallError) -> StoreError:
    return StoreError(
        f"a batch of {len(record.requests)} requests to {record.model} was handed to endpoint '{record.endpoint}' at "
        f"{record.submitted_at}, its id was never learned, and the service gives no list: {error.message}",
        f"look for it in your account there; if it is there, write its id into {path} as `batch_id`, and `submitted` "
        f"as `state`; if it is certainly not, remove that file; then run again",
    )
