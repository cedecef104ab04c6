"""The files of a generation whose call is part of a batch: its claim, its answer, its failure.

No room is held for the answers: a service keeps results for days, and they are fetched again once there is room.
"""

import time
from collections.abc import Mapping
from typing import Any

from ...errors import DayDreamError
from ...files import create_exclusively, dump_json, write_json
from ...paths import DataRoot
from .. import attempts, claims, holders
from ..attempts import ANSWER, FAILED, REQUEST
from ..journal import Journal
from ..replies import CallError, Reply
from .records import Record, Request

# how long results wait for room on a full disk before the run gives up; they stay at the service
PATIENCE_SECONDS = 60.0
_OF_THE_CLAIM = ("heartbeat", "holder", "tries")


def claim(own: Journal, number: int, content: Mapping[str, Any], record_id: str) -> bool:
    """Claim an attempt for a batch; False if somebody else took it first, or an answer came to light.

    Args:
        own: the generation's journal.
        number: of the attempt.
        content: what the attempt keeps of the request.
        record_id: of the batch, as long as whose record is open the claim lives.

    A power cut may still undo it: the claims of a batch are synced together, before it is handed over.
    """
    if claims.clean_up(own.folder, number):
        return False
    full = {
        "heartbeat": holders.FIRST_BEAT,
        "holder": holders.me(),
        "number": number,
        **content,
        "batch": record_id,
        "tries": [],
    }
    return create_exclusively(own.path(number, REQUEST), dump_json(full))


def request_of(own: Journal, number: int) -> Mapping[str, Any]:
    """Return the body of the request of an attempt.

    Raises:
        DayDreamError: its file is gone or damaged.
    """
    asked = attempts.read_request(own.path(number, REQUEST)).get("request")
    if not isinstance(asked, dict):
        raise DayDreamError(
            f"{own.path(number, REQUEST)}: holds no request any more, and its batch has to be handed over",
            "restore it from a copy; or remove the record of the batch in provider_batches/open to ask anew",
        )
    return asked


def journal_of(data: DataRoot, request: Request) -> Journal:
    """Return the journal of a request's generation."""
    return Journal(data.generation(request.stage, request.gen_id))


def is_settled(own: Journal, number: int) -> bool:
    """Return whether an answer or a failure of the attempt is on disk."""
    return bool(own.numbers().get(number, frozenset()) & {ANSWER, FAILED})


def keep(record: Record, own: Journal, request: Request, reply: Reply, about: Mapping[str, Any]) -> None:
    """Keep an answer, as a single call would.

    Args:
        record: the batch.
        own: the generation's journal.
        request: its request in the batch.
        reply: the answer.
        about: cost_usd, cost_source, single_usd.

    Raises:
        OSError: the disk stayed full; the results can be fetched again.
    """
    content = {
        **_asked(own, request, record),
        "served_model": reply.served_model,
        "answer": reply.answer,
        "reasoning": reply.reasoning,
        "finish_reason": reply.finish_reason,
        "usage": reply.usage,
        **about,
        "generation_id": reply.generation_id,
        # hours in a queue say nothing about how long a call takes
        "duration_s": None,
        "batch_id": record.batch_id,
        "tries": 1,
        "started_at": record.submitted_at,
        "adopted": False,
    }
    rare = {"refusal": reply.refusal, "odd_figures": reply.odd_figures}
    content |= {name: value for name, value in rare.items() if value is not None}
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            write_json(own.path(request.number, ANSWER), content, durable=True)
            return
        except OSError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.5)


def fail(own: Journal, request: Request, record: Record, error: CallError) -> None:
    """Record that no answer came of a request; where it may be billed all the same, the claim says so, too."""
    tried: dict[str, Any] = {"started_at": record.submitted_at or record.begun_at, "outcome": error.reason}
    about = {"maybe_billed": error.maybe_billed or None, "cost_usd": error.cost_usd, "body": error.body}
    tried |= {name: value for name, value in about.items() if value is not None}
    asked = _asked(own, request, record)
    if error.maybe_billed:
        holder = {"heartbeat": holders.FIRST_BEAT, "holder": holders.me()}
        write_json(own.path(request.number, REQUEST), {**holder, **asked, "tries": [tried]})
    said = {"reason": error.reason, "message": error.message, "remedy": error.remedy}
    write_json(own.path(request.number, FAILED), {**asked, **said, "tries": [tried], "failed_at": attempts.now()})


def _asked(own: Journal, request: Request, record: Record) -> dict[str, Any]:
    """Return what the claim says of a request; what the record says, if the claim is gone."""
    asked = attempts.read_request(own.path(request.number, REQUEST)) or {
        "number": request.number,
        "gen_id": request.gen_id,
        "stage": request.stage,
        "cohort_id": record.cohort_id,
        "endpoint": record.endpoint,
        "llm_model_id": record.llm_model_id,
        "model": record.model,
        "request": None,
        "request_sha256": None,
        "batch": record.record_id,
    }
    return {key: value for key, value in asked.items() if key not in _OF_THE_CLAIM}
