"""The record of a batch: what was asked in it, what state it is in, which process sees to it."""

import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...errors import StoreError
from ...files import dump_json, read_recorded, write_json, write_text
from ...locks import locked
from ...paths import DataRoot
from .. import attempts, holders

# requests are being claimed; nothing was sent
PREPARING = "preparing"
# handed over, or about to be: the service may have it
SUBMITTING = "submitting"
# the service has it, and its id is known
SUBMITTED = "submitted"

_lock = threading.Lock()
_kept: set[Path] = set()


@dataclass(frozen=True)
class Request:
    """One request of a batch.

    Attributes:
        number: of the attempt.
        ceiling_usd: the most that it can cost, None where the model has no price.
    """

    stage: str
    gen_id: str
    number: int
    ceiling_usd: float | None

    @property
    def custom_id(self) -> str:
        """Its name in the batch; the letters that all services take."""
        return f"{self.gen_id}-{self.number:04d}"

    @property
    def key(self) -> str:
        """Its name on the bill, as `committed.attempt_key` has it."""
        return f"{self.stage}/{self.gen_id}/{self.number}"


@dataclass(frozen=True)
class Record:
    """A batch as its file has it.

    Attributes:
        record_id: our name of it.
        cohort_id: who pays.
        endpoint, style: of the service.
        llm_model_id, model: who is asked.
        state: `PREPARING`, `SUBMITTING` or `SUBMITTED`.
        begun_at: when it was begun, UTC.
        submitted_at: when it was handed over; empty before.
        batch_id: the service's name of it; empty while it is not known.
        prepared: what the service gave for it before it was handed over, such as the id of a file.
        seen: status and counts when the service was last asked.
        requests: what it asks.
    """

    record_id: str
    cohort_id: str
    endpoint: str
    style: str
    llm_model_id: str
    model: str
    state: str = PREPARING
    begun_at: str = ""
    submitted_at: str = ""
    batch_id: str = ""
    prepared: Mapping[str, Any] = field(default_factory=dict)
    seen: Mapping[str, Any] = field(default_factory=dict)
    requests: tuple[Request, ...] = ()

    @property
    def stages(self) -> list[str]:
        """The stages of its generations."""
        return list(dict.fromkeys(request.stage for request in self.requests))

    @property
    def age_s(self) -> float:
        """Seconds since it was handed over, or begun."""
        then = datetime.fromisoformat(self.submitted_at or self.begun_at)
        return max(0.0, (datetime.now(UTC) - then).total_seconds())


class Kept:
    """A record that this process sees to: nobody else does while it lives."""

    def __init__(self, path: Path, record: Record):
        self.path = path
        self.record = record
        holders.heart.keep(path)

    def save(self, **changed: Any) -> None:
        """Write the record with some fields changed; not even a power cut undoes it."""
        self.record = replace(self.record, **changed)
        _write(self.path, self.record)

    def end(self, **about: Any) -> None:
        """Move the record to those of the ended batches; from then on its claims are over.

        Args:
            about: what became of it.
        """
        ended = self.path.parent.parent / "ended" / self.path.name
        write_json(ended, {**asdict(self.record), "ended_at": attempts.now(), **about})
        self.path.unlink(missing_ok=True)
        self._leave()

    def release(self) -> None:
        """Let another process see to it."""
        _write(self.path, self.record, released=True)
        self._leave()

    def _leave(self) -> None:
        holders.heart.stop(self.path)
        with _lock:
            _kept.discard(self.path)


def begin(data: DataRoot, **about: Any) -> Kept:
    """Write the record of a new batch.

    Args:
        data: where.
        about: fields of `Record`.
    """
    now = datetime.now(UTC)
    record_id = f"{now:%Y%m%dT%H%M%S.%f}-{uuid.uuid4().hex[:8]}"
    path = data.provider_batch(record_id)
    record = Record(record_id, begun_at=attempts.now(), **about)
    with _lock:
        _kept.add(path)
    _write(path, record)
    return Kept(path, record)


def take(data: DataRoot, record_id: str, watch: holders.Watch) -> Kept | None:
    """Return an open batch that from now on this thread sees to; None if somebody does, or it has ended.

    Raises:
        StoreError: its file cannot be read.
    """
    path = data.provider_batch(record_id)
    with _lock:
        if path in _kept:
            return None
        with locked(data.coordination / "provider_batches.lock"):
            content = attempts.read_request(path)
            record = _read(content)
            if record is None and path.exists():
                raise StoreError(
                    f"{path}: cannot be read as the record of a batch",
                    "restore it from a copy; or look for the batch at its service, and remove the file only if it is "
                    "not there: its requests are asked anew then",
                )
            if record is None or not (content.get("released") or watch.expired(path, content)):
                return None
            _write(path, record)
        _kept.add(path)
    return Kept(path, record)


def open_batches(data: DataRoot) -> list[Record]:
    """Return the batches that have not ended, the oldest first."""
    found = (_read(read_recorded(path)) for path in sorted((data.provider_batches / "open").glob("*.json")))
    return [record for record in found if record is not None]


def known_ids(data: DataRoot, but: str) -> Iterator[str]:
    """Yield the services' ids of all our batches, ended or not, but for the one with the record id `but`."""
    for path in data.provider_batches.glob("*/*.json"):
        if path.stem != but:
            yield str(read_recorded(path).get("batch_id") or "")


def _write(path: Path, record: Record, **more: Any) -> None:
    content = {"heartbeat": holders.FIRST_BEAT, "holder": holders.me(), **more, **asdict(record)}
    write_text(path, dump_json(content), durable=True)


def _read(content: Mapping[str, Any]) -> Record | None:
    try:
        requests = tuple(Request(**one) for one in content["requests"])
        names = {name for name in Record.__dataclass_fields__ if name in content}
        return Record(**{name: content[name] for name in names} | {"requests": requests})
    except (KeyError, TypeError):
        return None
