"""Budgets: spending stays below the limit with many calls in flight; a higher one goes on."""

import json

import pytest

from tests.project import Project
from tests.scripted_server import ScriptedServer, completion
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow

PAID = """
combos: {concepts: [default-mode-network, combinatorial-creativity, data-flywheel, economic-moat], k: 2}
axes:
  draft_template: [analytical-memo-v2]
  draft_llm: [gpt-oss-120b]
  draft_replicate: [1, 2, 3, 4, 5, 6, 7, 8]
output: {field_order: [combo_id, draft_template, draft_llm, draft_replicate]}
"""
USD_PER_CALL = 0.02  # 48 drafts: 0.96 in all


def spent(project: Project) -> float:
    answers = [json.loads(path.read_text()) for path in project.files("attempts/0001.json")]
    return sum(answer["cost_usd"] for answer in answers)


@pytest.fixture
def paid(tmp_path):
    project = Project(tmp_path, spec=PAID)
    # ceiling of a call: about 0.02 by max_tokens, plus the prompt
    models = project.data / "1_raw" / "llm_models.csv"
    rows = models.read_text().splitlines()
    rows = [row.replace(",,,,,", ",0.5,1,20000,,") if row.startswith("gpt-oss-120b,") else row for row in rows]
    models.write_text("\n".join(rows) + "\n")
    return project


def test_budget_stops_new_calls_and_a_higher_one_finishes(paid: Project):
    with OfflineServer(latency=0.05, usd_per_call=USD_PER_CALL) as server:
        env = {"DD_LLM_BASE_URL": server.url}
        output = paid.snakemake("--cores", "32", "--config", "budget_usd=0.5", "--", "drafts", code=1, env=env)
        assert 0.44 <= spent(paid) <= 0.50
        assert len(server.requests) == round(spent(paid) / USD_PER_CALL)
        assert "budget_exhausted" in output
        assert "budget_usd of 0.5000 USD" in output
        before = len(server.requests)
        paid.snakemake("--cores", "32", "--config", "budget_usd=1.0", "--", "drafts", env=env)
        assert len(server.requests) == 48
        assert before < 48
    assert spent(paid) == pytest.approx(0.96)
    assert paid.files("failure.json") == []


def test_budget_per_model_names_the_model(paid: Project):
    with OfflineServer(usd_per_call=USD_PER_CALL) as server:
        env = {"DD_LLM_BASE_URL": server.url}
        limit = "budget_per_model={gpt-oss-120b: 0.1}"
        output = paid.snakemake("--cores", "8", "--config", limit, "--", "drafts", code=1, env=env)
        # a call reserves a little more than it costs
        assert len(server.requests) == 4
    assert "budget_per_model.gpt-oss-120b of 0.1000 USD: 0.0800 spent, 0.0200 left" in output


def test_budget_without_prices_stops_before_the_first_call_whatever_the_pool(paid: Project):
    models = paid.data / "1_raw" / "llm_models.csv"
    text = models.read_text().replace("openrouter,,false,false,0.5,1,20000", "openrouter,gateway,,,,,20000")
    models.write_text(text.replace("openai/gpt-oss-120b", "vendor/unheard-of"))
    paid.configure("pools: {gateway: {max_concurrent: 2}}\n")
    with OfflineServer() as server:
        env = {"DD_LLM_BASE_URL": server.url}
        output = paid.snakemake("--config", "budget_usd=0.5", "--", "drafts", code=1, env=env)
        assert server.requests == []
    assert "the price of model gpt-oss-120b is not known" in output


def test_an_unknown_cost_counts_at_its_ceiling(paid: Project):
    with ScriptedServer(completion("one\ntwo\nthree\nfour")) as server:
        env = {"DD_LLM_BASE_URL": server.url}
        paid.snakemake("--cores", "8", "--config", "budget_usd=0.1", "--", "drafts", code=1, env=env)
        # a call may cost a little over 0.02
        assert len(server.requests) == 4
        paid.snakemake("--cores", "8", "--config", "budget_usd=0.1", "--", "drafts", code=1, env=env)
        assert len(server.requests) == 4
    status = json.loads(paid.daydream("status", "--json", code=1))
    assert (status["spent_usd"], status["spent_unknown_calls"]) == (None, 4)


def test_tries_without_an_answer_count_as_if_they_were_billed(paid: Project):
    paid.configure("llm: {backoff_s: 0.01, max_tries: 1}\n")
    with OfflineServer(faults="drop:1.0") as server:
        env = {"DD_LLM_BASE_URL": server.url}
        output = paid.snakemake("--cores", "8", "--config", "budget_usd=0.1", "--", "drafts", code=1, env=env)
        assert len(server.requests) == 4
        assert "may have been billed without an answer" in output
        again = paid.snakemake("--cores", "8", "--config", "budget_usd=0.1", "--", "drafts", code=1, env=env)
        assert len(server.requests) == 4
        assert "budget_exhausted" in again
