"""What came since tables were made, and the files of runs that were killed."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import small_cohort
from workflow_lib.files import read_json, write_json
from workflow_lib.paths import DataRoot
from workflow_lib.results import cross, reports
from workflow_lib.runs import Run, has_cross_news, has_news, newest_file, write_cross, write_tables
from workflow_lib.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return small_cohort.make_bought(tmp_path)


def parsed(run: Run) -> Path:
    return run.files(run.membership(small_cohort.COHORT).stage("evaluation")[0]).parsed


def overwritten(path: Path) -> None:
    path.write_text("1.0\n")


def renamed(path: Path) -> None:
    """As a second run does it: written before the tables were begun, in place after they were read."""
    (path.parent / ".written-before").rename(path)


@pytest.mark.slow
@pytest.mark.parametrize("come", [overwritten, renamed])
def test_a_text_that_comes_while_tables_are_made_is_news(settings, monkeypatch, come: Callable[[Path], None]):
    run = Run(settings)
    text = parsed(run)
    (text.parent / ".written-before").write_text("1.0\n")
    read = reports.scores.of_cohort

    def read_and_then_comes_another(*arguments):
        found = read(*arguments)
        come(text)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(reports.scores, "of_cohort", read_and_then_comes_another)
        write_tables(run, small_cohort.COHORT)
    assert has_news(run, small_cohort.COHORT)
    write_tables(run, small_cohort.COHORT)
    assert not has_news(run, small_cohort.COHORT)


def test_a_score_that_comes_while_tables_over_the_store_are_made_is_news(settings, monkeypatch):
    run = Run(settings)
    read = cross.scores.of_store

    def read_and_then_comes_another(*arguments):
        found = read(*arguments)
        overwritten(parsed(run))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(cross.scores, "of_store", read_and_then_comes_another)
        write_cross(run)
    assert has_cross_news(run)
    write_cross(run)
    assert not has_cross_news(run)


def test_tables_without_a_record_of_their_reading_are_as_old_as_their_file(settings):
    run = Run(settings)
    write_tables(run, small_cohort.COHORT)
    for record in settings.data.coordination.rglob(f"{small_cohort.COHORT}.json"):
        record.unlink()
    assert not has_news(run, small_cohort.COHORT)
    overwritten(parsed(run))
    assert has_news(run, small_cohort.COHORT)


def test_tables_of_a_version_that_counted_no_stages_are_made_again(settings):
    run = Run(settings)
    write_tables(run, small_cohort.COHORT)
    counted = settings.data.cohort(small_cohort.COHORT).completeness
    recorded = read_json(counted)
    del recorded["stages"]
    write_json(counted, recorded)
    assert has_news(run, small_cohort.COHORT)


HOLDS = """
import sys
from pathlib import Path
from workflow_lib.files import read_json, write_json
from workflow_lib.paths import DataRoot
from workflow_lib.runs import newest_file
print(newest_file(DataRoot(Path(sys.argv[1])), shared=True), flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_the_next_run_removes_the_file_of_a_killed_one_and_no_other(tmp_path):
    def holder() -> tuple[subprocess.Popen, Path]:
        command = [sys.executable, "-c", HOLDS, str(tmp_path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return process, Path(process.stdout.readline().strip())

    killed, left = holder()
    living, kept = holder()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert left.exists() and kept.exists()
    own = newest_file(DataRoot(tmp_path), shared=True)
    assert {path for path in left.parent.iterdir()} == {own, kept}
    living.communicate("")
    assert not kept.exists()
