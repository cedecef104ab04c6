"""Every way a call or a parse can fail, provoked with the real client: what docs/failures.md tells is seen here."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import tiny_root
from tests.faults.attacks import ATTACKS
from tests.faults.server import FaultServer
from workflow_lib import generations, parsers
from workflow_lib import settings as settings_module
from workflow_lib.calls import Caller
from workflow_lib.calls.holders import Watch
from workflow_lib.calls.journal import Journal
from workflow_lib.cohorts.membership import Entry
from workflow_lib.errors import DayDreamError
from workflow_lib.files import read_json, write_text
from workflow_lib.offline.server import OfflineServer
from workflow_lib.paths import Generation
from workflow_lib.settings import Settings

TRIES = 6
READ_TIMEOUT_S = 0.2
ANSWER_TIMEOUT_S = 0.5
# what only a server on raw sockets does
RAW = ("504", "body drip", "3 GB body", "broken gzip", "event stream")
KEY = "sk-provoked"
PRICED = (
    "id,model,endpoint,for_generation,for_evaluation,input_usd_per_mtok,output_usd_per_mtok\n"
    "wa,vendor/writer,openrouter,true,false,1,10\nja,vendor/judge,openrouter,false,true,1,10\n"
    "jb,vendor/judge-b,openrouter,false,true,1,10\n"
)

# what happens -> what the server does at every try
CALLS: dict[str, str] = {
    "408 request time-out": "408",
    "409 conflict": "409",
    "425 too early": "425",
    "429 rate limit": "429",
    "500, 502, 503 ... server error": "500",
    "504, 524 gateway time-out": "504",
    "silence for `llm.read_timeout_s`": "hang",
    "no whole answer within `llm.answer_timeout_s`": "body drip",
    "connection dropped before an answer": "drop",
    "connection dropped inside an answer": "late_drop",
    "no connection within `llm.connect_timeout_s`, or refused": "closed",
    "200 that is not JSON": "html",
    "200 without choices": "nochoices",
    "200 with an error object": "error200",
    "200 with an answer of more than `llm.max_answer_mb`": "3 GB body",
    "200 with a body that cannot be unpacked": "broken gzip",
    "200 with a stream of events": "event stream",
    "400 bad request, such as context length": "400",
    "401 wrong key": "401",
    "402 no credits": "402",
    "403 not allowed": "403",
    "404 unknown model, or wrong base_url": "404",
    "the next call does not fit into the budget": "budget",
}
# reason -> (draft parser, raw.txt) or the fault that the server answers with
PARSES: dict[str, tuple[str, str]] = {
    "truncated": ("identity", "length"),
    "empty_response": ("identity", "empty"),
    "refused": ("identity", "refuse"),
    "min_lines_not_met": ("identity", "Too short.\n"),
    "missing_essay_idea_block": ("essay_idea_last", "One line.\nAnother.\nA third.\n"),
    "missing_essay_block": ("essay_block", "One line.\nAnother.\nA third.\n"),
    "unknown_parser": ("essay_blok", "One line.\nAnother.\nA third.\n"),
    "no_score_last_lines": ("in_last_line", "It is good.\n"),
    "out_of_range": ("in_last_line", "SCORE: 10\n"),
}


@dataclass(frozen=True)
class Provoked:
    """What was seen of one failure.

    Attributes:
        what: what was done to the call or the answer.
        reason, step, message, remedy: as in failure.json.
        tries: requests that were sent.
        maybe_billed: of those, how many `daydream status` lists.
        files: what lies in the generation's folder afterwards, sorted.
    """

    what: str
    reason: str
    step: str
    message: str
    remedy: str
    tries: int
    maybe_billed: int
    files: tuple[str, ...]


def calls(folder: Path) -> Iterator[Provoked]:
    """Yield what comes of each of `CALLS`."""
    for number, (what, fault) in enumerate(CALLS.items()):
        yield _call(folder / f"call-{number}", what, fault)


def parses(folder: Path) -> Iterator[Provoked]:
    """Yield what comes of each of `PARSES`."""
    for reason, (parser, answer) in PARSES.items():
        yield _parse(folder / reason, reason, parser, answer)


def missing_key(folder: Path) -> str:
    """Return what is said before the first call if no key is set."""
    settings = _settings(folder, {}, {}, llm_models=PRICED)
    return _message(lambda: Caller(settings).require_key("wa"))


def _message(action: Any) -> str:
    try:
        action()
    except DayDreamError as error:
        return str(error)
    raise AssertionError("nothing was said")


def _call(folder: Path, what: str, fault: str) -> Provoked:
    with ExitStack() as stack:
        overrides: dict[str, Any] = {}
        if fault in RAW:
            url = stack.enter_context(FaultServer(ATTACKS, lambda prompt: [fault])).url
        else:
            script = [] if fault in ("closed", "budget") else [("", [fault] * (TRIES + 1))]
            url = stack.enter_context(OfflineServer(script=script, retry_after=0)).url
        if fault == "closed":
            url = stack.enter_context(_closed_port())
        if fault == "budget":
            overrides["budget_usd"] = 0.01
        settings = _settings(folder, overrides, {"DD_LLM_BASE_URL": url, "OPENROUTER_API_KEY": KEY}, llm_models=PRICED)
        entry = _draft(settings)
        _swallow(lambda: generations.buy(Caller(settings), entry, lambda line: None))
        return _seen(settings, entry, what)


def _parse(folder: Path, reason: str, parser: str, answer: str) -> Provoked:
    stage = "evaluation" if parsers.reading(parser) else "draft"
    table = tiny_root.TABLES[f"{stage}_templates"].replace(",identity", f",{parser}")
    tables = {f"{stage}_templates": table, "llm_models": PRICED}
    is_fault = "\n" not in answer
    with OfflineServer(script=[("", [answer])] if is_fault else []) as server:
        environment = {"DD_LLM_BASE_URL": server.url, "OPENROUTER_API_KEY": KEY}
        settings = _settings(folder, {}, environment, **tables)
        entry = _draft(settings)
        if stage == "evaluation":
            entry = tiny_root.expand(settings).membership.stage("evaluation")[0]
            write_text(settings.data.generation("essay", entry.parent_gen_id).parsed, "An essay.\n")
        generations.buy(Caller(settings), entry, lambda line: None)
        if not is_fault:
            write_text(_files(settings, entry).raw, answer)
        _swallow(lambda: generations.parse(settings, entry))
        return _seen(settings, entry, reason)


def _settings(folder: Path, overrides: dict[str, Any], environment: dict[str, str], **tables: str) -> Settings:
    tiny_root.make(folder, **tables)
    llm = {"read_timeout_s": READ_TIMEOUT_S, "answer_timeout_s": ANSWER_TIMEOUT_S, "max_answer_mb": 0.1}
    limits = {"llm": {"max_tries": TRIES, "backoff_s": 0, **llm}}
    limits["pools"] = {"paid": {"max_concurrent": 4}}
    settings = settings_module.load({"data_root": str(folder / "data"), **limits, **overrides}, folder, environment)
    tiny_root.declare(settings)
    return settings


def _draft(settings: Settings) -> Entry:
    return tiny_root.expand(settings).membership.stage("draft")[0]


def _files(settings: Settings, entry: Entry) -> Generation:
    return settings.data.generation(entry.stage, entry.gen_id)


def _swallow(action: Any) -> None:
    try:
        action()
    except DayDreamError:
        return
    raise AssertionError("it did not fail")


def _seen(settings: Settings, entry: Entry, what: str) -> Provoked:
    files = _files(settings, entry)
    recorded = read_json(files.failure)
    tries = [one for path in files.attempts.glob("*.request.json") for one in read_json(path)["tries"]]
    return Provoked(
        what,
        recorded["reason"],
        recorded["step"],
        masked(recorded["message"]),
        masked(recorded["remedy"]),
        len(tries),
        sum(1 for _ in Journal(files).maybe_billed(Watch())),
        tuple(sorted(path.relative_to(files.folder).as_posix() for path in files.folder.rglob("*.*"))),
    )


def masked(text: str) -> str:
    """Return a message with what differs from run to run put in general terms."""
    text = re.sub(r"http://127\.0\.0\.1:\d+/v1", "BASE_URL", text)
    text = text.replace(f"{READ_TIMEOUT_S:g} s", "600 s").replace(f"{ANSWER_TIMEOUT_S:g} s", "1800 s")
    text = text.replace("0.1 MB", "64 MB")
    text = re.sub(r"\d+ (bytes read|more expected)", r"N \1", text)
    text = re.sub(r"(without an answer in it: ).*", r"\1{...}", text)
    return re.sub(r"(/?[\w.-]+)*/data/", "data/", text)


@contextmanager
def _closed_port() -> Iterator[str]:
    with socket.socket() as reserved:
        # bound and not listening: nobody else gets it, and nobody answers there
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}/v1"
