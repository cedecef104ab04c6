"""Cohorts of selected essays in real runs: only what is missing is bought, and slips stop the run."""

import json
import shutil

import pytest

from tests.project import Project, read_csv
from workflow_lib import tables
from workflow_lib.files import write_text
from workflow_lib.offline.server import OfflineServer


def judges(project: Project, *active: str) -> None:
    """Let only these models judge."""
    path = project.data / "1_raw" / "llm_models.csv"
    rows = read_csv(path)
    for row in rows:
        row["for_evaluation"] = str(row["id"] in active).lower()
    tables.write(path, list(rows[0]), rows)


def untouched(project: Project, stages: tuple[str, ...] = ("draft", "essay")) -> dict[str, tuple[int, bytes]]:
    """Return time and bytes of every file of these stages."""
    files = (path for stage in stages for path in (project.data / "gens" / stage).rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.mark.slow
def test_fill_up_buys_exactly_what_is_missing_once(project: Project):
    project.configure("llm: {backoff_s: 0.01}\n")
    judges(project, "sim-judge-a", "sim-judge-b")
    with OfflineServer() as server:
        url = {"DD_OFFLINE_BASE_URL": server.url}
        project.snakemake("evaluations", env=url)
        assert len(server.requests) == 12
        before = untouched(project)
        gone = [row["gen_id"] for row in project.members("evaluation")[:2]]
        for gen_id in gone:
            shutil.rmtree(project.generation("evaluation", gen_id))
        # the shipped catalogs ask for 2 replicates where the spec of the cohort asked for 1
        assert "evaluation,2" in (project.data / "1_raw" / "replication_config.csv").read_text()
        essays = [row["gen_id"] for row in project.members("essay")]
        selection = project.data / "curation" / "selected_essays.txt"
        write_text(selection, "\n".join(["# mode: reuse-essays", "# fill-up", "# templates: novelty", *essays]) + "\n")
        config = ("--config", "cohort=full", "selection=data/curation/selected_essays.txt")

        project.snakemake(*config, env=url)
        assert len(server.requests) == 12 + 2 + 8
        rows = project.members("evaluation", "full")
        # the tables show all, bought now or before
        assert {row["gen_id"] for row in rows} > set(gone)
        assert len(rows) == 16 and len([row for row in project.scores("full") if row["score"]]) == 16
        assert untouched(project) == before

        written = project.snapshot(project.data / "cohorts" / "full")
        project.snakemake(*config, "--forcerun", "cohort_membership", env=url)
        assert len(server.requests) == 22
        after = project.snapshot(project.data / "cohorts" / "full")
        for name in ("membership.csv", "allocation.json", "manifest.json", "reports/parsing/aggregated_scores.csv"):
            assert after[name] == written[name]


@pytest.mark.slow
def test_best_essays_are_judged_again_by_a_new_judge_alone(project: Project):
    with OfflineServer() as server:
        url = {"DD_OFFLINE_BASE_URL": server.url}
        project.snakemake("evaluations", env=url)
        before = untouched(project, ("draft", "essay", "evaluation"))
        project.daydream("select", "--template", "novelty", "--top-n", "3")
        path = project.data / "curation" / "top_essay_candidates.csv"
        candidates = read_csv(path)
        candidates[0]["selected"] = "no"
        tables.write(path, list(candidates[0]), candidates)
        project.daydream("cohort-from-list", "best")
        asked = len(server.requests)
        project.snakemake("--config", "cohort=best", env=url)
        assert len(server.requests) == asked

        spec = project.data / "cohorts" / "best" / "spec" / "config.yaml"
        assert "sim-judge-b" in spec.read_text()
        edited = spec.read_text().replace("sim-judge-a", "sim-judge-c, sim-judge-a")
        spec.write_text(edited)
        shown = project.daydream("plan", "--cohort", "best", "--spec", str(spec.parent), "--json")
        assert [json.loads(shown)[key] for key in ("added", "dropped")] == [2, 0]
        project.snakemake("--config", "cohort=best", env=url)
        assert [one["model"] for one in server.requests[asked:]] == ["sim-judge-c"] * 2
        now = untouched(project, ("draft", "essay", "evaluation"))
        assert {name: now[name] for name in before} == before
        chosen = {row["gen_id"] for row in candidates[1:]}
        assert {row["parent_gen_id"] for row in project.scores("best")} == chosen
        assert len(project.scores("best")) == 2 * 3


@pytest.mark.slow
def test_a_slip_in_a_selection_stops_the_run_with_one_message(project: Project):
    write_text(project.data / "curation" / "list.txt", "# mode: reuse-esays\ne_none\n")
    output = project.snakemake("--config", "cohort=new", "selection=data/curation/list.txt", code=1)
    assert "list.txt: line 2: there is no essay or draft 'e_none'" in output and "Traceback" not in output
    output = project.snakemake("-n", "--config", "cohort=new", "selection=data/curation/gone.txt", code=1)
    assert "gone.txt: no such file" in output and "Traceback" not in output
