"""Pages of a run that goes on: built aside from what is there, with the progress on top, and nothing else is served."""

import http.client
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.project import SOURCE, clean_environment
from tests.small_cohort import COHORT, make_project, run_all
from workflow_lib.errors import DayDreamError
from workflow_lib.generations import failures
from workflow_lib.inspect import scope
from workflow_lib.inspect.progress import Progress
from workflow_lib.inspect.serving import Served
from workflow_lib.settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_project(tmp_path)


def get(url: str, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    """Ask for a path as it is written, dots and all."""
    own = http.client.HTTPConnection(url.split("/")[2], timeout=60)
    own.request(method, path, headers=headers)
    answer = own.getresponse()
    return answer.status, answer.read().decode()


def files_of(settings: Settings) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in settings.data.root.rglob("*")}


def test_report_is_read_while_the_rest_is_still_to_be_made(settings):
    run_all(settings, stages=["draft", "essay"])
    before = files_of(settings)
    with Served(settings, 0) as served:
        assert "Starting" in get(served.url, "/")[1]
        served.note(Progress(settings).look())
        served.finish()
        status, page = get(served.url, f"/{COHORT}/")
        assert status == 200
        head = page.split("<main")[1][:3000]
        assert "evaluations</label>" in head and "<b>0</b> of 8" in head and "spent" in head
        essay = next(entry for entry in scope.as_written(settings).membership.stage("essay"))
        assert f"essays/{essay.gen_id}.html" in page
        assert get(served.url, f"/{COHORT}/essays/{essay.gen_id}.html")[0] == 200
        assert get(served.url, f"/{COHORT}/tables/summary/costs.csv")[0] == 200
        run_all(settings)
        served.note(Progress(settings).look())
        served.finish()
        assert "<b>8</b> of 8" in get(served.url, "/")[1] and "all done" in get(served.url, "/")[1]
        assert "evaluation_scores" in get(served.url, f"/{COHORT}/")[1]
    after = files_of(settings)
    assert {path for path in before if before[path] != after.get(path) and path.is_file()} == set()
    assert not settings.data.cohort(COHORT).reports.exists()


def test_failures_and_money_are_on_top(settings):
    run_all(settings, stages=["draft"])
    essay = next(entry for entry in scope.as_written(settings).membership.stage("essay"))
    files = settings.data.generation("essay", essay.gen_id)
    failures.record(files, essay, "call", "timeout", "No <b>answer</b> came.", "Run again.")
    with Served(settings, 0) as served:
        served.note(Progress(settings).look())
        served.finish()
        for path in ("/", f"/{COHORT}/"):
            head = get(served.url, path)[1].split("<main")[1][:3000]
            assert essay.gen_id in head and "timeout: <bdi>No &lt;b&gt;answer&lt;/b&gt; came." in head
            assert "1 failed" in head and "$0.00</b> spent" in head


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    settings = make_project(tmp_path_factory.mktemp("served"))
    with Served(settings, 0) as found:
        found.note(Progress(settings).look())
        found.finish()
        yield found


@pytest.mark.parametrize(
    "path",
    [
        f"/{COHORT}/../../membership.csv",
        f"/{COHORT}/../../../../../../../../../../etc/passwd",
        f"/{COHORT}/%2e%2e/%2e%2e/membership.csv",
        f"/{COHORT}/..%2f..%2fmembership.csv",
        f"/{COHORT}//etc/passwd",
        f"/{COHORT}/%2fetc%2fpasswd",
        f"/{COHORT}/index.html%00",
        "/../1_raw/llm_models.csv",
        "/1_raw/llm_models.csv",
        "/.env",
        f"/{COHORT}",
        "/other/",
    ],
)
def test_nothing_outside_of_the_pages_is_served(served, path):
    assert get(served.url, path) == (404, "There is no such page.\n")


def test_only_reading_and_only_for_this_machine(served):
    assert get(served.url, f"/{COHORT}/")[0] == 200
    assert get(served.url, f"/{COHORT}/", "HEAD") == (200, "")
    assert get(served.url, f"/{COHORT}/", "POST")[0] == 501
    # a name of the web that points to this machine
    assert get(served.url, f"/{COHORT}/", Host="pages.example.org")[0] == 404
    assert served.url.startswith("http://127.0.0.1:")


def test_port_in_use_is_a_readable_error(settings, served):
    taken = int(served.url.rsplit(":")[-1].strip("/"))
    with pytest.raises(DayDreamError, match=f"cannot serve on port {taken}"):
        Served(settings, taken)


def test_files_that_come_and_go_leave_the_pages_of_before(settings):
    run_all(settings)
    files = [
        settings.data.generation("essay", entry.gen_id)
        for entry in scope.as_written(settings).membership.stage("essay")
    ]
    texts = {one.parsed: one.parsed.read_bytes() for one in files}
    ends = threading.Event()

    def come_and_go():
        while not ends.is_set():
            for path, text in texts.items():
                path.unlink(missing_ok=True)
                path.write_bytes(text)

    with Served(settings, 0) as served:
        watched = Progress(settings)
        served.note(watched.look())
        served.finish()
        moving = threading.Thread(target=come_and_go)
        moving.start()
        try:
            for _ in range(3):
                served.note(watched.look())
                served.finish()
                assert get(served.url, f"/{COHORT}/")[0] == 200
        finally:
            ends.set()
            moving.join()


def test_interrupt_ends_it_and_leaves_nothing_behind(settings, tmp_path):
    run_all(settings, stages=["draft"])
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    watching = subprocess.Popen(
        [sys.executable, "-m", "workflow_lib", "watch", "--serve", "0", "--interval", "0.1", "--cohort", COHORT],
        cwd=tmp_path,
        env=clean_environment() | {"TMPDIR": str(temporary), "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    url = watching.stderr.readline().split()[5]
    assert "draft 2/2" in watching.stdout.readline()
    assert get(url, "/")[0] == 200
    # as a terminal does it: the process that builds gets it, too
    os.killpg(watching.pid, signal.SIGINT)
    _, printed = watching.communicate(timeout=60)
    assert (watching.returncode, printed) == (0, "")
    assert list(temporary.iterdir()) == []
