"""A refusal that would meet every call stops the calls: one goes ahead per model, and one message says why."""

import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import tiny_root
from tests.project import Project, read_csv
from tests.scripted_server import ScriptedServer
from workflow_lib import settings as settings_module
from workflow_lib.calls import Caller, breaker
from workflow_lib.calls.breaker import NotAsked
from workflow_lib.calls.replies import CallError
from workflow_lib.calls.retries import STATUS
from workflow_lib.calls.shared import RunFile
from workflow_lib.cohorts.membership import Membership
from workflow_lib.files import read_json
from workflow_lib.generations import batches, make
from workflow_lib.generations.state import States
from workflow_lib.offline.server import OfflineServer

MODELS = (
    "id,model,endpoint,input_usd_per_mtok,output_usd_per_mtok\n"
    "wa,vendor/writer,openrouter,1,10\nwb,vendor/novelist,openrouter,1,10\n"
)
SPEC = """
combos: {{concepts: [moat, loop], k: 2}}
axes:
  draft_template: [plain]
  draft_llm: {models}
  draft_replicate: {replicates}
output: {{field_order: [combo_id, draft_template, draft_llm, draft_replicate]}}
"""
DRAFTS = 200
KEY = {"OPENROUTER_API_KEY": "sk-of-the-breaker"}
OWN_PROCESSES = ("--workflow-profile", "none", "--keep-going", "--cores", "4")


