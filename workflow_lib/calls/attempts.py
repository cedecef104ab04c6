"""The files of one attempt in a generation's ``attempts/``, and what makes them readable.

NNNN.request.json   intent and claim, made just before a call; says later what may have been billed
NNNN.json           the completed answer
NNNN.failed.json    the last try of a call failed
NNNN.fresh.json     an order for one more answer, open until an answer with a higher number exists
.room-NNNN-*        disk space for the answer, held while the call runs
"""

import errno
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import DayDreamError, StoreError
from ..files import read_json, read_recorded

ANSWER = ""
REQUEST = ".request"
FAILED = ".failed"
FRESH = ".fresh"

READ_PAUSES_SECONDS = (0.05, 0.2)

_NAME = re.compile(r"(\d{4,})(\.request|\.failed|\.fresh)?\.json")
_DAMAGED = {
    REQUEST: (
        "a request that cannot be read; its call may have been billed",
        "restore the file from a copy, or leave it as it is: it blocks nothing",
    ),
    FAILED: ("the record of a failed call cannot be read", "leave it as it is, or move it away"),
    FRESH: ("an order for another answer cannot be read; it counts as one", "move it away to cancel the order"),
}


@dataclass(frozen=True)
class Damage:
    """A file of a journal that cannot be used.

    Attributes:
        path: the file.
        kind: ANSWER, REQUEST, FAILED or FRESH.
        message: what is wrong with it.
        remedy: what to do about it.
    """

    path: Path
    kind: str
    message: str
    remedy: str


class UnreadableAnswer(StoreError):
    """The file of an answer that was paid for cannot be read."""

    def __init__(self, path: Path, what: str):
        self.what = what
        gen_id = path.parent.parent.name
        super().__init__(
            f"{path}: {what}; it may be the only copy of an answer that was paid for: nothing is bought over it",
            f"restore it from a copy; or buy another answer with `daydream regenerate --gen-id {gen_id} --apply`",
        )


def now() -> str:
    """Return the present time, UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def path_of(folder: Path, number: int, kind: str) -> Path:
    """Return the path of a file in ``attempts/``."""
    return folder / f"{number:04d}{kind}.json"


def numbers(folder: Path) -> Mapping[int, frozenset[str]]:
    """Return attempt number -> the kinds of files it has."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return _kinds_of(tuple(sorted(name for name in names if name[0] != ".")))


# nearly all generations have the same few names, and a store has a hundred thousand generations
@lru_cache(maxsize=1024)
def _kinds_of(names: tuple[str, ...]) -> Mapping[int, frozenset[str]]:
    found: dict[int, frozenset[str]] = {}
    for name in names:
        if match := _NAME.fullmatch(name):
            number = int(match[1])
            found[number] = found.get(number, frozenset()) | {match[2] or ANSWER}
    return found


def newest(numbers: Mapping[int, frozenset[str]], kind: str) -> int | None:
    """Return the highest number that has a file of a kind, None if there is none."""
    return max((number for number, kinds in numbers.items() if kind in kinds), default=None)


def is_ordered(numbers: Mapping[int, frozenset[str]]) -> bool:
    """Return whether a fresh answer was ordered and has not come yet."""
    return (newest(numbers, FRESH) or 0) > (newest(numbers, ANSWER) or 0)


def read_answer(path: Path) -> dict[str, Any]:
    """Return a completed answer.

    Raises:
        UnreadableAnswer: its file is damaged, or holds something else.
    """
    try:
        content: dict[str, Any] = read_json(path)
        problem = problem_of(content)
    except DayDreamError as error:
        content, problem = {}, error.message.removeprefix(f"{path}: ")
    except OSError as error:
        if _is_passing(error):
            raise
        content, problem = {}, error.strerror
    if problem:
        raise UnreadableAnswer(path, problem)
    return content


def problem_of(content: Any) -> str | None:
    """Return why the content of a file is no answer, None if it is one."""
    if not isinstance(content, dict):
        return "holds no answer"
    if not isinstance(content.get("answer"), str):
        return "holds no answer"
    request = content.get("request")
    if request is not None:
        try:
            is_prompt = isinstance(request["messages"][-1]["content"], str)
        except (TypeError, KeyError, IndexError):
            is_prompt = False
        if not is_prompt:
            return "holds no messages under `request`"
    return None


def read_request(path: Path) -> Mapping[str, Any]:
    """Return the content of a request file; {} if it is gone or cannot be read as one."""
    content: Any = None
    for pause in (*READ_PAUSES_SECONDS, None):
        try:
            content = read_json(path)
            break
        except DayDreamError:
            return {}
        except OSError as error:
            # a process without descriptors must not take others for dead
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise
            # nor one whose network file system has not caught up with a file that was just replaced
            if pause is None:
                return {}
            time.sleep(pause)
    return content if isinstance(content, dict) and isinstance(content.get("holder"), dict) else {}


def tries_of(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the tries that a request file records."""
    tries = request.get("tries")
    return [one for one in tries if isinstance(one, dict)] if isinstance(tries, list) else []


def damage_of(path: Path, kind: str) -> Damage | None:
    """Return what is wrong with a file of a journal, None if it can be used."""
    if kind == ANSWER:
        try:
            read_answer(path)
        except UnreadableAnswer as error:
            return Damage(path, kind, error.message.removeprefix(f"{path}: "), error.hint or "")
        return None
    is_fine = read_request(path) if kind == REQUEST else read_recorded(path)
    return None if is_fine else Damage(path, kind, *_DAMAGED[kind])


def _is_passing(error: OSError) -> bool:
    """Return whether the cause is not the file: no descriptor is left, or it was moved away just now."""
    return error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOENT)
