"""The journal of one generation, ``attempts/``: what was asked, what came back, kept for ever [SPEC 7.3].

NNNN.request.json   intent and claim, made just before a call; tells later what may have been billed
NNNN.json           the completed answer
NNNN.failed.json    the last try of a call failed
NNNN.fresh.json     an order for one more answer, open until an answer with a higher number exists

Numbers are never used again and nothing here is ever changed but a request's heartbeat and tries.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import DayDreamError, StoreError
from ..files import (
    Room,
    create_exclusively,
    dump_json,
    encode,
    read_json,
    read_recorded,
    sha256_text,
    write_json,
    write_text,
)
from ..paths import Generation
from . import holders

ANSWER = ""
REQUEST = ".request"
FAILED = ".failed"
FRESH = ".fresh"

_NAME = re.compile(r"(\d{4,})(\.request|\.failed|\.fresh)?\.json")


def now() -> str:
    """Return the present time, UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def request_sha256(request: Mapping[str, Any]) -> str:
    """Return the hex sha256 of a request's content, independent of the order of its keys."""
    return sha256_text(json.dumps(request, sort_keys=True, ensure_ascii=True))


class UnreadableAnswer(StoreError):
    """The file of an answer that was paid for cannot be read."""

    def __init__(self, path: Path, what: str):
        gen_id = path.parent.parent.name
        super().__init__(
            f"{what}; it may be the only copy of an answer that was paid for, so nothing is bought in its place",
            f"restore {path} from a copy; or buy another answer with `daydream regenerate --gen-id {gen_id} --apply`",
        )


@dataclass(frozen=True)
class MaybeBilled:
    """A try that was sent and whose answer never arrived: it may stand on the bill."""

    stage: str
    gen_id: str
    attempt: int
    model: str
    started_at: str


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

    def numbers(self) -> dict[int, set[str]]:
        """Return attempt number -> the kinds of files it has."""
        found: dict[int, set[str]] = {}
        try:
            names = os.listdir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return found
        for name in names:
            match = _NAME.fullmatch(name)
            if match:
                found.setdefault(int(match[1]), set()).add(match[2] or ANSWER)
        return found

    def path(self, number: int, kind: str) -> Path:
        """Return the path of a file of the journal."""
        return self.folder / f"{number:04d}{kind}.json"

    def is_answered(self) -> bool:
        """Tell whether there is an answer, also one whose file cannot be read."""
        return any(ANSWER in kinds for kinds in self.numbers().values())

    def newest_answer(self) -> dict[str, Any] | None:
        """Return the answer with the highest number, None if there is none yet.

        Raises:
            UnreadableAnswer: its file cannot be read. It was paid for: nothing is bought in its place.
        """
        answered = [number for number, kinds in self.numbers().items() if ANSWER in kinds]
        return self.answer(max(answered)) if answered else None

    def answer(self, number: int) -> dict[str, Any]:
        """Return an answer.

        Raises:
            UnreadableAnswer: its file is gone, damaged, or holds something else.
        """
        path = self.path(number, ANSWER)
        try:
            content = read_json(path)
        except (OSError, DayDreamError) as error:
            raise UnreadableAnswer(path, error.message if isinstance(error, DayDreamError) else str(error)) from None
        if not isinstance(content, dict) or not isinstance(content.get("answer"), str):
            raise UnreadableAnswer(path, f"{path}: holds no answer")
        return content

    def newest_failure(self) -> Mapping[str, Any] | None:
        """Return the record of the last call that brought no answer, None if there is none."""
        failed = [number for number, kinds in self.numbers().items() if FAILED in kinds]
        return read_recorded(self.path(max(failed), FAILED)) if failed else None

    def has_open_order(self) -> bool:
        """Tell whether a fresh answer was ordered and has not come yet."""
        numbers = self.numbers()
        answered = max((number for number, kinds in numbers.items() if ANSWER in kinds), default=0)
        return any(FRESH in kinds and number > answered for number, kinds in numbers.items())

    def order(self, order_id: str) -> None:
        """Order a fresh answer; a second order under the same id changes nothing."""
        while True:
            numbers = self.numbers()
            orders = [number for number, kinds in numbers.items() if FRESH in kinds]
            if any(read_json(self.path(number, FRESH)).get("order_id") == order_id for number in orders):
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
        orders = [number for number, kinds in numbers.items() if FRESH in kinds]
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
        if create_exclusively(self.path(number, ANSWER), dump_json(content)) and orders:
            order = read_json(self.path(max(orders), FRESH))
            create_exclusively(self.path(number + 1, FRESH), dump_json(order))

    def claim(self, number: int, content: Mapping[str, Any], answer_bytes: int) -> "Claim | None":
        """Take an attempt for this process, just before its first try; None if somebody else took it first.

        Args:
            number: `State.next_number` of the state in which nobody else was seen at work.
            content: what the attempt keeps: gen_id, stage, cohort_id, endpoint, model, request ...
            answer_bytes: disk space to hold for the answer.

        Raises:
            OSError: the disk cannot hold an answer; nothing was claimed.
        """
        path = self.path(number, REQUEST)
        full = {
            "heartbeat": holders.FIRST_BEAT,
            "holder": holders.me(),
            "number": number,
            **content,
            "tries": [_new_try()],
        }
        text = dump_json(full)
        room = Room(self.path(number, ANSWER), len(text) + answer_bytes)
        try:
            created = create_exclusively(path, text)
        except OSError:
            room.give_up()
            raise
        if not created:
            room.give_up()
            return None
        return Claim(self, number, full, room)

    def state(self, watch: holders.Watch) -> "State":
        """Return what the journal says at one moment; a claim is made upon that and nothing else."""
        numbers = self.numbers()
        answered = max((number for number, kinds in numbers.items() if ANSWER in kinds), default=0)
        ordered = any(FRESH in kinds and number > answered for number, kinds in numbers.items())
        return State(answered or None, ordered, self._open_claim(numbers, watch), _next(numbers))

    def _open_claim(self, numbers: Mapping[int, set[str]], watch: holders.Watch) -> int | None:
        for number, kinds in sorted(numbers.items(), reverse=True):
            if kinds & {ANSWER, FAILED}:
                return None
            if REQUEST in kinds:
                path = self.path(number, REQUEST)
                content = read_recorded(path)
                # it is written in one step: what cannot be read was left by a machine that went down
                return None if not content or watch.expired(path, content) else number
        return None

    def maybe_billed(self, watch: holders.Watch) -> Iterator[MaybeBilled]:
        """Yield every try that was sent and never answered; calls still in flight are not among them."""
        for number, kinds in sorted(self.numbers().items()):
            if REQUEST not in kinds:
                continue
            path = self.path(number, REQUEST)
            content = read_recorded(path)
            if not content:
                if ANSWER not in kinds:
                    yield MaybeBilled(self.generation.stage, self.generation.gen_id, number, "", _written(path))
                continue
            ended = bool(kinds & {ANSWER, FAILED}) or watch.expired(path, content)
            for one in content.get("tries", ()):
                lost = one.get("outcome") == "unanswered"
                cut_off = one.get("outcome") is None and ANSWER not in kinds
                if lost or (cut_off and ended):
                    yield MaybeBilled(
                        self.generation.stage,
                        self.generation.gen_id,
                        number,
                        str(content.get("llm_model_id") or content.get("model")),
                        str(one.get("started_at")),
                    )


