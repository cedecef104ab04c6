"""The journal of one generation, ``attempts/``: what was asked, what came back, kept for ever.

Numbers are never used again and nothing here is ever changed but a request's heartbeat and tries.
A file that cannot be read counts as what its name says: an answer that must not be bought again, a call
that may have been billed, an open order. Only reading an answer raises an error about its file.
"""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..files import create_exclusively, dump_json, read_recorded, sha256_text
from ..paths import Generation
from . import attempts, claims, holders
from .attempts import ANSWER, FAILED, FRESH, REQUEST, Damage, UnreadableAnswer, now
from .claims import Claim

LONG_SILENCE_SECONDS = 600.0


def request_sha256(request: Mapping[str, Any]) -> str:
    """Return the hex sha256 of a request's content, independent of the order of its keys."""
    return sha256_text(json.dumps(request, sort_keys=True, ensure_ascii=True))


@dataclass(frozen=True)
class MaybeBilled:
    """A try that was sent and brought no answer that can be used: it may stand on the bill.

    Attributes:
        model: id of the model; empty where the request file cannot be read.
        started_at: when it was sent; of a request file that cannot be read, when it was last written.
        try_number: which try of the attempt it was, from 1.
        reason: how it ended: ``unanswered``, or why what came cannot be used; None if its process died.
        cost_usd: what the endpoint said that it cost, None if it said nothing.
    """

    stage: str
    gen_id: str
    attempt: int
    model: str
    started_at: str
    try_number: int = 1
    reason: str | None = None
    cost_usd: float | None = None


@dataclass(frozen=True)
class State:
    """What a journal says at one moment.

    Attributes:
        answered: number of the newest answer, None if there is none.
        ordered: a fresh answer was ordered and has not come yet.
        claimed: number of a request that a live process is working on, None if there is none.
        next_number: the number that the next claim takes.
    """

    answered: int | None
    ordered: bool
    claimed: int | None
    next_number: int


