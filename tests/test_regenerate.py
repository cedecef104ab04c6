"""What was ordered anew is bought once, and nothing else: the calls of real runs are counted."""

import json

import pytest

from tests.project import Project
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow


def ordered(project: Project, *arguments: str) -> list[str]:
    """Order fresh answers; returns stage of each."""
    output = project.daydream("regenerate", *arguments, "--apply", "--json")
    return [one["stage"] for one in json.loads(output[output.index("{") :])["generations"]]


def test_only_what_was_ordered_is_bought_again(project: Project):
    with OfflineServer(script={"sim-judge-b": ["empty"]}) as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}

        def calls_of_a_run() -> list[str]:
            before = len(server.requests)
            project.snakemake(env=env)
            return sorted(one["model"] for one in server.requests[before:])

        output = project.snakemake(code=1, env=env)
        assert len(server.requests) == 12 and "empty_response" in output
        assert ordered(project, "--failed") == ["evaluation"]
        assert calls_of_a_run() == ["sim-judge-b"]
        assert len([row for row in project.scores() if row["score"]]) == 8

        drafts = project.members("draft")
        essays = [row for row in project.members("essay") if row["template_id"] == "structured-analysis-v2"]
        other = next(row for row in essays if row["parent_gen_id"] != drafts[0]["gen_id"])
        assert ordered(project, "--gen-id", drafts[0]["gen_id"]) == ["draft"]
        assert ordered(project, "--gen-id", other["gen_id"], "--descendants") == ["essay", "evaluation", "evaluation"]
        # a draft alone, behind essays that have their answers; an essay and its two judgements
        assert calls_of_a_run() == ["sim-judge-a", "sim-judge-b", "sim-writer-a", "sim-writer-a"]

        template = project.data / "1_raw" / "templates" / "evaluation" / "novelty.txt"
        template.write_text("Be brief.\n\n" + template.read_text())
        assert calls_of_a_run() == []
        assert {row["stale"] for row in project.scores()} == {"true"}
        assert ordered(project, "--stale") == ["evaluation"] * 8
        assert calls_of_a_run() == ["sim-judge-a"] * 4 + ["sim-judge-b"] * 4
        assert {row["stale"] for row in project.scores()} == {"false"}
    assert len(server.requests) == 12 + 1 + 4 + 8
    # every answer that was ever paid for is still there
    assert len(list((project.data / "gens").glob("*/*/attempts/????.json"))) == 25
