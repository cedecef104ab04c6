"""One generation fails, the others do not: what is kept, what is reported, how it goes on."""

import json

import pytest

from tests.project import Project, read_csv
from workflow_lib.offline.server import OfflineServer
from workflow_lib.results.coverage import OUTCOMES

pytestmark = pytest.mark.slow

IDEAS = """
combos: {concepts: [default-mode-network, combinatorial-creativity], k: 2}
axes:
  draft_template: [deliberate-rolling-thread-v1, analytical-memo-v2]
  draft_llm: [sim-writer-a]
  essay_template: [structured-analysis-v2]
  evaluation_template: [novelty]
  evaluation_llm: [sim-judge-a, sim-judge-b]
  evaluation_replicate: [1]
output: {field_order: [combo_id, draft_template, draft_llm, essay_template, evaluation_template, evaluation_llm]}
"""


def completeness(project: Project) -> dict:
    return json.loads((project.cohort_folder / "reports" / "completeness.json").read_text())


def coverage(project: Project) -> dict[str, int]:
    rows = read_csv(project.cohort_folder / "reports" / "summary" / "coverage.csv")
    return {reason: sum(int(row[reason]) for row in rows) for reason in ("expected", *OUTCOMES)}


def test_unparsable_draft_keeps_its_answer_and_a_corrected_parser_needs_no_call(tmp_path):
    project = Project(tmp_path, spec=IDEAS)
    templates = project.data / "1_raw" / "draft_templates.csv"
    wrong = templates.read_text()
    lines = [
        line.replace(",identity,", ",essay_idea_last,") if line.startswith("analytical-memo-v2") else line
        for line in wrong.splitlines()
    ]
    templates.write_text("\n".join(lines) + "\n")
    with OfflineServer() as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        output = project.snakemake(code=1, env=env)
        assert "missing_essay_idea_block" in output
        assert "choose another parser" in output
        failed = next(row for row in project.members("draft") if row["template_id"] == "analytical-memo-v2")
        folder = project.generation("draft", failed["gen_id"])
        raw = (folder / "raw.txt").read_bytes()
        assert raw
        failure = json.loads((folder / "failure.json").read_text())
        assert (failure["step"], failure["reason"]) == ("parse", "missing_essay_idea_block")
        assert len(server.requests) == 2 + 1 + 2
        assert completeness(project)["partial"] is True
        scores = [row["score"] for row in project.scores()]
        assert len([score for score in scores if score]) == 2 and len(scores) == 4

        templates.write_text(wrong)
        project.snakemake(env=env)
        assert len(server.requests) == 2 + 2 + 4
    assert (folder / "raw.txt").read_bytes() == raw
    assert not (folder / "failure.json").exists()
    assert completeness(project)["partial"] is False
    assert "Nothing to be done" in project.snakemake("-n")


def test_refused_answer_is_in_tables_and_page_and_can_be_accepted(project: Project):
    with OfflineServer(script=[("", ["ok"] * 11 + ["refuse"])]) as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        output = project.snakemake("--cores", "1", code=1, env=env)
    assert "refused" in output
    assert coverage(project) == {
        "expected": 8,
        "scored": 7,
        "truncated": 0,
        "refused": 1,
        "empty": 0,
        "unparsable": 0,
        "failed_call": 0,
        "other_model": 0,
        "edited": 0,
        "not_run": 0,
    }
    assert completeness(project)["partial"] is True
    assert "refused" in (project.cohort_folder / "reports" / "html" / "index.html").read_text()
    project.snakemake(code=1)
    project.snakemake("--config", "accept_failures=true")
    assert "Nothing to be done" in project.snakemake("-n", "--config", "accept_failures=true")


def test_accepted_failures_end_the_first_run_well(project: Project):
    with OfflineServer(script=[("", ["ok"] * 11 + ["refuse"])]) as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        project.snakemake("--cores", "1", "--config", "accept_failures=true", env=env)
    assert coverage(project)["refused"] == 1


def test_partial_tables_are_made_without_a_call_and_rebuilt_later(project: Project):
    project.snakemake("essays")
    with OfflineServer() as server:
        project.snakemake("--config", "partial=true", env={"DD_OFFLINE_BASE_URL": server.url})
        assert server.requests == []
    assert coverage(project)["not_run"] == 8
    assert completeness(project)["partial"] is True
    project.snakemake()
    assert coverage(project)["scored"] == 8
    assert completeness(project)["partial"] is False


def test_cohort_that_ends_at_drafts_has_header_only_tables_and_a_page(tmp_path):
    spec = IDEAS.split("  essay_template")[0] + "output: {field_order: [combo_id, draft_template, draft_llm]}\n"
    project = Project(tmp_path, spec=spec)
    project.snakemake()
    assert project.scores() == []
    assert len(project.files("parsed.txt")) == 2
    assert "analytical-memo-v2" in (project.cohort_folder / "reports" / "html" / "index.html").read_text()
    assert "Nothing to be done" in project.snakemake("-n")
