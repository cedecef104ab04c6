"""Several cohorts in one run, and cohorts that share generations."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.project import TWO_BY_TWO, Project, read_csv
from workflow_lib import tables
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow

# one draft template in common, one of its own each
FIRST = TWO_BY_TWO
SECOND = TWO_BY_TWO.replace("analytical-memo-v2", "socratic-dialogue-v1")
# what says for whom something was bought
OF_THE_RUN = {"aggregated_scores.csv": ("origin_cohort_id",)}


def two_cohorts(folder: Path) -> Project:
    project = Project(folder, FIRST, "first")
    project.declare(SECOND, "second")
    return project


def comparable(project: Project, cohort: str) -> dict[str, str]:
    """Return the bytes of every table of a cohort but costs.csv, without the columns that say for whom it was made."""
    folder = project.data / "cohorts" / cohort / "reports"
    found = {}
    made = {path for path in folder.rglob("*.csv") if "html" not in path.parts} - {costs_of(project, cohort)}
    for path in [*sorted(made), folder / "completeness.json"]:
        found[path.name] = path.read_text(encoding="utf-8")
        if path.name in OF_THE_RUN:
            rows = tables.read_rows(path, ())
            columns = [name for name in rows[0].cells if name not in OF_THE_RUN[path.name]]
            found[path.name] = tables.render(columns, (row.cells for row in rows))
    return found


def costs_of(project: Project, cohort: str) -> Path:
    return project.data / "cohorts" / cohort / "reports" / "summary" / "costs.csv"


def test_what_two_cohorts_share_is_made_once_and_each_has_the_tables_it_has_alone(tmp_path):
    together = two_cohorts(tmp_path / "together")
    with OfflineServer() as server:
        together.snakemake("--config", "cohort=first,second", env={"DD_OFFLINE_BASE_URL": server.url})
        asked = Counter((one["model"], one["seed"]) for one in server.requests)
    shared = {row["gen_id"] for row in together.members(cohort="first")}
    shared &= {row["gen_id"] for row in together.members(cohort="second")}
    # of each cohort: 2 drafts, 2 essays and 2 copies, 8 judgements; one draft and all that is made of it is shared
    assert len(shared) == 7
    assert set(asked.values()) == {1} and len(asked) == 2 * 12 - 6
    for gen_id in shared:
        (path,) = together.data.glob(f"gens/*/{gen_id}/metadata.json")
        assert json.loads(path.read_text())["origin_cohort_id"] == "first"
    # each cohort has on its bill what was bought in its name
    bought = {
        name: sum(int(row["calls"]) for row in read_csv(costs_of(together, name))) for name in ("first", "second")
    }
    assert bought == {"first": 12, "second": 6}
    for name in ("first", "second"):
        alone = two_cohorts(tmp_path / name)
        alone.snakemake("--config", f"cohort={name}")
        assert comparable(together, name) == comparable(alone, name)
        assert len(together.scores(name)) == 8
    # the other order makes nothing new; an edit of one cohort makes its own only, and leaves the other's tables
    reports = together.data / "cohorts" / "first" / "reports"
    before = {path: path.stat().st_mtime_ns for path in reports.rglob("*.csv")}
    together.declare(SECOND.replace("sim-judge-b]", "sim-judge-c]"), "second")
    with OfflineServer() as server:
        together.snakemake("--config", "cohort=second,first", env={"DD_OFFLINE_BASE_URL": server.url})
        assert [one["model"] for one in server.requests] == ["sim-judge-c"] * 4
    assert {path: path.stat().st_mtime_ns for path in reports.rglob("*.csv")} == before


def test_removing_by_template_shows_what_it_moves_and_moving_it_back_restores_every_byte(tmp_path):
    project = two_cohorts(tmp_path)
    project.snakemake("--config", "cohort=first,second", "--", "evaluations")
    before = project.snapshot(project.data)
    arguments = ("remove", "--template", "analytical-memo-v2", "--descendants")
    output = project.daydream(*arguments, "--json")
    shown = json.loads(output[output.index("{") :])
    assert shown["applied"] is False and project.snapshot(project.data) == before
    output = project.daydream(*arguments, "--apply", "--json")
    moved = json.loads(output[output.index("{") :])
    assert moved["generations"] == shown["generations"]
    assert Counter(one["stage"] for one in moved["generations"]) == {"draft": 1, "essay": 2, "evaluation": 4}
    listed = {f"gens/{one['stage']}/{one['gen_id']}" for one in moved["generations"]}
    left = project.snapshot(project.data)
    gone = {name for name in before if name not in left}
    assert {"/".join(name.split("/")[:3]) for name in gone} == listed
    # without them the other cohort is as it was, and this one lacks exactly them
    assert "Nothing to be done" in project.snakemake("--config", "cohort=second", "--", "evaluations")
    archive = project.folder / moved["archive"]
    shutil.copytree(archive, project.data, dirs_exist_ok=True)
    shutil.rmtree(archive.parent)
    # what was removed stays on the bill; what came back is not counted twice
    after = project.snapshot(project.data)
    bills = {name for name in after if Path(name).stem == "removed_attempts"}
    assert {name: content for name, content in after.items() if name not in bills} == before
    with OfflineServer() as server:
        project.snakemake(
            "--config", "cohort=first,second", "--", "evaluations", env={"DD_OFFLINE_BASE_URL": server.url}
        )
        assert not server.requests


@pytest.mark.slow
def test_tables_of_all_cohorts_need_no_cohort_and_a_typo_is_an_error(tmp_path):
    project = Project(tmp_path)
    project.snakemake("evaluations")
    typo = ("--config", "cohort=minni", "cross_cohort=mini", "--")
    project.snakemake(*typo, "cross_experiment")
    rows = read_csv(project.data / "7_cross_experiment" / "aggregated_scores.csv")
    assert len(rows) == 8
    for target in ("all", "cohort", "evaluations", "results"):
        output = project.snakemake(*typo, target, code=1)
        assert "there is no cohort 'minni'" in output and "did you mean 'mini'?" in output