class Claim:
    """An attempt that this process works on. Exactly one of `answer` and `fail` ends it."""

    def __init__(self, journal: Journal, number: int, content: dict[str, Any], room: Room):
        self.journal = journal
        self.number = number
        self._room = room
        self._content = content
        holders.heart.keep(self._path)

    def begin_try(self) -> None:
        """Record, before it is sent, that the request is about to be sent again."""
        self._content["tries"].append(_new_try())
        self._save()

    def end_try(self, outcome: str) -> None:
        """Record how a try ended: ``unanswered``, or the reason of a failure that the endpoint gave."""
        self._content["tries"][-1]["outcome"] = outcome
        self._save()

    @property
    def tries(self) -> int:
        """How many requests were sent so far."""
        return len(self._content["tries"])

    @property
    def started_at(self) -> str:
        """When the first request was sent."""
        return self._content["tries"][0]["started_at"]

    @property
    def started_at_last(self) -> str:
        """When the last request was sent."""
        return self._content["tries"][-1]["started_at"]

    def answer(self, result: Mapping[str, Any], *, durable: bool) -> dict[str, Any]:
        """Keep the answer; returns the attempt as written.

        Args:
            result: the fields of the attempt that come with the answer.
            durable: not even a power cut may lose it; costs a few milliseconds.
        """
        full = self._about() | dict(result) | {"tries": self.tries, "started_at": self.started_at, "adopted": False}
        self._room.fill(encode(dump_json(full)), durable=durable)
        holders.heart.stop(self._path)
        return full

    def fail(self, failure: Mapping[str, Any]) -> None:
        """Record that no answer came of this attempt."""
        self._room.give_up()
        holders.heart.stop(self._path)
        full = self._about() | dict(failure) | {"tries": self._content["tries"], "failed_at": now()}
        write_json(self.journal.path(self.number, FAILED), full)

    @property
    def _path(self) -> Path:
        return self.journal.path(self.number, REQUEST)

    def _about(self) -> dict[str, Any]:
        return {key: value for key, value in self._content.items() if key not in ("heartbeat", "holder", "tries")}

    def _save(self) -> None:
        write_text(self._path, dump_json(self._content))


def _written(path: Path) -> str:
    """Return when a file was written, as `now` has it; empty if it is gone."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="milliseconds")
    except OSError:
        return ""


def _new_try() -> dict[str, Any]:
    return {"started_at": now(), "outcome": None}


def _next(numbers: Mapping[int, object]) -> int:
    return max(numbers, default=0) + 1