def project_of(folder: Path, drafts: int = DRAFTS) -> Project:
    """Return a project whose cohort is drafts of two hosted models."""
    project = Project(folder, SPEC.format(models=["wa", "wb"], replicates=[*range(1, drafts // 2 + 1)]))
    shutil.rmtree(project.data / "1_raw")
    tiny_root.make(folder, llm_models=MODELS)
    return project


def asked(server: OfflineServer) -> Counter:
    """Return model -> the requests that reached the server for it."""
    return Counter(request["model"] for request in server.requests)


def opened_files() -> list[str]:
    """Return a list to which every file is added that this process opens below a data root's runs/."""
    found: list[str] = []

    def note(event: str, arguments: tuple) -> None:
        if event == "open" and "/.coordination/runs/" in str(arguments[0]):
            found.append(str(arguments[0]))

    sys.addaudithook(note)
    return found


class World:
    """Drafts of two hosted models, bought by processes of one run, each a caller of its own."""

    def __init__(self, folder: Path, server: OfflineServer | ScriptedServer, drafts: int = 40, **overrides):
        tiny_root.make(folder, llm_models=MODELS)
        given = {"llm": {"backoff_s": 0, "max_tries": 2}, "pools": {"paid": {"max_concurrent": 16}}, **overrides}
        env = {**KEY, "DD_LLM_BASE_URL": server.url}
        self.settings = settings_module.load({"data_root": str(folder / "data"), **given}, folder, env)
        spec = SPEC.format(models=["wa", "wb"], replicates=[*range(1, drafts // 2 + 1)])
        tiny_root.declare(self.settings, spec)
        self.membership: Membership = tiny_root.expand(self.settings).membership

    def caller(self, run_id: str = "a") -> Caller:
        return Caller(self.settings, RunFile(self.settings.data.runs, run_id))

    def buy(self, caller: Caller, entries=None) -> Counter:
        """Make drafts in parallel; returns how many ended in which way."""
        entries = self.membership.entries if entries is None else entries
        return Counter(batches.make_all(caller, self.membership, entries, lambda line: None, None, redo=False).values())

    def of(self, model_id: str):
        return [entry for entry in self.membership if entry.llm_model_id == model_id]

    def failure(self, entry):
        return States(self.settings).of(entry).failure


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_after_a_refusal_the_others_are_not_asked_and_the_next_run_tries_again(tmp_path, capsys, status):
    with OfflineServer(faults=f"{status}:1.0") as server:
        world = World(tmp_path, server)
        assert world.buy(world.caller("a")) == {batches.FAILED: 40}
        first = asked(server)
        assert max(first.values()) == 1
        assert sum(first.values()) == 2 if status in (403, 404) else 1 <= sum(first.values()) <= 2
        # another process of the same run
        world.buy(world.caller("a"))
        assert asked(server) == first
        said = capsys.readouterr().err
        world.buy(world.caller("b"))
        assert max(asked(server).values()) == 2
    assert said.count("no further call goes to") == (2 if status in (403, 404) else 1)
    failures = [world.failure(entry) for entry in world.membership]
    assert {failure.reason for failure in failures} == {STATUS[status].reason}
    (remedy,) = {failure.remedy for failure in failures}
    assert remedy and remedy not in said
    assert sum(failure.message.startswith("not asked: ") for failure in failures) >= 38


def test_a_refused_model_stops_no_other_one(tmp_path):
    with OfflineServer(script=[("vendor/writer", ["404"] * 40)]) as server:
        world = World(tmp_path, server)
        assert world.buy(world.caller()) == {batches.FAILED: 20, batches.MADE: 20}
        assert asked(server) == {"vendor/writer": 1, "vendor/novelist": 20}


@pytest.mark.parametrize("status", [403, 404])
def test_once_a_model_has_answered_a_refusal_is_about_one_prompt(tmp_path, status):
    with OfflineServer(script=[("vendor/writer", ["ok", f"{status}"])]) as server:
        world = World(tmp_path, server, pools={"paid": {"max_concurrent": 1}})
        drafts = world.of("wa")
        assert world.buy(world.caller(), drafts[:1]) == {batches.MADE: 1}
        # another process knows that it has answered
        assert world.buy(world.caller(), drafts[1:]) == {batches.FAILED: 1, batches.MADE: 18}
        assert len(server.requests) == 20


def test_credits_that_run_out_stop_the_endpoint_although_it_has_answered(tmp_path):
    with OfflineServer(script=[("vendor/writer", ["ok", *["402"] * 40])]) as server:
        world = World(tmp_path, server, pools={"paid": {"max_concurrent": 1}})
        assert world.buy(world.caller()) == {batches.MADE: 1, batches.FAILED: 39}
        assert asked(server) == {"vendor/writer": 2}


def test_one_call_goes_ahead_and_the_others_follow_its_answer(tmp_path):
    with OfflineServer(latency=0.2) as server:
        world = World(tmp_path, server, drafts=16)
        assert world.buy(world.caller()) == {batches.MADE: 16}
        for model in ("vendor/writer", "vendor/novelist"):
            first, *others = [request for request in server.requests if request["model"] == model]
            assert first["answered_at"] <= min(other["received_at"] for other in others)
        assert max(request["in_flight"] for request in server.requests) > 2


def test_the_others_follow_a_failure_that_says_nothing_of_them(tmp_path):
    with OfflineServer(script=[("vendor", ["500", "500"])]) as server:
        world = World(tmp_path, server, drafts=8, llm={"backoff_s": 0, "max_tries": 1})
        assert world.buy(world.caller()) == {batches.FAILED: 2, batches.MADE: 6}


def test_the_others_wait_for_a_slow_answer_only_so_long(tmp_path, monkeypatch):
    monkeypatch.setattr(breaker, "WAIT_SECONDS", 0.1)
    with OfflineServer(latency=1.0) as server:
        world = World(tmp_path, server, drafts=8)
        assert world.buy(world.caller()) == {batches.MADE: 8}
        assert max(request["in_flight"] for request in server.requests) == 8


def test_a_call_that_goes_ahead_and_is_not_sent_lets_another_one_go(tmp_path):
    with OfflineServer() as server:
        world = World(tmp_path, server)
        gate = breaker.Gate(world.caller().shared, world.caller().model("wa"), is_open=False)
        with pytest.raises(KeyboardInterrupt), gate.turn(lambda: None):
            raise KeyboardInterrupt
        known = read_json(world.settings.data.runs / "a.json")
        assert known["ahead"] == {}
        assert world.buy(world.caller(), world.of("wa")) == {batches.MADE: 20}


def test_models_that_answer_touch_no_shared_file_and_those_of_this_process_none_at_all(tmp_path):
    opened = opened_files()
    with OfflineServer() as server:
        world = World(tmp_path, server)
        caller = world.caller()
        world.buy(caller, [world.of("wa")[0], world.of("wb")[0]])
        assert opened
        opened.clear()
        assert world.buy(caller) == {batches.MADE: 40}
        assert len(server.requests) == 40
        assert opened == []
    offline = tiny_root.make(tmp_path / "offline")
    tiny_root.declare(offline)
    drafts = tiny_root.expand(offline).membership
    batches.make_all(Caller(offline), drafts, drafts.stage("draft"), lambda line: None, None, redo=False)
    assert not offline.data.runs.exists()


def test_without_a_key_no_call_is_made_and_one_message_says_so(tmp_path, capsys):
    with OfflineServer() as server:
        world = World(tmp_path, server)
        environment = dict(world.settings._environment)
        world.settings._environment = {}
        assert world.buy(world.caller()) == {batches.FAILED: 40}
        assert server.requests == []
        assert capsys.readouterr().err.count("OPENROUTER_API_KEY is not set") == 1
        assert {world.failure(entry).reason for entry in world.membership} == {"no_key"}
        world.settings._environment = environment
        assert {world.failure(entry) for entry in world.membership} == {None}, "the next run has a key"
        assert world.buy(world.caller("b")) == {batches.MADE: 40}


def test_a_batch_service_that_refuses_is_asked_once(tmp_path):
    body = b'{"error": {"code": 402, "message": "Insufficient credits"}}'
    with ScriptedServer((402, {}, body)) as server:
        world = World(
            tmp_path, server, batch=200, provider_batch=True, endpoints={"openrouter": {"batch": "openrouter"}}
        )
        caller = world.caller()
        assert world.buy(caller, world.of("wa")) == {batches.FAILED: 20}
        assert world.buy(caller) == {batches.FAILED: 40}
        assert len(server.requests) == 1
    assert {world.failure(entry).reason for entry in world.membership} == {"no_credits"}


def test_a_call_that_was_not_made_is_no_failure_once_its_model_has_moved(tmp_path):
    with OfflineServer(faults="402:1.0") as server:
        world = World(tmp_path, server, drafts=4)
        caller = world.caller()
        for entry in world.of("wa"):
            with pytest.raises(CallError) as raised:
                make.buy(caller, entry, lambda line: None)
        assert isinstance(raised.value, NotAsked) and raised.value.is_said
        (_, not_asked) = world.of("wa")
        assert not world.settings.data.generation("draft", not_asked.gen_id).attempts.exists()
        table = world.settings.data.catalog("llm_models")
        table.write_text(table.read_text().replace("vendor/writer,openrouter", "vendor/writer,offline"))
        assert world.failure(not_asked) is None


def test_a_run_file_that_cannot_be_used_still_stops_the_calls_of_its_process(tmp_path):
    with OfflineServer(faults="404:1.0") as server:
        world = World(tmp_path, server)
        world.settings.data.runs.parent.mkdir(exist_ok=True)
        world.settings.data.runs.write_text("a file where a folder should be")
        world.buy(world.caller())
        assert asked(server) == {"vendor/writer": 1, "vendor/novelist": 1}


def refused_run(project: Project, status: int, *arguments: str) -> Counter:
    """Run drafts that are refused, check what is said of it, and return the requests per model."""
    rule = STATUS[status]
    with OfflineServer(faults=f"{status}:1.0") as server:
        env = {**KEY, "DD_LLM_BASE_URL": server.url}
        output = project.snakemake(*arguments, "drafts", code=1, env=env)
        found = asked(server)
    assert found and max(found.values()) <= 2, found
    assert output.count(rule.remedy.format(key_env="OPENROUTER_API_KEY")) == 1, output
    assert 1 <= output.count("no further call goes to") <= 2
    assert "Traceback" not in output
    failures = read_csv(project.cohort_folder / "reports" / "failures.csv")
    assert {row["reason"] for row in failures} == {rule.reason}
    assert len(failures) == len(project.files("failure.json")) == len(project.members("draft"))
    assert not list((project.data / ".coordination" / "runs").glob("*.json"))
    return found


@pytest.mark.slow
def test_a_run_that_is_refused_says_so_once_and_the_next_one_tries_again(tmp_path):
    project = project_of(tmp_path, drafts=40)
    for _ in range(2):
        refused_run(project, 402, "--cores", "16", "--")


@pytest.mark.slow
def test_chunks_in_processes_of_their_own_meet_a_refusal_together(tmp_path):
    project = project_of(tmp_path, drafts=40)
    project.snakemake("cohort")
    found = refused_run(project, 404, *OWN_PROCESSES, "--config", "batch=10", "--")
    assert found == {"vendor/writer": 1, "vendor/novelist": 1}


@pytest.mark.slow
@pytest.mark.parametrize("mode", [("--",), ("--config", "batch=50", "--")], ids=["plain", "batch"])
def test_a_run_without_a_key_makes_no_call_and_says_so_once(tmp_path, mode):
    project = project_of(tmp_path)
    with OfflineServer() as server:
        project.configure(f"endpoints: {{openrouter: {{base_url: '{server.url}'}}}}\n")
        output = project.snakemake(*mode, "drafts", code=1)
        assert server.requests == []
    assert output.count("the environment variable OPENROUTER_API_KEY is not set") == 1
    assert output.count("export OPENROUTER_API_KEY=") == 1
    assert "Traceback" not in output


@pytest.mark.full
@pytest.mark.parametrize("mode", [("--",), ("--config", "batch=50", "--")], ids=["plain", "batch"])
@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_two_hundred_open_generations_that_are_refused_cost_two_requests_per_model_at_most(tmp_path, status, mode):
    project = project_of(tmp_path)
    for _ in range(2):
        refused_run(project, status, "--cores", "64", *mode)


@pytest.mark.full
def test_jobs_in_processes_of_their_own_meet_a_refusal_together(tmp_path):
    project = project_of(tmp_path, drafts=12)
    project.snakemake("cohort")
    found = refused_run(project, 402, *OWN_PROCESSES, "--")
    assert max(found.values()) == 1
