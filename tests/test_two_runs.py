"""Two runs at once on one data root: nothing is bought twice, and both end well."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.project import SOURCE, TWO_BY_TWO, Project, clean_environment
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow

DOUBLE_RUNS = int(os.environ.get("DOUBLE_RUNS", "50"))


def start(folder, data, cohort, url, *arguments, target="evaluations"):
    command = [sys.executable, "-m", "snakemake", "-s", str(SOURCE / "Snakefile"), *arguments]
    command += ["--config", f"cohort={cohort}", f"data_root={data}", "--", target]
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


def test_run_after_a_killed_one_is_reported_and_finishes(project: Project):
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


def double_run(folder: Path, delay: float) -> dict[str, bytes]:
    """Run one cohort twice at once, to its tables and page; returns its tables. Fails unless all is well."""
    project = Project(folder / "a")
    second = folder / "b"
    shutil.copytree(project.folder / "config", second / "config")
    with OfflineServer(latency=0.1) as server:
        first = start(project.folder, project.data, "mini", server.url, "--cores", "8", target="all")
        time.sleep(delay)
        other = start(second, project.data, "mini", server.url, "--cores", "8", target="all")
        outputs = [run.communicate(timeout=300)[0] for run in (first, other)]
    assert (first.returncode, other.returncode) == (0, 0), "\n".join(outputs)[-8000:]
    assert set(Counter((one["model"], one["seed"]) for one in server.requests).values()) == {1}
    assert len(project.files("raw.txt")) == len(project.files("parsed.txt")) == 14
    assert [path for path in project.data.rglob(".*") if path.name.startswith((".tmp", ".room", ".staged"))] == []
    tables = project.snapshot(project.cohort_folder / "reports")
    # seconds, and paths of the folder that the run was started in
    return {name: text for name, text in tables.items() if name.endswith(".csv") and "costs" not in name}


@pytest.mark.parametrize("count", [2, pytest.param(DOUBLE_RUNS, marks=pytest.mark.full)])
def test_double_runs_end_well_with_identical_tables(tmp_path, count):
    dice = random.Random(count)
    found = []
    for number in range(count):
        found.append(double_run(tmp_path / str(number), dice.choice([0, 0.2, 0.5, 1.0, 2.0])))
        shutil.rmtree(tmp_path / str(number))
    assert len(found[0]) > 8
    assert all(tables == found[0] for tables in found)
    assert b",unknown" not in found[0]["parsing/aggregated_scores.csv"]
