"""The commands beside real runs: what plan announces is what is bought, and what regenerate orders is bought once."""

import json
import shutil

import pytest

from tests.project import Project
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow


def calls_planned(project: Project) -> int:
    plan = json.loads(project.daydream("plan", "--json"))
    return sum(line["to_do"] for lines in plan["stages"].values() for line in lines.values())


@pytest.mark.full
def test_plan_regenerate_and_undo_agree_with_what_is_bought(project: Project):
    with OfflineServer() as server:
        url = {"DD_OFFLINE_BASE_URL": server.url}
        assert calls_planned(project) == 14, "12 calls and 2 copies"
        project.snakemake("evaluations", env=url)
        assert len(server.requests) == 12
        assert calls_planned(project) == 0
        project.daydream("check")

        essay = next(row for row in project.members("essay") if row["template_id"] == "structured-analysis-v2")
        shown = json.loads(
            project.daydream("regenerate", "--gen-id", essay["gen_id"], "--descendants", "--apply", "--json")
        )
        assert len(shown["generations"]) == 1 + 2
        assert calls_planned(project) == 3
        project.snakemake("evaluations", env=url)
        assert len(server.requests) == 12 + 3
        project.snakemake("evaluations", env=url)
        assert len(server.requests) == 12 + 3
        project.daydream("status")

        before = project.snapshot()
        output = project.daydream("remove", "--gen-id", essay["gen_id"], "--apply", "--json")
        shown = json.loads(output[output.index("{") :])
        shutil.copytree(project.folder / shown["archive"], project.data, dirs_exist_ok=True)
        assert project.snapshot() == before
        project.snakemake("evaluations", env=url)
        assert len(server.requests) == 12 + 3


def test_cohort_from_list_needs_no_call(project: Project):
    project.snakemake("evaluations")
    project.daydream("select", "--template", "novelty", "--top-n", "2")
    project.daydream("cohort-from-list", "best")
    before = project.snapshot()
    project.snakemake("evaluations", "--config", "cohort=best", env={"DD_OFFLINE_BASE_URL": "http://127.0.0.1:9"})
    assert project.snapshot() == before
    assert len(project.members("evaluation", "best")) == 4
