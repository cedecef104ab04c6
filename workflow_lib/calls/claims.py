"""Claims: an attempt that one process works on, from just before its call to the answer on disk."""

import contextlib
import json
import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..files import TEMPORARY, Room, create_exclusively, dump_json, encode, write_text
from . import attempts, holders
from .attempts import ANSWER, FAILED, REQUEST, now

# how long an answer that a full disk does not take is held in memory, for room to come
PATIENCE_SECONDS = 60.0
# a temporary file that is older belongs to no process that lives
LITTER_SECONDS = 3600.0

_ROOM = re.compile(r"\.room-(\d{4,})-[0-9a-f]+")


class Claim:
    """An attempt that this process works on. Exactly one of `answer` and `fail` ends it."""

    def __init__(self, folder: Path, number: int, content: dict[str, Any], room: Room):
        self.folder = folder
        self.number = number
        self._room = room
        self._content = content
        holders.heart.keep(self._path)

    def begin_try(self) -> None:
        """Record, before it is sent, that the request is about to be sent again."""
        self._content["tries"].append(_new_try())
        self._save()

    def end_try(self, outcome: str, about: Mapping[str, Any] | None = None) -> None:
        """Record how a try ended; where that cannot be written, the file goes on saying that it may be billed.

        Args:
            outcome: ``unanswered``, or the reason of a failure that the endpoint gave.
            about: what else is put on record of it: ``maybe_billed``, ``cost_usd``, ``body``.
        """
        self._content["tries"][-1] |= {"outcome": outcome, **(about or {})}
        with contextlib.suppress(OSError):
            self._save()

    @property
    def tries(self) -> int:
        """How many requests were sent so far."""
        return len(self._content["tries"])

    @property
    def started_at(self) -> str:
        """When the first request was sent."""
        return str(self._content["tries"][0]["started_at"])

    def answer(self, result: Mapping[str, Any], *, durable: bool) -> dict[str, Any]:
        """Keep the answer; returns the attempt as written.

        Args:
            result: the fields of the attempt that come with the answer.
            durable: not even a power cut may lose it; costs a few milliseconds.

        Raises:
            OSError: it is larger than the room held for it, and the disk stayed full.
        """
        full = self._about() | dict(result) | {"tries": self.tries, "started_at": self.started_at, "adopted": False}
        content = encode(dump_json(full))
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self._room.fill(content, attempts.path_of(self.folder, self.number, ANSWER), durable=durable)
                break
            except OSError:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.5)
        holders.heart.stop(self._path)
        return full

    def fail(self, failure: Mapping[str, Any]) -> None:
        """Record that no answer came of this attempt, in the room that was held for one."""
        full = self._about() | dict(failure) | {"tries": self._content["tries"], "failed_at": now()}
        try:
            self._room.fill(encode(dump_json(full)), attempts.path_of(self.folder, self.number, FAILED), durable=False)
        except OSError:
            # without it the claim ends with this process
            self._room.give_up()
        holders.heart.stop(self._path)

    @property
    def _path(self) -> Path:
        return attempts.path_of(self.folder, self.number, REQUEST)

    def _about(self) -> dict[str, Any]:
        return {key: value for key, value in self._content.items() if key not in ("heartbeat", "holder", "tries")}

    def _save(self) -> None:
        write_text(self._path, dump_json(self._content))


def take(folder: Path, number: int, content: Mapping[str, Any], answer_bytes: int) -> Claim | None:
    """Claim an attempt with room for its answer; None if somebody else took it first.

    Raises:
        OSError: there is no room; nothing was claimed.
    """
    full = {
        "heartbeat": holders.FIRST_BEAT,
        "holder": holders.me(),
        "number": number,
        **content,
        "tries": [_new_try()],
    }
    text = dump_json(full)
    room = Room(folder / f".room-{number:04d}-{uuid.uuid4().hex}", len(text) + answer_bytes)
    try:
        created = create_exclusively(attempts.path_of(folder, number, REQUEST), text)
    except OSError:
        room.give_up()
        raise
    if not created:
        room.give_up()
        return None
    return Claim(folder, number, full, room)


def clean_up(folder: Path, number: int) -> bool:
    """Free what dead processes held for the attempts before `number`; True if an answer was among it.

    To be called when nobody works on these attempts any more.
    """
    found = False
    for path in _hidden(folder):
        match = _ROOM.fullmatch(path.name)
        if match and int(match[1]) < number:
            found |= _recover(path, attempts.path_of(folder, int(match[1]), ANSWER))
            path.unlink(missing_ok=True)
        elif path.name.startswith(TEMPORARY) and _age(path) > LITTER_SECONDS:
            path.unlink(missing_ok=True)
    return found


def _hidden(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        yield from [path for path in folder.iterdir() if path.name.startswith(".")]


def _recover(held: Path, answer: Path) -> bool:
    """Give an answer its name that was written whole, by a process that died before it could do so."""
    try:
        content = held.read_bytes().rstrip(b"\0")
        if attempts.problem_of(json.loads(content)):
            return False
        os.truncate(held, len(content))
        os.link(held, answer)
    except (FileNotFoundError, FileExistsError, ValueError):
        return False
    return True


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _new_try() -> dict[str, Any]:
    return {"started_at": now(), "outcome": None}
