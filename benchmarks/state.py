"""Time to read the state of a store of N generations, in which every answer was bought and parsed."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from workflow_lib import generations, ids
from workflow_lib import settings as settings_module
from workflow_lib.calls import journal
from workflow_lib.cohorts.membership import Entry, Membership
from workflow_lib.files import dump_json, sha256_text, write_text
from workflow_lib.generations import work
from workflow_lib.generations.state import States
from workflow_lib.settings import Settings

SOURCE = Path(__file__).resolve().parent.parent
ANSWER = "A line of an answer that a model may have given, with some words in it.\n" * 40
FAILED_EVERY = 50


def measure(folder: str, count: int) -> dict[str, float]:
    """Write a store of offline generations and return the CPU seconds that it takes to know things of all of them."""
    settings, entries = store(Path(folder) / "states", count)
    states = States(settings)
    return {
        "done, claimed, failed": _used(
            lambda: [(one.has_parsed, one.claim, one.failure) for one in states.each(entries)]
        ),
        "in need of a parse": _used(lambda: [one.needs_parse for one in states.each(entries)]),
        "stale, edited": _used(lambda: [(one.stale, one.edited) for one in states.each(entries)]),
        "maybe billed": _used(lambda: [one.maybe_billed for one in states.each(entries)]),
        "done, claimed, failed, a second look": _used(lambda: [states.look(one).failure for one in entries]),
        "what a run would make": _used(lambda: work.to_make(States(settings), Membership(entries))),
    }


def store(folder: Path, count: int) -> tuple[Settings, list[Entry]]:
    """Write a store of drafts; returns the settings of a run there, and its rows."""
    shutil.copytree(SOURCE / "data" / "1_raw", folder / "data" / "1_raw")
    settings = settings_module.load({"data_root": str(folder / "data")}, folder, {})
    combo = ids.combo_id(("default-mode-network", "combinatorial-creativity"), "paragraph", 2)
    registry = "combo_id,version,concept_id,description_level,k_max,created_at\n" + "".join(
        f"{combo},v1,{concept},paragraph,2,2025-01-01T00:00:00+00:00\n"
        for concept in ("default-mode-network", "combinatorial-creativity")
    )
    write_text(settings.data.combo_mappings, registry)
    template, model = "analytical-memo-v2", "sim-writer-a"
    entries = [
        Entry("draft", ids.draft_id(combo, template, model, number), "bench", "", combo, template, model, number)
        for number in range(1, count + 1)
    ]
    prompt = generations.render(settings, entries[0]).text
    for number, entry in enumerate(entries):
        write(settings, entry, prompt, has_failed=number % FAILED_EVERY == 0)
    return settings, entries


def write(settings: Settings, entry: Entry, prompt: str, *, has_failed: bool) -> None:
    """Write the files of one generation as a run leaves them."""
    files = settings.data.generation(entry.stage, entry.gen_id)
    raw = generations.normalised(ANSWER)
    request = {
        "model": entry.llm_model_id,
        "messages": [{"role": "user", "content": prompt}],
        "temperature": 0.7,
        "max_tokens": 20480,
        "seed": generations.seed_of(entry.gen_id),
    }
    about = {"number": 1, "gen_id": entry.gen_id, "stage": entry.stage, "cohort_id": "bench", "request": request}
    tries = [{"started_at": journal.now(), "outcome": None}]
    write_text(
        files.attempts / "0001.request.json", dump_json({"heartbeat": "0", "holder": {}, "tries": tries} | about)
    )
    write_text(files.attempts / "0001.json", dump_json({**about, "answer": ANSWER, "cost_usd": 0.001, "tries": 1}))
    recorded = {"mode": "llm", "model": entry.llm_model_id, "attempt": 1, "prompt_sha256": sha256_text(prompt)}
    write_text(files.raw_metadata, dump_json(recorded))
    write_text(files.metadata, dump_json({"stage": entry.stage, "gen_id": entry.gen_id, "mode": "llm"}))
    write_text(files.prompt, prompt)
    write_text(files.raw, raw)
    if has_failed:
        failure = {"step": "parse", "reason": "truncated", "message": "cut off", "remedy": ""}
        write_text(files.failure, dump_json(failure))
        return
    write_text(files.parsed, raw)
    write_text(files.parsed_metadata, dump_json({"parser_name": "identity", "raw_sha256": sha256_text(raw)}))


def _used(action: Callable[[], object]) -> float:
    begun = time.process_time()
    action()
    return time.process_time() - begun
