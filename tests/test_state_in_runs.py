"""What real runs make of a store in which texts were deleted, ordered anew, damaged and edited."""

import json

import pytest

from tests.project import Project
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow


def test_deleted_and_ordered_texts_come_back_and_a_damaged_answer_holds_up_nothing(project: Project):
    with OfflineServer() as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        project.snakemake(env=env)
        bought = len(server.requests)
        by_template = {row["template_id"]: row["gen_id"] for row in project.members("essay")}
        essay = project.generation("essay", by_template["structured-analysis-v2"])
        copy = project.generation("essay", by_template["copy-v1"])
        texts = {folder: (folder / "parsed.txt").read_bytes() for folder in (essay, copy)}
        for name in ("raw.txt", "parsed.txt"):
            (essay / name).unlink()
        project.daydream("regenerate", "--gen-id", copy.name, "--apply")
        damaged = project.generation("evaluation", project.members("evaluation")[0]["gen_id"])
        attempt = damaged / "attempts" / "0001.json"
        kept = attempt.read_bytes()
        attempt.write_bytes(b"null")
        for name in ("raw.txt", "parsed.txt"):
            (damaged / name).unlink()

        output = project.snakemake(code=1, env=env)
        assert {folder: (folder / "parsed.txt").read_bytes() for folder in texts} == texts
        assert str(attempt.relative_to(project.folder)) in output
        assert f"daydream regenerate --gen-id {damaged.name} --apply" in output
        assert [row["gen_id"] for row in project.scores() if not row["score"]] == [damaged.name]
        output = project.daydream("status", "--json", code=1)
        assert "{" in output, output
        status = json.loads(output[output.index("{") :])
        assert [(one["gen_id"], one["reason"]) for one in status["failures"]] == [(damaged.name, "unreadable_answer")]

        attempt.write_bytes(kept)
        project.snakemake(env=env)
        assert all(row["score"] for row in project.scores())
        assert len(server.requests) == bought
    assert "Nothing to be done" in project.snakemake("-n")


def test_edits_show_in_the_tables_of_a_cohort_and_of_the_store_without_a_call(project: Project):
    with OfflineServer() as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        project.snakemake("all", "cross_experiment", env=env)
        # made after the tables and the page that it shows
        whole_page = (project.data / "7_cross_experiment" / "html" / "index.html").read_text()
        assert "Means in each cohort" in whole_page and "Without means" not in whole_page
        assert '<span class="way-up">' in (project.cohort_folder / "reports" / "html" / "index.html").read_text()
        assert "Nothing to be done" in project.snakemake("-n", "all", "cross_experiment", env=env)
        bought = len(server.requests)
        template = project.data / "1_raw" / "templates" / "evaluation" / "novelty.txt"
        template.write_text("Be brief.\n\n" + template.read_text())
        essay = project.members("essay")[0]["gen_id"]
        raw = project.generation("essay", essay) / "raw.txt"
        raw.write_text(raw.read_text() + "\nEdited by hand.")
        project.snakemake("all", "cross_experiment", env=env)
        assert len(server.requests) == bought
    whole = project.data / "7_cross_experiment" / "aggregated_scores.csv"
    assert whole.read_bytes() == (project.cohort_folder / "reports" / "parsing" / "aggregated_scores.csv").read_bytes()
    rows = project.scores()
    assert all(row["score"] for row in rows)
    assert {(row["stale"], row["stale_reasons"].split("; ")[0]) for row in rows} == {("true", "prompt")} | {
        ("true", "parent")
    }
    assert {row["parent_gen_id"] for row in rows if row["edited"] == "true"} == {essay}
