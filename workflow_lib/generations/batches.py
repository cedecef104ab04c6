"""Many generations of one stage made in one process, their calls in parallel."""

import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache, partial

from .. import catalogs
from ..calls import Caller, Log, endpoints, stopping
from ..cohorts.membership import Entry, Membership
from ..errors import DayDreamError
from ..files import await_listed
from ..settings import PoolSettings
from . import failures, make, parsing, provider_batches
from .mode import pool_of
from .state import State, States

MADE = "made"
FAILED = "failed"
WAITS = "no parent"

UNLIMITED_WORKERS = 256
# copies, parses and models that answer in this process wait for no network
WORKERS_HERE = 4

# how long what was seen of the catalogs is good for: looking at six files took a tenth of a generation's time
CATALOG_SECONDS = 1.0

_starting = threading.Lock()


def make_all(
    caller: Caller, within: Membership, entries: Iterable[Entry], log: Log, order_id: str | None, *, redo: bool
) -> dict[str, str]:
    """Make all files of some generations; failures are recorded, and stop nothing but what is made from them.

    Args:
        caller: the client of this run; its pools and budget hold.
        within: the cohort; the parents are there, or are not going to come.
        entries: generations of one stage.
        log: gets a line per event.
        order_id: order fresh answers under this id first.
        redo: write the files of finished generations once more.

    Returns:
        gen_id -> `MADE`, `FAILED` or `WAITS` (it is made from a text that is not there).

    Raises:
        Stopped: the run was interrupted; calls in flight have ended and are kept.
    """
    states = States(caller.settings)
    # each chunk begins with what the catalogs are by now
    catalogs.load(caller.settings.data)
    entries = list(entries)
    failed: set[str] = set()
    if caller.settings.provider_batch:
        open_calls = [entry for entry in entries if _takes_call(states, within, entry, order_id, redo=redo)]
        failed = provider_batches.buy(caller, open_calls, log, order_id)
    make_one = partial(_make_one, caller, states, within, log=log, order_id=order_id, redo=redo)
    lines: dict[str | None, list[Entry]] = defaultdict(list)
    line_of: dict[tuple[str, str], str | None] = {}
    for entry in entries:
        if entry.gen_id not in failed:
            asked = entry.template_id, entry.llm_model_id
            if asked not in line_of:
                line_of[asked] = _line(caller, entry)
            lines[line_of[asked]].append(entry)
    # a line of its own for each pool: calls that wait for a slow one hold back no others
    results: dict[str, Future[str]] = {}
    for line, waiting in lines.items():
        threads = _threads(line, _workers(caller, line))
        results |= {entry.gen_id: threads.submit(make_one, entry) for entry in waiting}
    wait(results.values())
    stopping.check()
    return dict.fromkeys(failed, FAILED) | {gen_id: result.result() for gen_id, result in results.items()}


def _line(caller: Caller, entry: Entry) -> str | None:
    """Return the pool that a call would wait in, None where none goes over a network."""
    try:
        pool = pool_of(caller.settings, entry)
        if pool is None or endpoints.find(caller.settings, caller.model(entry.llm_model_id).endpoint).base_url is None:
            return None
    except DayDreamError:
        # making it says what is wrong
        return None
    return pool


def _threads(line: str | None, workers: int) -> ThreadPoolExecutor:
    """Return the threads of a line, which all chunks of this process share: more would only wait for each other."""
    with _starting:
        return _started(line, workers)


@cache
def _started(line: str | None, workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix=line or "here")


def _workers(caller: Caller, line: str | None) -> int:
    if line is None:
        return WORKERS_HERE
    return caller.settings.pools.get(line, PoolSettings()).max_concurrent or UNLIMITED_WORKERS


@catalogs.held(CATALOG_SECONDS)
def _make_one(
    caller: Caller,
    states: States,
    within: Membership,
    entry: Entry,
    *,
    log: Log,
    order_id: str | None,
    redo: bool,
) -> str:
    stopping.check()
    settings = caller.settings
    state = states.look(entry)
    takes_answer = _takes_answer(state, order_id, redo=redo)
    if takes_answer and _needs_parent(state, order_id) and not _has_text(states, within, entry):
        log(f"{entry.stage} {entry.gen_id}: waits for {entry.parent_gen_id}, which gives no text")
        return WAITS
    try:
        if takes_answer:
            make.buy(caller, entry, log, order_id)
            parsing.parse(settings, entry)
        elif state.needs_parse or make.lacks_files(settings, entry):
            make.parse(settings, entry)
    except stopping.Stopped:
        raise
    except (DayDreamError, OSError) as error:
        shown = failures.disk_error(error, state.files.folder) if isinstance(error, OSError) else error
        log(f"{entry.stage} {entry.gen_id}: {shown}")
        return FAILED
    return MADE


def _takes_answer(state: State, order_id: str | None, *, redo: bool) -> bool:
    return redo or order_id is not None or state.ordered or not state.has_raw


def _takes_call(states: States, within: Membership, entry: Entry, order_id: str | None, *, redo: bool) -> bool:
    """Return whether a model has to be asked for a generation, and can be: what it is made from is there."""
    state = states.look(entry)
    if state.is_copy or not _takes_answer(state, order_id, redo=redo) or not _needs_parent(state, order_id):
        return False
    return _has_text(states, within, entry)


def _needs_parent(state: State, order_id: str | None) -> bool:
    """Return whether a prompt has to be rendered: an answer that the journal keeps is only written out again."""
    if state.is_copy:
        return not state.has_raw or order_id is not None
    return order_id is not None or state.ordered or not state.has_answer


def _has_text(states: States, within: Membership, entry: Entry) -> bool:
    parent = within.parent(entry)
    if parent is None:
        return True
    await_listed(states.settings.data.generation(parent.stage, parent.gen_id).parsed)
    return not states.of(parent).needs_parse
