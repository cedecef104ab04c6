"""Model servers that a process starts for itself: ready before the first call, gone with the process."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import small_cohort
from tests.project import SOURCE, clean_environment
from workflow_lib import cli, cohorts
from workflow_lib import settings as settings_module
from workflow_lib.calls import Caller, ping, servers
from workflow_lib.calls.endpoints import Endpoint
from workflow_lib.calls.replies import CallError
from workflow_lib.calls.servers import Servers
from workflow_lib.generations import batches
from workflow_lib.settings import EndpointSettings, Settings

SERVE = f"{sys.executable} -m workflow_lib serve-offline --port {{port}}"
URL = "http://127.0.0.1:{port}/v1"
KEY = "sk-hosted-0123456789abcdef"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The working directory: logs of servers go below it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    small_cohort.make_project(tmp_path)
    return tmp_path


def load(folder: Path, start: str, **others: object) -> Settings:
    offline = {"start": start, "base_url": URL, **others}
    given = {
        "data_root": str(folder / "data"),
        "endpoints": {"offline": offline},
        "llm": {"backoff_s": 0.01, "max_tries": 2},
    }
    return settings_module.load(given, folder, {})


def make_drafts(caller: Caller) -> dict[str, str]:
    membership = cohorts.load_membership(caller.settings, small_cohort.COHORT)
    return batches.make_all(caller, membership, membership.stage("draft"), print, None, redo=False)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 60
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def failures(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted((folder / "data" / "gens").glob("*/*/failure.json"))]


@pytest.mark.slow
def test_calls_go_to_the_server_of_the_process_which_is_stopped_with_all_that_it_started(folder):
    settings = load(folder, f"sleep 1000 & echo $! > child.pid; exec {SERVE} --serve-as local-model")
    caller = Caller(settings)
    try:
        assert set(make_drafts(caller).values()) == {"made"}
        child = int((folder / "child.pid").read_text())
        assert is_alive(child)
    finally:
        caller.servers.stop()
    assert not is_alive(child)
    [log] = (folder / "logs" / "model_servers").iterdir()
    assert log.name.startswith("offline-") and "Offline models at http://127.0.0.1:" in log.read_text()
    answers = list((folder / "data" / "gens").glob("draft/*/attempts/0001.json"))
    assert len(answers) == 2 and all('"served_model": "local-model"' in path.read_text() for path in answers)


def test_nothing_is_started_where_no_call_is_made_or_a_variable_sends_calls_elsewhere(folder):
    settings = load(folder, "touch started; false {port}")
    assert Servers(settings).reached(_offline("http://elsewhere/v1")).base_url == "http://elsewhere/v1"
    Caller(settings).require_key("sim-writer-a")
    assert not (folder / "started").exists()


def test_a_server_that_ends_before_it_is_ready_fails_each_generation_once_and_its_log_is_named(folder):
    caller = Caller(load(folder, "echo starting >> starts; echo no memory on device 0; exit 3 # {port}"))
    assert set(make_drafts(caller).values()) == {"failed"}
    assert (folder / "starts").read_text() == "starting\n"
    [log] = (folder / "logs" / "model_servers").iterdir()
    assert len(failures(folder)) == 2
    for text in failures(folder):
        assert '"reason": "no_server"' in text and str(log.relative_to(folder)) in text
        assert "ended with exit code 3" in text and "no memory on device 0" in text


@pytest.mark.slow
def test_a_server_that_is_not_ready_in_time_is_stopped(folder):
    settings = load(
        folder, f"echo $$ > server.pid; exec {sys.executable} -m http.server {{port}}", ready_url=f"{URL}/no"
    )
    waiting = Servers(settings, patience_s=3.0)
    with pytest.raises(CallError, match=r"not ready after 3 s .*/v1/no: status 404"):
        waiting.reached(_offline(URL))
    assert not is_alive(int((folder / "server.pid").read_text()))


def test_a_server_that_ends_under_calls_is_named_with_its_log(folder):
    code = "import http.server, os; h = http.server.BaseHTTPRequestHandler; "
    code += "h.do_GET = lambda s: (s.send_response(200), s.end_headers()); h.do_POST = lambda s: os._exit(7); "
    code += "http.server.HTTPServer(('127.0.0.1', {port}), h).serve_forever()"
    caller = Caller(load(folder, f'exec {sys.executable} -c "{code}"'))
    try:
        assert set(make_drafts(caller).values()) == {"failed"}
    finally:
        caller.servers.stop()
    [log] = (folder / "logs" / "model_servers").iterdir()
    assert len(failures(folder)) == 2 and all(str(log.relative_to(folder)) in text for text in failures(folder))


@pytest.mark.slow
def test_a_killed_process_leaves_no_server_behind(folder):
    program = folder / "killed.py"
    program.write_text(
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from tests.test_servers import load, _offline, URL\n"
        "from workflow_lib.calls.servers import Servers\n"
        "settings = load(Path.cwd(), sys.argv[2])\n"
        "Servers(settings).reached(_offline(URL))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    start = f"echo $$ > server.pid; sleep 1000 & echo $! > child.pid; exec {SERVE}"
    done = subprocess.run([sys.executable, program, SOURCE, start], cwd=folder, env=clean_environment(), check=False)
    assert done.returncode == -signal.SIGKILL
    for name in ("server", "child"):
        wait_until_gone(int((folder / f"{name}.pid").read_text()))


def test_a_server_gets_no_keys_but_its_own(folder, monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    monkeypatch.setenv("OWN_KEY", "x" * 20)
    (folder / "v1").mkdir()
    (folder / "v1" / "models").write_text("ready")
    serve = f"env > environment; exec {sys.executable} -m http.server {{port}} --bind 127.0.0.1"
    own = {"start": serve, "base_url": URL, "api_key_env": "OWN_KEY"}
    given = {"data_root": str(folder / "data"), "endpoints": {"offline": own}}
    settings = settings_module.load(given, folder)
    found = Servers(settings)
    try:
        found.reached(_offline(URL))
    finally:
        found.stop()
    environment = (folder / "environment").read_text()
    assert f"OWN_KEY={'x' * 20}" in environment and KEY not in environment


@pytest.mark.slow
def test_ping_starts_the_server_of_an_endpoint_and_stops_it(folder):
    settings = load(folder, f"echo $$ > server.pid; exec {SERVE}")
    [came] = ping.ping(settings, [Caller(settings).model("sim-writer-a")])
    assert came.error is None and came.answer
    assert not is_alive(int((folder / "server.pid").read_text()))


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ({"start": "serve", "base_url": URL}, "free port"),
        ({"start": "serve {port}", "base_url": "http://127.0.0.1:8000/v1"}, "free port"),
        ({"start": "serve {port}"}, "free port"),
        ({"start": "serve {port}", "base_url": URL, "batch": "openai"}, "no batch service"),
        ({"base_url": URL}, "belong to a server that is started"),
        ({"start": "serve {port}", "base_url": URL}, None),
        ({"base_url": "http://127.0.0.1:8000/v1"}, None),
        ({}, None),
    ],
)
def test_what_is_wrong_with_a_server_is_known_before_anything_is_started(own, problem):
    found = servers.problem_of(EndpointSettings(**own))
    assert (found is None) == (problem is None)
    assert problem is None or problem in found[0]


def test_plan_says_what_is_wrong_with_a_server(folder, capsys):
    (folder / "config" / "config.yaml").write_text("cohort: mini\nendpoints: {offline: {start: serve}}\n")
    assert cli.main(["plan"]) == 1
    shown = "".join(capsys.readouterr())
    assert "setting endpoints.offline" in shown and "{port}" in shown


def _offline(base_url: str) -> Endpoint:
    return Endpoint("offline", base_url, None, "")
