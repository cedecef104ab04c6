"""One attack on a small cohort: bought by real code in several threads, then compared with the server's bill."""

import contextlib
import io
import time
import traceback
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import tiny_root
from tests.faults.attacks import ATTACKS
from tests.faults.server import GOOD, USD_PER_ANSWER, FaultServer
from workflow_lib import generations
from workflow_lib import settings as settings_module
from workflow_lib.calls import Caller
from workflow_lib.calls.committed import committed, request_ceiling_usd
from workflow_lib.calls.holders import Watch
from workflow_lib.calls.journal import Journal
from workflow_lib.catalogs import load as load_catalogs
from workflow_lib.cohorts.membership import Entry
from workflow_lib.errors import DayDreamError
from workflow_lib.files import read_json, write_text
from workflow_lib.parsers import ParseFailure
from workflow_lib.settings import Settings

KEY = "sk-or-v1-0123456789abcdef-not-a-real-key"
THREADS = 4
MODELS = (
    "id,model,endpoint,for_generation,for_evaluation,input_usd_per_mtok,output_usd_per_mtok,max_tokens\n"
    "wa,vendor/writer,openrouter,true,false,1,10,1000\n"
)
SPEC = """
axes:
  draft_template: [{names}]
  draft_llm: [wa]
combos: {{concepts: [moat, loop], k: 2}}
output: {{field_order: [combo_id, draft_template, draft_llm]}}
"""
# short enough for a test, long enough for a busy machine to send a good answer
LLM = {"max_tries": 3, "backoff_s": 0, "read_timeout_s": 20, "answer_timeout_s": 2, "max_answer_mb": 1}
PATIENT = {**LLM, "answer_timeout_s": 30}
DRIPS = ("body drip", "body drip before a close", "header drip", "endless 100 Continue")


@dataclass
class Outcome:
    """What became of one generation.

    Attributes:
        ends: reason on record, or ``answer``.
        parse: reason of its parse failure, empty if it parsed or was never parsed.
        answer: the text that was kept, None if there is none.
        requests, billed: as the server counted them.
        kept, listed: answers in the journal, and tries that are listed as maybe billed.
        files: names in its attempts/.
    """

    template: str
    ends: str
    parse: str
    answer: str | None
    requests: int
    billed: int
    kept: int
    listed: int
    files: tuple[str, ...]

    @property
    def lost(self) -> int:
        """How many billed requests left no trace."""
        return max(0, self.billed - self.kept - self.listed)


@dataclass
class Trial:
    """What one attack did.

    Attributes:
        outcomes: by template of the generation.
        bill_usd: what the server billed.
        counted_usd: what the budget counts as spent afterwards.
        ceiling_usd: the most that one call could cost.
        output: what was printed and logged, and every traceback.
        key_in: files that hold the key.
        seconds: how long it took.
    """

    attack: str
    outcomes: dict[str, Outcome]
    bill_usd: float
    counted_usd: float
    ceiling_usd: float
    output: str
    key_in: list[str]
    seconds: float

    def total(self, figure: str) -> int:
        return sum(getattr(outcome, figure) for outcome in self.outcomes.values())


def run(folder: Path, attack: str, scripts: dict[str, list[str]], budget_usd: float | None = None) -> Trial:
    """Buy one draft per script, and return what was seen.

    Args:
        folder: an empty one.
        attack: the attack's name, for the record.
        scripts: name of a draft template -> the attacks that its requests meet, the last one for ever.
        budget_usd: the cohort's budget, None for none.
    """
    begun = time.monotonic()
    with FaultServer(ATTACKS, lambda prompt: scripts[prompt.rsplit(maxsplit=1)[-1]]) as server:
        settings = _settings(folder, scripts, server.url, budget_usd, LLM if attack in DRIPS else PATIENT)
        tiny_root.declare(settings, SPEC.format(names=", ".join(scripts)))
        entries = tiny_root.expand(settings).membership.stage("draft")
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            caller = Caller(settings)
            with ThreadPoolExecutor(THREADS) as threads:
                list(threads.map(lambda entry: _buy(caller, entry, output), entries))
        outcomes = {entry.template_id: _outcome(settings, entry, server) for entry in entries}
        models = load_catalogs(settings.data).models
        counted = sum(usd for _, _, usd in committed(settings, "one", Watch(), lambda path: None))
        request = generations.request_for(settings, entries[0], models["wa"], "x" * 300)
        return Trial(
            attack,
            outcomes,
            server.bill_usd(),
            counted,
            request_ceiling_usd(models["wa"], request) or 0.0,
            output.getvalue(),
            [name for name, content in tiny_root.bytes_of(folder).items() if KEY.encode() in content],
            time.monotonic() - begun,
        )


def alone(folder: Path, attack: str) -> Trial:
    """Attack one generation at all its requests and one at its first; two others are left in peace."""
    return run(folder, attack, {"always": [attack], "first": [attack, GOOD], "peace-a": [GOOD], "peace-b": [GOOD]})


def everywhere(folder: Path, attack: str) -> Trial:
    """Attack eight generations at all their requests, with a budget for four answers and a half."""
    scripts = {f"t{number}": [attack] for number in range(8)}
    return run(folder, attack, scripts, budget_usd=4.5 * (USD_PER_ANSWER + 0.0005))


def _settings(
    folder: Path, scripts: Iterable[str], url: str, budget_usd: float | None, llm: dict[str, Any]
) -> Settings:
    rows = "".join(f"{name},identity,true\n" for name in scripts)
    plain = tiny_root.make(folder, draft_templates=f"template_id,parser,active\n{rows}", llm_models=MODELS)
    for name in scripts:
        # the last word of a prompt says which script it meets
        write_text(plain.data.template("draft", name), f"{tiny_root.TEMPLATES['draft']} {name}")
    overrides: dict[str, Any] = {"data_root": str(folder / "data"), "llm": llm}
    if budget_usd is not None:
        overrides["budget_usd"] = budget_usd
    return settings_module.load(overrides, folder, {"DD_LLM_BASE_URL": url, "OPENROUTER_API_KEY": KEY})


def _buy(caller: Caller, entry: Entry, output: io.StringIO) -> None:
    try:
        generations.buy(caller, entry, lambda line: output.write(f"{line}\n") and None)
        generations.parse(caller.settings, entry)
    except (DayDreamError, ParseFailure) as error:
        output.write(f"{error}\n")
    except BaseException:
        output.write(traceback.format_exc())


def _outcome(settings: Settings, entry: Entry, server: FaultServer) -> Outcome:
    files = settings.data.generation(entry.stage, entry.gen_id)
    own = Journal(files)
    failed = read_json(files.failure) if files.failure.exists() else {}
    attempt = own.newest_answer()
    mine = [one for one in server.exchanges if one.prompt.endswith(entry.template_id)]
    return Outcome(
        entry.template_id,
        "answer" if attempt else str(failed.get("reason")),
        str(failed["reason"]) if failed.get("step") == "parse" else "",
        attempt["answer"] if attempt else None,
        len(mine),
        sum(1 for one in mine if one.usd),
        sum("" in kinds for kinds in own.numbers().values()),
        sum(1 for _ in own.maybe_billed(Watch())),
        tuple(sorted(path.name for path in files.attempts.glob("*"))) if files.attempts.exists() else (),
    )
