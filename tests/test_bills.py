"""What is billed counts as it is billed: above the prices, and where its request cannot be read."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests import tiny_root
from tests.project import Project, read_csv
from tests.scripted_server import ScriptedServer, completion
from workflow_lib import settings as settings_module
from workflow_lib.calls import Caller
from workflow_lib.calls.committed import committed
from workflow_lib.calls.holders import Watch
from workflow_lib.calls.journal import Journal
from workflow_lib.calls.shared import RunFile
from workflow_lib.cohorts.membership import Entry
from workflow_lib.generations import batches
from workflow_lib.inspect import archive
from workflow_lib.inspect import status as status_module
from workflow_lib.offline.server import OfflineServer
from workflow_lib.pages.numbers import usd

# a call costs 0.0102 at most
MODELS = (
    "id,model,endpoint,input_usd_per_mtok,output_usd_per_mtok,max_tokens\n"
    "wa,vendor/writer,openrouter,1,10,1000\nwb,vendor/novelist,openrouter,1,10,1000\n"
)
CEILING = 0.0102
SPEC = """
combos: {{concepts: [moat, loop], k: 2}}
axes: {{draft_template: [plain], draft_llm: {models}, draft_replicate: {replicates}}}
output: {{field_order: [combo_id, draft_template, draft_llm]}}
"""
AT_ONCE = 4


class World:
    """Drafts of priced models, bought by processes of one run, each a caller of its own."""

    def __init__(self, folder: Path, url: str, models: list[str], drafts: int, **overrides):
        tiny_root.make(folder, llm_models=MODELS)
        given = {"llm": {"backoff_s": 0, "max_tries": 1}, "pools": {"paid": {"max_concurrent": AT_ONCE}}, **overrides}
        environment = {"DD_LLM_BASE_URL": url}
        self.settings = settings_module.load({"data_root": str(folder / "data"), **given}, folder, environment)
        tiny_root.declare(self.settings, SPEC.format(models=models, replicates=[*range(1, drafts + 1)]))
        self.drafts = tiny_root.expand(self.settings).membership

    def buy(self, entries: list[Entry] | None = None, run_id: str = "a") -> Counter:
        caller = Caller(self.settings, RunFile(self.settings.data.runs, run_id))
        return self.buy_with(caller, entries)

    def buy_with(self, caller: Caller, entries: list[Entry] | None = None) -> Counter:
        wanted = self.drafts.entries if entries is None else entries
        return Counter(batches.make_all(caller, self.drafts, wanted, lambda line: None, None, redo=False).values())

    def journal(self, entry: Entry) -> Journal:
        return Journal(self.settings.data.generation(entry.stage, entry.gen_id))

    def zero(self, entry: Entry, number: int) -> Path:
        """Leave a request as a power cut may leave it: its length, and nothing but zeros."""
        path = self.journal(entry).path(number, ".request")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(400))
        return path

    def committed(self, cohort: str = "one") -> tuple[float, list[Path]]:
        """Return what a cohort is committed to, US dollars, and what is said not to be counted."""
        uncounted: list[Path] = []
        found = list(committed(self.settings, cohort, Watch(), uncounted.append))
        assert len({what for what, _, _ in found}) == len(found)
        return sum(usd for _, _, usd in found), uncounted


def test_a_bill_above_the_prices_counts_at_once_and_is_said_once_per_model(tmp_path, capsys):
    limit, billed = 0.22, 0.05
    with OfflineServer(usd_per_call=billed, latency=0.05) as server:
        world = World(tmp_path, server.url, ["wa", "wb"], drafts=15, budget_usd=limit)
        world.buy(sorted(world.drafts, key=lambda entry: entry.replicate))
        bought = len(server.requests)
        # what was in flight when the limit was reached, and nothing after it
        assert limit / billed < bought <= limit / billed + AT_ONCE
        said = capsys.readouterr().err
        world.buy()
        world.buy(run_id="another run")
        assert len(server.requests) == bought
    for model, line in (("wa", 2), ("wb", 3)):
        assert said.count(f"the prices of model '{model}' are too low: endpoint 'openrouter' billed 0.050000 USD") == 1
        assert said.count(f"Hint: write the true prices into line {line} of ") == 1
    assert "for a call that costs 0.00" in said and " by llm_models.csv" in said
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("usage", "is_said"),
    [
        # 0.000105 by the prices
        ({"prompt_tokens": 5, "completion_tokens": 10, "cost": 0.000105}, False),
        ({"prompt_tokens": 5, "completion_tokens": 10, "cost": 0.000114}, False),
        ({"prompt_tokens": 5, "completion_tokens": 10, "cost": 0.00001}, False),
        ({"prompt_tokens": 5, "completion_tokens": 10, "cost": 0.000120}, True),
        # without tokens, above what it can have cost
        ({"cost": 0.010}, False),
        ({"cost": 0.012}, True),
        ({"prompt_tokens": 5, "completion_tokens": 10}, False),
    ],
)
def test_prices_are_wrong_where_a_bill_is_more_than_a_tenth_above_them(tmp_path, capsys, usage, is_said):
    with ScriptedServer(completion("one\ntwo\nthree", usage=usage)) as server:
        World(tmp_path, server.url, ["wa"], drafts=1).buy()
    assert ("are too low" in capsys.readouterr().err) == is_said


def test_a_request_that_cannot_be_read_counts_at_the_ceiling_of_the_next_attempt(tmp_path):
    with OfflineServer(usd_per_call=0.001) as server:
        world = World(tmp_path, server.url, ["wa"], drafts=1)
        (draft,) = world.drafts
        world.zero(draft, 1)
        world.buy()
    assert world.journal(draft).newest_number() == 2
    assert world.committed() == (pytest.approx(CEILING + 0.001, abs=2e-4), [])
    assert world.committed("another") == (0, [])
    # and stays on the bill of its cohort when it is taken out of the store
    archive.archive(world.settings, archive.to_remove(world.settings, list(world.drafts)))
    assert world.committed() == (pytest.approx(CEILING + 0.001, abs=2e-4), [])
    assert [path.name for path in world.settings.data.cohorts.iterdir()] == ["one"]


def test_a_request_that_cannot_be_read_counts_at_its_rows_model_before_its_generation_is_asked_again(tmp_path):
    with OfflineServer(usd_per_call=0.001) as server:
        world = World(tmp_path, server.url, ["wa"], drafts=2, budget_usd=2.5 * CEILING)
        first, second = world.drafts
        world.buy([first])
        world.zero(second, 1)
        assert world.committed() == (pytest.approx(CEILING + 0.001, abs=2e-4), [])
        # an answer, a ceiling that may have been billed and one for the next call fit
        assert world.buy() == {batches.MADE: 2}
    (lost,) = status_module.of(world.settings, ["one"], world.drafts).maybe_billed
    assert (lost.gen_id, lost.model) == (second.gen_id, "wa")


def test_a_request_of_which_nothing_is_known_is_said_not_to_be_counted(tmp_path, capsys):
    with OfflineServer(usd_per_call=0.001) as server:
        world = World(tmp_path, server.url, ["wa"], drafts=2, budget_usd=1)
        path = world.zero(world.drafts.entries[0], 1)
        assert world.committed() == (0, [path])
        world.buy()
    assert capsys.readouterr().err.count(f"{path}: cannot be read; its call may have been billed") == 1


def test_a_request_that_cannot_be_read_and_is_removed_makes_no_cohort(tmp_path):
    world = World(tmp_path, "http://127.0.0.1:1/v1", ["wa"], drafts=1)
    world.zero(world.drafts.entries[0], 1)
    archive.archive(world.settings, archive.to_remove(world.settings, list(world.drafts)))
    assert [path.name for path in world.settings.data.cohorts.iterdir()] == ["one"]


@pytest.mark.slow
def test_spent_is_one_number_everywhere_also_for_rows_that_are_gone(tmp_path):
    project = Project(tmp_path, SPEC.format(models=["wa", "wb"], replicates=[1, 2, 3]))
    shutil.rmtree(project.data / "1_raw")
    tiny_root.make(tmp_path, llm_models=MODELS)
    with OfflineServer(usd_per_call=0.02) as server:
        env = {"DD_LLM_BASE_URL": server.url}
        project.snakemake(env=env)
        first, second, *_ = (row["gen_id"] for row in project.members("draft"))
        project.daydream("regenerate", "--gen-id", first, "--apply")
        project.daydream("remove", "--gen-id", second, "--apply")
        project.declare(SPEC.format(models=["wa"], replicates=[1, 2, 3]))
        project.snakemake(env=env)
        # six, another answer for one of them, and one again that was removed; three of the six are of dropped rows
        assert len(server.requests) == 8
        project.declare(SPEC.format(models=["wa"], replicates=[1, 2, 3, 4]))
        output = project.snakemake("--config", "budget_usd=0.165", code=1, env=env)
        assert len(server.requests) == 8
    assert "budget_usd of 0.1650 USD: 0.1600 spent" in output
    status = json.loads(project.daydream("status", "--json", code=1))
    assert (status["spent_usd"], status["spent_dropped_usd"]) == (pytest.approx(0.16), pytest.approx(0.06))
    assert json.loads(project.daydream("watch", "--once", "--json", code=None))["spent_usd"] == pytest.approx(0.16)
    costs = read_csv(project.cohort_folder / "reports" / "summary" / "costs.csv")
    assert sum(float(row["cost_usd"]) for row in costs) == pytest.approx(0.16)
    assert sum(float(row["dropped_cost_usd"] or 0) for row in costs) == pytest.approx(0.06)
    page = (project.cohort_folder / "reports" / "html" / "index.html").read_text()
    (spent,) = re.findall(r"<dt>What was spent\?</dt>\s*<dd><b[^>]*>([^<]*)</b>", page)
    assert spent == usd(0.16)
