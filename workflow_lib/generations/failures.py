"""The failures that generations have on record, failure.json."""

import contextlib
import errno
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import parsers
from ..calls.attempts import UnreadableAnswer, now
from ..calls.breaker import NotAsked
from ..calls.budget import BudgetExhausted
from ..calls.journal import Journal
from ..calls.replies import CallError
from ..calls.stopping import Stopped
from ..cohorts.membership import Entry
from ..errors import DayDreamError, StoreError
from ..files import read_recorded, write_json
from ..paths import Generation
from ..stages import STAGES

BUDGET = "budget_exhausted"
UNREADABLE = "unreadable_answer"

PROMPT = "prompt"
CALL = "call"
PARSE = "parse"
STEPS = (PROMPT, CALL, PARSE)
_ERRORS = {PROMPT: "DayDreamError", CALL: "CallError", PARSE: "ParseFailure"}

COLUMNS = ("stage", "gen_id", "step", "reason", "message", "remedy")
MAX_SHOWN = 20
MAX_MESSAGE = 500
MAX_SHOWN_MESSAGE = 100


@dataclass(frozen=True)
class Failure:
    """The last try of one step of a generation, which failed.

    Attributes:
        step: ``prompt``, ``call`` or ``parse``.
        reason: short name, as in the tables.
        message: one line, at most `MAX_MESSAGE` characters, without control characters.
        remedy: what to do about it; empty where nothing is known.
    """

    stage: str
    gen_id: str
    step: str
    reason: str
    message: str
    remedy: str


@contextlib.contextmanager
def recorded(generation: Generation, entry: Entry) -> Iterator[None]:
    """Record an error that prevents an answer, and raise it again; a failed write is reported as `disk_error`."""
    try:
        yield
    except NotAsked as error:
        asked = {"model": error.model, "endpoint": error.endpoint}
        record(generation, entry, CALL, error.reason, error.message, error.remedy, asked=asked)
        raise
    except CallError as error:
        record(generation, entry, CALL, error.reason, error.message, error.remedy)
        raise
    except BudgetExhausted as error:
        limit = {"what": error.what, "usd": error.limit_usd}
        record(generation, entry, CALL, BUDGET, error.message, error.remedy, budget=limit)
        raise
    except UnreadableAnswer as error:
        record(generation, entry, CALL, UNREADABLE, error.message, error.hint or "")
        raise
    except Stopped:
        # nothing is wrong with it: the next run goes on
        raise
    except DayDreamError as error:
        record(generation, entry, PROMPT, PROMPT, error.message, error.hint or "")
        raise
    except OSError as error:
        raise disk_error(error, generation.folder) from None


def record(
    generation: Generation, entry: Entry, step: str, reason: str, message: str, remedy: str, **more: object
) -> None:
    """Write failure.json: the last try of a step failed; `more` are further fields."""
    journal = Journal(generation)
    failed = journal.newest_failure() or {}
    content = {
        "stage": entry.stage,
        "gen_id": entry.gen_id,
        "step": step,
        "error": _ERRORS[step],
        "reason": reason,
        "message": message,
        "remedy": remedy,
        "time": now(),
        "tries": len(failed.get("tries") or ()),
        **more,
    }
    if step == CALL:
        request = failed.get("request")
        content["prompt"] = request["messages"][-1]["content"] if request else None
    # a full or read-only disk is reported by the error itself
    with contextlib.suppress(OSError):
        write_json(generation.failure, content)


def forget(generation: Generation, steps: Collection[str]) -> None:
    """Remove failure.json if it is about one of these steps, which succeeded now."""
    if generation.failure.exists() and read_recorded(generation.failure).get("step") in steps:
        generation.failure.unlink(missing_ok=True)


def disk_error(error: OSError, folder: Path) -> StoreError:
    """Return what a failed write means to the user."""
    full = "make room on the disk and run again: every answer that arrived is kept"
    descriptors = (
        "raise the limit (`ulimit -n 4096`) or lower --cores, and run again: every answer that arrived is kept"
    )
    hints = {
        errno.ENOSPC: full,
        errno.EDQUOT: full,
        errno.EMFILE: descriptors,
        errno.ENFILE: descriptors,
        errno.EISDIR: "a folder is where a file should be: move it away and run again",
        errno.ENOTDIR: "a file is where a folder should be: move it away and run again",
        errno.EROFS: "the file system is read-only: choose another data_root, or remount it",
        errno.EACCES: "give yourself write access to the data root, or choose another data_root",
    }
    where = error.filename or folder
    return StoreError(f"{where}: {error.strerror or error}", hints.get(error.errno or 0, "correct this and run again"))


def ordered(found: Iterable[Failure]) -> list[Failure]:
    """Return failures by stage and gen_id."""
    return sorted(found, key=lambda failure: (STAGES.index(failure.stage), failure.gen_id))


def read(path: Path) -> Failure | None:
    """Return the failure that a generation's failure.json records, None if it has none.

    Whether it still stands, `State.failure` says.
    """
    recorded = read_recorded(path)
    if not recorded:
        return None
    reason = str(recorded.get("reason") or "unknown")
    return Failure(
        path.parent.parent.name,
        path.parent.name,
        str(recorded.get("step") or "unknown"),
        _one_line(reason, MAX_SHOWN_MESSAGE),
        _one_line(str(recorded.get("message") or ""), MAX_MESSAGE),
        _one_line(str(recorded.get("remedy") or parsers.REMEDIES.get(reason, "")), MAX_MESSAGE),
    )


def table(failures: Sequence[Failure]) -> str:
    """Return what the end of a run shows: counts by stage, step and reason, examples, and what to do.

    Empty text where there are no failures; else lines with a line feed at the end.
    """
    if not failures:
        return ""
    counts = Counter((failure.stage, failure.step, failure.reason) for failure in failures)
    ranked = sorted(counts, key=lambda key: (STAGES.index(key[0]), -counts[key], key))
    total = "1 generation has" if len(failures) == 1 else f"{len(failures)} generations have"
    lines = [f"{total} a failure on record:"]
    lines += _aligned([("count", "stage", "step", "reason"), *((str(counts[key]), *key) for key in ranked)])
    lines += ["", *_aligned([("gen_id", "reason", "message"), *map(_example, failures[:MAX_SHOWN])])]
    if len(failures) > MAX_SHOWN:
        lines.append(f"  ... and {len(failures) - MAX_SHOWN} more, all in reports/failures.csv")
    remedies = {failure.reason: failure.remedy for failure in reversed(failures) if failure.remedy}
    if remedies:
        lines += ["", "What to do:"]
        lines += [f"  {reason}: {remedies[reason]}" for reason in sorted(remedies)]
    return "\n".join(lines) + "\n"


def _example(failure: Failure) -> tuple[str, str, str]:
    return failure.gen_id, failure.reason, _one_line(failure.message, MAX_SHOWN_MESSAGE)


def _one_line(text: str, longest: int) -> str:
    # messages quote endpoints and answers: no control characters for terminals, no line breaks for tables
    line = "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
