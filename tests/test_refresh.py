"""`snakemake cohort` on a timer: done again at the next tick after a failure or a kill, no work without a change."""

import subprocess
import sys
import time

import pytest

from tests.project import SOURCE, TWO_BY_TWO, Project, clean_environment
from workflow_lib.locks import locked

pytestmark = pytest.mark.slow

# a lock that a killed run left behind must not stop every later tick; what a refresh writes is written in one step
TICK = ("cohort", "--nolock")
WIDER = TWO_BY_TWO.replace("[sim-judge-a, sim-judge-b]", "[sim-judge-a, sim-judge-b, sim-judge-c]")


def of_cohort(project: Project) -> dict[str, bytes]:
    return project.snapshot(project.cohort_folder)


def test_a_tick_without_a_change_does_nothing(project: Project):
    project.snakemake(*TICK)
    before = of_cohort(project)
    times = {path: path.stat().st_mtime_ns for path in project.cohort_folder.rglob("*.csv")}
    for path in (project.data / "1_raw").glob("*.csv"):
        path.touch()
    (project.cohort_folder / "spec" / "config.yaml").touch()
    assert "Nothing to be done" in project.snakemake(*TICK)
    assert of_cohort(project) == before
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_a_refresh_that_failed_is_done_at_the_next_tick(project: Project):
    project.snakemake(*TICK)
    before = of_cohort(project)
    project.declare(WIDER.replace("sim-judge-c", "sim-judge-z"))
    # at every tick until it is corrected
    for _ in range(2):
        output = project.snakemake(*TICK, code=1)
        assert "unknown model 'sim-judge-z'" in output and "did you mean" in output
        after = of_cohort(project)
        assert {name for name in before if after[name] != before[name]} == {"spec/config.yaml"}
    project.declare(WIDER)
    project.snakemake(*TICK)
    assert len(project.members("evaluation")) == 12


def test_a_refresh_that_was_killed_is_done_at_the_next_tick(project: Project):
    project.snakemake(*TICK)
    before = of_cohort(project)
    project.declare(WIDER)
    log = project.folder / "run.txt"
    command = [sys.executable, "-m", "snakemake", "-s", str(SOURCE / "Snakefile"), "cohort"]
    # the expansion waits for the registry of combos and is killed there, in the middle of its job
    with open(log, "w", encoding="utf-8") as output, locked(project.data / ".coordination" / "combo_mappings.lock"):
        run = subprocess.Popen(
            command, cwd=project.folder, env=clean_environment(), stdout=output, stderr=subprocess.STDOUT
        )
        while "checkpoint cohort_membership" not in log.read_text(encoding="utf-8"):
            assert run.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.01)
        time.sleep(0.1)
        assert run.poll() is None
        run.kill()
        run.wait()
    assert list((project.folder / ".snakemake" / "locks").iterdir())
    after = of_cohort(project)
    assert {name for name in before if after[name] != before[name]} == {"spec/config.yaml"}
    project.snakemake(*TICK)
    assert len(project.members("evaluation")) == 12
    assert "Nothing to be done" in project.snakemake(*TICK)
