"""A paid answer is never lost and never bought twice: counted at a real server."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.project import SOURCE, Project, clean_environment, job_counts
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow

CALLS = 12  # 2 drafts, 2 essays that are no copies, 8 evaluations
UNSAFE = ("--workflow-profile", "none", "--cores", "4", "--force-use-threads")


@pytest.fixture
def server():
    with OfflineServer() as running:
        yield running


@pytest.fixture(scope="module")
def bought_once(tmp_path_factory):
    """The folder of a project whose cohort has been bought over HTTP; to be copied, never changed."""
    folder = tmp_path_factory.mktemp("bought")
    with OfflineServer() as server:
        Project(folder).snakemake("evaluations", env={"DD_OFFLINE_BASE_URL": server.url})
        assert len(server.requests) == CALLS
    return folder


@pytest.fixture
def bought(bought_once, project: Project, server):
    """A project whose cohort has been bought over HTTP, and a server that counts what comes after it."""
    shutil.copytree(bought_once, project.folder, dirs_exist_ok=True)
    project.server = server
    project.url = {"DD_OFFLINE_BASE_URL": server.url}
    return project


@pytest.mark.parametrize("attempts", [True, False], ids=["attempts", "no-attempts"])
def test_forced_runs_restore_and_buy_nothing(bought: Project, attempts):
    before = {path: text for path, text in bought.snapshot().items() if path.endswith(("raw.txt", "parsed.txt"))}
    for arguments in (
        ("-F", "evaluations"),
        ("-R", "essay_raw", "--", "evaluations"),
        (*UNSAFE, "--forceall", "evaluations"),
        (*UNSAFE, "evaluations"),
    ):
        if not attempts:
            for raw in bought.files("raw.txt"):
                shutil.rmtree(raw.parent / "attempts", ignore_errors=True)
        bought.snakemake(*arguments, env=bought.url)
        after = bought.snapshot()
        assert {path: after[path] for path in before} == before, arguments
        assert bought.server.requests == [], arguments


def test_deleted_raw_is_restored_without_a_call(bought: Project):
    lost = bought.files("raw.txt")[-1]
    text = lost.read_text()
    (lost.parent / "parsed.txt").unlink()
    lost.unlink()
    bought.snakemake("evaluations", env=bought.url)
    assert lost.read_text() == text
    assert bought.server.requests == []


def test_second_run_has_nothing_to_do(bought: Project):
    assert "Nothing to be done" in bought.snakemake("-n", "evaluations")
    bought.snakemake("evaluations", env=bought.url)
    assert bought.server.requests == []


def test_added_judge_buys_only_its_own_answers(bought: Project):
    spec = bought.cohort_folder / "spec" / "config.yaml"
    spec.write_text(spec.read_text().replace("sim-judge-b]", "sim-judge-b, sim-judge-c]"))
    bought.snakemake("cohort")
    assert job_counts(bought.snakemake("-n", "evaluations")) == {
        "evaluations": 1,
        "evaluation_parsed": 4,
        "evaluation_raw": 4,
    }
    bought.snakemake("evaluations", env=bought.url)
    assert [request["model"] for request in bought.server.requests] == ["sim-judge-c"] * 4


def test_single_target_makes_exactly_its_lineage(project: Project, server):
    project.snakemake("cohort")
    row = next(row for row in project.members("evaluation"))
    target = f"data/gens/evaluation/{row['gen_id']}/parsed.txt"
    project.snakemake("--cores", "4", target, env={"DD_OFFLINE_BASE_URL": server.url})
    stages = [path.parent.parent.name for path in project.files("parsed.txt")]
    assert sorted(stages) == ["draft", "essay", "evaluation"]


def test_deleted_draft_with_a_new_sibling_essay_buys_draft_and_sibling_only(bought: Project):
    draft = bought.members("draft")[0]["gen_id"]
    shutil.rmtree(bought.generation("draft", draft))
    spec = bought.cohort_folder / "spec" / "config.yaml"
    spec.write_text(spec.read_text().replace("copy-v1]", "copy-v1, popular-science-v1]"))
    bought.snakemake("evaluations", env=bought.url)
    new = [request["model"] for request in bought.server.requests]
    # the draft again (nothing of it was left), one new essay per draft, two judges each
    assert sorted(new) == sorted(["sim-writer-a"] * 3 + ["sim-judge-a", "sim-judge-b"] * 2)


def test_edited_template_buys_nothing(bought: Project):
    template = bought.data / "1_raw" / "templates" / "essay" / "structured-analysis-v2.txt"
    template.write_text(template.read_text() + "\nOne more line.\n")
    assert "Nothing to be done" in bought.snakemake("-n", "evaluations")
    bought.snakemake("-F", "evaluations", env=bought.url)
    assert bought.server.requests == []


def test_fresh_essays_are_bought_once_each_and_older_answers_stay(bought: Project):
    arguments = ("-R", "essay_raw", "--config", "fresh=essay", "--", "evaluations")
    bought.snakemake(*arguments, env=bought.url)
    essays = [row["gen_id"] for row in bought.members("essay") if row["template_id"] != "copy-v1"]
    assert len(bought.server.requests) == len(essays)
    for gen_id in essays:
        names = sorted(path.name for path in (bought.generation("essay", gen_id) / "attempts").glob("[0-9]*.json"))
        assert names == ["0001.json", "0001.request.json", "0002.fresh.json", "0003.json", "0003.request.json"]
    assert "Nothing to be done" in bought.snakemake("-n", "evaluations")


def test_fresh_that_meets_no_credits_keeps_the_old_answer(project: Project, tmp_path):
    with OfflineServer() as server:
        project.snakemake("evaluations", env={"DD_OFFLINE_BASE_URL": server.url})
    before = project.snapshot()
    with OfflineServer(faults="402:1.0") as broke:
        output = project.snakemake(
            "-R",
            "essay_raw",
            "--config",
            "fresh=essay",
            "--",
            "evaluations",
            env={"DD_OFFLINE_BASE_URL": broke.url},
            code=1,
        )
    assert "credits" in output
    after = project.snapshot()
    for path in before:
        if path.endswith("/raw.txt"):
            assert after[path] == before[path]


@pytest.mark.full
def test_fresh_run_killed_in_the_middle_and_repeated_orders_once(project: Project):
    spec = project.cohort_folder / "spec" / "config.yaml"
    spec.write_text(spec.read_text().replace("copy-v1]", "creative-synthesis-v10, popular-science-v1]"))
    project.snakemake("essays")
    essays = [row["gen_id"] for row in project.members("essay")]
    arguments = ("-R", "essay_raw", "--config", "fresh=essay", "--", "essays")
    with OfflineServer(latency=0.5) as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        command = [sys.executable, "-m", "snakemake", "-s", str(SOURCE / "Snakefile"), "--cores", "2", *arguments]
        run = subprocess.Popen(command, cwd=project.folder, env=clean_environment() | env, start_new_session=True)
        while len(server.answered()) < 2:
            assert run.poll() is None
            time.sleep(0.01)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        project.snakemake("--unlock")
        project.snakemake("--cores", "2", *arguments, env=env)
    for gen_id in essays:
        folder = project.generation("essay", gen_id) / "attempts"
        assert len(list(folder.glob("*.fresh.json"))) == 1
        answers = sorted(path.name for path in folder.glob("????.json"))
        assert answers[0] == "0001.json" and len(answers) == 2
    again = project.snakemake("-n", "essays")
    assert "Nothing to be done" in again
