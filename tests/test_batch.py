"""Batch mode: many calls per job, and otherwise the same [SPEC 6.10]."""

import json

import pytest

from tests.project import Project, job_counts, read_csv
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow

BATCH = ("--config", "batch=3", "--")


def tables(project: Project) -> dict[str, bytes]:
    found = project.snapshot(project.cohort_folder / "reports")
    return {path: text for path, text in found.items() if path.endswith(".csv") and "costs" not in path}


def test_batches_make_the_same_tables_with_each_call_once(tmp_path):
    plain, batched = Project(tmp_path / "plain"), Project(tmp_path / "batched")
    plain.snakemake()
    with OfflineServer(latency=0.1) as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        batched.snakemake("cohort")
        assert job_counts(batched.snakemake("-n", *BATCH, "all")) == {
            "all": 1,
            "cohort_page": 1,
            "cohort_results": 1,
            "draft_batch": 1,
            "draft_parsed": 2,
            "draft_raw": 2,
            "essay_batch": 1,
            "essay_parsed": 4,
            "essay_raw": 4,
            "evaluation_batch": 3,
            "evaluation_parsed": 8,
            "evaluation_raw": 8,
        }
        batched.snakemake(*BATCH, "all", env=env)
        assert len(server.requests) == 12
        assert max(one["in_flight"] for one in server.requests) > 1
    assert tables(batched) == tables(plain)
    assert "Nothing to be done" in batched.snakemake("-n", *BATCH, "all")
    assert "Nothing to be done" in batched.snakemake("-n")


def test_one_failed_call_in_a_batch_fails_only_its_own_generation(project: Project):
    with OfflineServer(script=[("", ["402"])]) as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        output = project.snakemake(*BATCH, "all", code=1, env=env)
        assert "no_credits" in output
        assert len(server.requests) == 2 + 1 + 4
        scored = [row for row in project.scores() if row["score"]]
        assert len(scored) == 4
        project.snakemake(*BATCH, "all", env=env)
        assert len(server.requests) == 7 + 1 + 1 + 4
    assert [row["error"] for row in project.scores()] == [""] * 8


def test_unparsable_parent_holds_back_only_what_is_made_from_it(project: Project):
    templates = project.data / "1_raw" / "draft_templates.csv"
    lines = templates.read_text().splitlines()
    templates.write_text(
        "\n".join(
            line.replace(",identity,", ",essay_idea_last,") if line.startswith("analytical-memo-v2") else line
            for line in lines
        )
        + "\n"
    )
    with OfflineServer() as server:
        output = project.snakemake(*BATCH, "all", code=1, env={"DD_OFFLINE_BASE_URL": server.url})
        assert len(server.requests) == 2 + 1 + 4
    assert "missing_essay_idea_block" in output
    [failure] = read_csv(project.cohort_folder / "reports" / "failures.csv")
    assert (failure["stage"], failure["step"]) == ("draft", "parse")


def test_fresh_answers_in_batches_are_bought_once(project: Project):
    project.snakemake()
    with OfflineServer() as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        project.snakemake("-R", "essay_raw", "--config", "batch=3", "fresh=essay", "--", "essays", env=env)
        assert len(server.requests) == 2
    essays = [row["gen_id"] for row in project.members("essay") if row["template_id"] != "copy-v1"]
    for gen_id in essays:
        metadata = json.loads((project.generation("essay", gen_id) / "raw_metadata.json").read_text())
        assert metadata["attempt"] == 3


def test_batches_work_in_processes_of_their_own(project: Project):
    with OfflineServer() as server:
        arguments = ("--workflow-profile", "none", "--cores", "2", "--config", "batch=10", "--", "drafts")
        project.snakemake(*arguments, env={"DD_OFFLINE_BASE_URL": server.url})
        assert len(server.requests) == 2
    assert len(project.files("parsed.txt")) == 2
