"""A refusal that would meet every call stops the calls: one goes ahead per model, and one message says why."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests import tiny_root
from tests.project import Project, read_csv
from workflow_lib.calls.retries import STATUS
from workflow_lib.offline.server import OfflineServer

MODELS = (
    "id,model,endpoint,input_usd_per_mtok,output_usd_per_mtok\n"
    "wa,vendor/writer,openrouter,1,10\nwb,vendor/novelist,openrouter,1,10\n"
)
SPEC = """
combos: {{concepts: [moat, loop], k: 2}}
axes:
  draft_template: [plain]
  draft_llm: {models}
  draft_replicate: {replicates}
output: {{field_order: [combo_id, draft_template, draft_llm, draft_replicate]}}
"""
DRAFTS = 200
KEY = {"OPENROUTER_API_KEY": "sk-of-the-breaker"}
BATCH = ("--config", "batch=50", "--")
OWN_PROCESSES = ("--workflow-profile", "none", "--keep-going", "--cores", "4")


def project_of(folder: Path, drafts: int = DRAFTS) -> Project:
    """Return a project whose cohort is drafts of two hosted models."""
    project = Project(folder, SPEC.format(models=["wa", "wb"], replicates=[*range(1, drafts // 2 + 1)]))
    shutil.rmtree(project.data / "1_raw")
    tiny_root.make(folder, llm_models=MODELS)
    return project


def asked(server: OfflineServer) -> Counter:
    """Return model -> the requests that reached the server for it."""
    return Counter(request["model"] for request in server.requests)


@pytest.mark.full
@pytest.mark.parametrize("arguments", [("--",), BATCH], ids=["plain", "batch"])
@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_refusal_on_two_hundred_open_generations_is_met_at_most_twice_per_model(tmp_path, status, arguments):
    project = project_of(tmp_path)
    rule = STATUS[status]
    for _ in range(2):
        with OfflineServer(faults=f"{status}:1.0") as server:
            env = {**KEY, "DD_LLM_BASE_URL": server.url}
            output = project.snakemake("--cores", "64", *arguments, "drafts", code=1, env=env)
            found = asked(server)
        print(found, output[-3000:])
        assert found and max(found.values()) <= 2, found
        assert output.count(rule.remedy.format(key_env="OPENROUTER_API_KEY")) == 1, output
        assert "Traceback" not in output
        assert len(project.files("failure.json")) == DRAFTS
        failures = read_csv(project.cohort_folder / "reports" / "failures.csv")
        assert {row["reason"] for row in failures} == {rule.reason} and len(failures) == DRAFTS
