"""Chunks whose job ended before it had made them: cancelled, out of memory, over its time, or on a node that failed."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

from ..calls.attempts import ANSWER, FAILED, REQUEST
from ..cohorts.membership import Entry
from ..files import read_recorded, write_json
from ..generations.state import State, States
from .chunks import Chunk, Chunks
from .run import Run

# in which variable a scheduler gives a job its name
SCHEDULERS = {"SLURM_JOB_ID": "Slurm", "PBS_JOBID": "PBS", "LSB_JOBID": "LSF", "JOB_ID": "Grid Engine"}
MAX_SHOWN = 10


def sign_in(marker: Path, log: str) -> None:
    """Write down who makes a chunk, for the case that nothing else is heard of it.

    Args:
        marker: the marker that the job will write.
        log: the job's log.
    """
    named = [f"{name} job {os.environ[key]}" for key, name in SCHEDULERS.items() if os.environ.get(key)]
    job = " ".join([*named[:1], f"(process {os.getpid()} on {socket.gethostname()})"])
    write_json(_record(marker), {"job": job, "log": log})


def messages(run: Run, batch: Chunks) -> Iterator[str]:
    """Yield what became of each chunk of this run whose job began and did not come to its end."""
    states = States(run.settings)
    for chunk in batch.announced():
        marker = batch.marker(chunk)
        record = read_recorded(_record(marker))
        if record and not marker.exists():
            yield _message(chunk, list(states.each(chunk.entries)), str(record.get("job")), str(record.get("log")))


def _message(chunk: Chunk, found: list[State], job: str, log: str) -> str:
    cut_off = [state.entry for state in found if _is_cut_off(state)]
    made = sum(state.has_answer for state in found)
    lines = [
        f"Lost: chunk {chunk.index} of the {chunk.stage}s of cohort {chunk.cohort_id}. {job} ended before it was done.",
        f"  {made} of its {len(found)} generations have their answer, and keep it.",
        f"  {_calls(cut_off)}",
        f"  Its log: {log}; the scheduler knows why it ended.",
        "Hint: run again to go on; only what has no answer is asked",
    ]
    return "\n".join(lines)


def _calls(cut_off: list[Entry]) -> str:
    if not cut_off:
        return "No call was in flight."
    shown = ", ".join(entry.gen_id for entry in cut_off[:MAX_SHOWN])
    more = f" and {len(cut_off) - MAX_SHOWN} more" if len(cut_off) > MAX_SHOWN else ""
    calls = "call was" if len(cut_off) == 1 else "calls were"
    return f"{len(cut_off)} {calls} cut off and may be billed (`daydream status` lists them): {shown}{more}"


def _is_cut_off(state: State) -> bool:
    if state.has_answer:
        return False
    kinds: frozenset[str] = state.attempts.get(max(state.attempts, default=0), frozenset())
    # a holder on another host is not known to be gone until it has been silent for a while
    return (REQUEST in kinds and not kinds & {ANSWER, FAILED}) or bool(state.maybe_billed)


def _record(marker: Path) -> Path:
    # not .json: markers are found by that
    return marker.with_suffix(".job")
