"""What a run waits for that lacks more texts than one job should wait for."""

import pytest

from tests.project import Project, job_counts
from workflow_lib.offline.server import OfflineServer

REPLICATES = 126
SPEC = f"""
combos: {{concepts: [data-flywheel, mind-wandering], k: 2}}
axes:
  draft_template: [analytical-memo-v2]
  draft_llm: [sim-writer-a]
  draft_replicate: [1, 2]
  essay_template: [structured-analysis-v2]
  evaluation_template: [novelty]
  evaluation_llm: [sim-judge-a, sim-judge-b]
  evaluation_replicate: {list(range(1, REPLICATES + 1))}
output: {{field_order: [combo_id, draft_replicate]}}
"""
EVALUATIONS = 2 * 2 * REPLICATES


@pytest.mark.full
@pytest.mark.slow
def test_more_texts_than_a_job_waits_for_are_waited_for_in_parts(tmp_path):
    project = Project(tmp_path, SPEC)
    project.snakemake("cohort")
    planned = job_counts(project.snakemake("-n"))
    assert (planned["evaluation_parsed"], planned["open_texts"], planned["cohort_results"]) == (EVALUATIONS, 2, 1)
    assert job_counts(project.snakemake("-n", "evaluations"))["open_texts"] == 2
    with OfflineServer(script=[("judge-b", ["400"])]) as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        project.snakemake(code=1, env=env)
        assert len(project.scores()) == EVALUATIONS
        assert len([row for row in project.scores() if row["error"]]) == 1
        assert len(server.requests) == 2 + 2 + EVALUATIONS
        assert job_counts(project.snakemake("-n")) == {
            "evaluation_raw": 1,
            "evaluation_parsed": 1,
            "cohort_results": 1,
            "cohort_page": 1,
            "all": 1,
        }
        project.snakemake(env=env)
        assert len(server.requests) == 2 + 2 + EVALUATIONS + 1
    assert "Nothing to be done" in project.snakemake("-n")
    markers = project.data / ".coordination" / "batches"
    assert [path.name for path in markers.iterdir() if path.is_dir()] == [], "removed after a run that ended well"
