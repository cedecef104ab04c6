"""Two runs at once on one data root: nothing is bought twice, and both end well [SPEC 7.3]."""

import shutil
import subprocess
import sys
from collections import Counter

import pytest

from tests.project import SOURCE, TWO_BY_TWO, Project, clean_environment
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow


def start(folder, data, cohort, url, *arguments):
    command = [sys.executable, "-m", "snakemake", "-s", str(SOURCE / "Snakefile"), *arguments]
    command += ["--config", f"cohort={cohort}", f"data_root={data}", "--", "evaluations"]
    env = clean_environment() | {"DD_OFFLINE_BASE_URL": url}
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize("arguments", [(), ("--nolock",)], ids=["plain", "nolock"])
def test_two_cohorts_that_share_drafts_buy_each_once(tmp_path, arguments):
    project = Project(tmp_path / "a")
    project.declare(TWO_BY_TWO.replace("structured-analysis-v2", "popular-science-v1"), cohort="other")
    second = tmp_path / "b"
    shutil.copytree(project.folder / "config", second / "config")
    with OfflineServer(latency=0.4) as server:
        runs = [
            start(project.folder, project.data, "mini", server.url),
            start(second, project.data, "other", server.url, *arguments),
        ]
        outputs = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], "\n".join(outputs)[-5000:]
    asked = Counter((one["model"], one["seed"]) for one in server.requests)
    assert set(asked.values()) == {1}
    # 2 drafts and 2 copies are shared; each cohort has 2 essays and 4 judgements of its own; 4 of copies are shared
    assert len(asked) == 2 + 2 * 2 + 2 * 4 + 4


def test_second_run_in_one_folder_buys_nothing_twice(project: Project):
    with OfflineServer(latency=0.5) as server:
        first = start(project.folder, project.data, "mini", server.url)
        while not server.requests:
            assert first.poll() is None
        second = start(project.folder, project.data, "mini", server.url)
        output, _ = second.communicate(timeout=120)
        first.communicate(timeout=120)
    assert first.returncode == 0
    # Snakemake's lock covers the jobs it knew before the checkpoint; the claims cover the rest
    assert second.returncode == 0 or "snakemake --unlock" in output
    assert set(Counter((one["model"], one["seed"]) for one in server.requests).values()) == {1}


def test_run_after_a_killed_one_is_told_and_finishes(project: Project):
    with OfflineServer(latency=5) as server:
        run = start(project.folder, project.data, "mini", server.url)
        while not server.requests:
            assert run.poll() is None
        run.kill()
        run.communicate()
    output = project.snakemake("evaluations", code=None)
    assert "another snakemake is at work in this folder, or one was killed" in output
    project.snakemake("--unlock")
    project.snakemake("evaluations")
    assert len(project.files("parsed.txt")) == 14
