"""The failures that a cohort's generations have on record, failure.json [SPEC 7.4, 11]."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import parsers
from .generations import read_recorded
from .membership import Entry
from .paths import STAGES, DataRoot

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


def of(data: DataRoot, membership: Iterable[Entry]) -> list[Failure]:
    """Return the failures of a cohort's generations, one per failure.json, by stage and gen_id."""
    found = [failure for entry in membership if (failure := of_generation(data, entry.stage, entry.gen_id))]
    return sorted(found, key=lambda failure: (STAGES.index(failure.stage), failure.gen_id))


def of_generation(data: DataRoot, stage: str, gen_id: str) -> Failure | None:
    """Return the failure of one generation, None if it has none on record."""
    recorded = read_recorded(data.generation(stage, gen_id).failure)
    if not recorded:
        return None
    reason = str(recorded.get("reason") or "unknown")
    return Failure(
        stage,
        gen_id,
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