class Journal:
    """The attempts of one generation."""

    def __init__(self, generation: Generation):
        self.generation = generation
        self.folder = generation.attempts

    def numbers(self) -> Mapping[int, frozenset[str]]:
        """Return attempt number -> the kinds of files it has."""
        return attempts.numbers(self.folder)

    def path(self, number: int, kind: str) -> Path:
        """Return the path of a file of the journal."""
        return attempts.path_of(self.folder, number, kind)

    def is_answered(self) -> bool:
        """Return whether an answer was kept, be it readable or not."""
        return self.newest_number() is not None

    def newest_answer(self) -> dict[str, Any] | None:
        """Return the answer with the highest number, None if there is none yet.

        Raises:
            UnreadableAnswer: its file cannot be read. It may hold what was paid for: nothing is bought in its
                place unless somebody orders it.
        """
        number = self.newest_number()
        return None if number is None else self.answer(number)

    def newest_number(self) -> int | None:
        """Return the highest number of an answer, be it readable or not; None if there is none."""
        return attempts.newest(self.numbers(), ANSWER)

    def answer(self, number: int) -> dict[str, Any]:
        """Return an answer.

        Raises:
            UnreadableAnswer: its file is damaged, or holds something else.
        """
        return attempts.read_answer(self.path(number, ANSWER))

    def readable_answers(self) -> Iterator[dict[str, Any]]:
        """Yield the answers that can be read, oldest first; `damages` lists the others."""
        for number, kinds in sorted(self.numbers().items()):
            if ANSWER in kinds:
                with contextlib.suppress(UnreadableAnswer):
                    yield self.answer(number)

    def damages(self) -> Iterator[Damage]:
        """Yield the files that cannot be used."""
        for number, kinds in sorted(self.numbers().items()):
            for kind in sorted(kinds):
                damage = attempts.damage_of(self.path(number, kind), kind)
                if damage:
                    yield damage

    def newest_failure(self) -> Mapping[str, Any] | None:
        """Return the record of the last call that brought no answer, None if there is none."""
        number = attempts.newest(self.numbers(), FAILED)
        return None if number is None else read_recorded(self.path(number, FAILED))

    def asked(self, number: int) -> Mapping[str, Any]:
        """Return what an attempt asked for, and who pays; where its request cannot be read, what another one asked.

        All attempts of a generation ask for nearly the same. {} if none of them can be read.
        """
        own = attempts.read_request(self.path(number, REQUEST))
        if own:
            return own
        for other, kinds in sorted(self.numbers().items(), reverse=True):
            for kind in sorted(kinds):
                found = read_recorded(self.path(other, kind))
                if isinstance(found.get("request"), dict):
                    return found
        return {}

    def order(self, order_id: str) -> None:
        """Order a fresh answer; a second order under the same id changes nothing."""
        while True:
            numbers = self.numbers()
            orders = [number for number, kinds in numbers.items() if FRESH in kinds]
            if any(read_recorded(self.path(number, FRESH)).get("order_id") == order_id for number in orders):
                return
            content = {"order_id": order_id, "ordered_at": now()}
            if create_exclusively(self.path(_next(numbers), FRESH), dump_json(content)):
                return

    def adopt(self, raw_text: str, recorded: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        """Keep an answer that came without attempts as an attempt, number 1 unless a call failed before.

        Nothing happens if an answer is there already. An open order stays open.

        Args:
            raw_text: content of raw.txt.
            recorded: raw_metadata.json, {} if there is none.
            about: gen_id, stage, cohort_id.
        """
        numbers = self.numbers()
        if any(ANSWER in kinds for kinds in numbers.values()):
            return
        number = _next(numbers)
        order = attempts.newest(numbers, FRESH)
        usage = recorded.get("usage") if isinstance(recorded.get("usage"), dict) else None
        content = {
            "number": number,
            **about,
            "endpoint": recorded.get("endpoint"),
            "model": recorded.get("model"),
            "served_model": None,
            "request": None,
            "request_sha256": None,
            "answer": raw_text,
            "reasoning": None,
            "finish_reason": recorded.get("finish_reason"),
            "usage": usage,
            "cost_usd": recorded.get("cost_usd"),
            "cost_source": None,
            "generation_id": None,
            "tries": None,
            "started_at": recorded.get("started_at"),
            "duration_s": recorded.get("duration_s"),
            "adopted": True,
        }
        if create_exclusively(self.path(number, ANSWER), dump_json(content)) and order is not None:
            create_exclusively(self.path(number + 1, FRESH), dump_json(read_recorded(self.path(order, FRESH))))

    def claim(self, number: int, content: Mapping[str, Any], answer_bytes: int) -> Claim | None:
        """Take an attempt for this process, just before its first try; None if somebody else took it first.

        Args:
            number: `State.next_number` of the state in which nobody else was seen at work.
            content: what the attempt keeps: gen_id, stage, cohort_id, endpoint, model, request ...
            answer_bytes: disk space to hold for the answer.

        Returns:
            None also where an answer was found whose process died before it could give it its name.

        Raises:
            OSError: the disk cannot hold an answer, or no inode or descriptor is left; nothing was claimed.
        """
        if claims.clean_up(self.folder, number):
            return None
        return claims.take(self.folder, number, content, answer_bytes)

    def state(self, watch: holders.Watch) -> "State":
        """Return what the journal says at one moment; a claim is made upon that and nothing else."""
        numbers = self.numbers()
        answered, ordered = attempts.newest(numbers, ANSWER), attempts.is_ordered(numbers)
        return State(answered, ordered, self._open_claim(numbers, watch), _next(numbers))

    def _open_claim(self, numbers: Mapping[int, frozenset[str]], watch: holders.Watch) -> int | None:
        for number, kinds in sorted(numbers.items(), reverse=True):
            if kinds & {ANSWER, FAILED}:
                return None
            if REQUEST in kinds:
                return None if self._is_over(number, watch) else number
        return None

    def _is_over(self, number: int, watch: holders.Watch) -> bool:
        """Return whether nobody works on a request any more; who does keeps its file whole."""
        path = self.path(number, REQUEST)
        content = attempts.read_request(path)
        if content.get("batch"):
            # it lives as long as its batch, whoever waits for that
            return not self.generation.provider_batch(str(content["batch"])).exists()
        return not content or watch.expired(path, content)

    def batch_of(self, number: int) -> str | None:
        """Return the record id of the provider batch that a request is part of, None if it is a single call."""
        batch = attempts.read_request(self.path(number, REQUEST)).get("batch")
        return str(batch) if batch else None

    def maybe_billed(self, watch: holders.Watch) -> Iterator[MaybeBilled]:
        """Yield every try that was sent and brought no answer that can be used.

        Tries still in flight are not among them.
        """
        numbers = self.numbers()
        last = attempts.newest(numbers, REQUEST) or 0
        for number, kinds in sorted(numbers.items()):
            if REQUEST not in kinds:
                continue
            path = self.path(number, REQUEST)
            content = attempts.read_request(path)
            if not content:
                if ANSWER not in kinds:
                    yield self._lost(number, "", {"started_at": _written_at(path)}, 1)
                continue
            # who opened a later one saw this holder expire; a new watch would have to wait to see it
            ended = bool(kinds & {ANSWER, FAILED}) or number < last or watch.expired(path, content)
            # of another host only a clock can say it at first sight: good enough for a list, not for a takeover
            ended = ended or _silent_seconds(path) > LONG_SILENCE_SECONDS
            for try_number, one in enumerate(attempts.tries_of(content), 1):
                lost = one.get("outcome") == "unanswered" or one.get("maybe_billed") is True
                cut_off = one.get("outcome") is None and ANSWER not in kinds
                if lost or (cut_off and ended):
                    model = str(content.get("llm_model_id") or content.get("model"))
                    yield self._lost(number, model, one, try_number)

    def _lost(self, number: int, model: str, one: Mapping[str, Any], try_number: int) -> MaybeBilled:
        cost = one.get("cost_usd")
        return MaybeBilled(
            self.generation.stage,
            self.generation.gen_id,
            number,
            model,
            str(one.get("started_at")),
            try_number,
            one.get("outcome"),
            float(cost) if isinstance(cost, int | float) else None,
        )


def _next(numbers: Mapping[int, object]) -> int:
    return max(numbers, default=0) + 1


def _written_at(path: Path) -> str:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="milliseconds")
    except OSError:
        return ""


def _silent_seconds(path: Path) -> float:
    """Return how long ago a request's file was written, its heartbeat included."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
