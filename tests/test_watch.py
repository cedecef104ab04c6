"""Watching a run: what is counted as done, in flight, failed and to do, what is spent, and when it ends."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.project import SOURCE, Project, clean_environment
from tests.small_cohort import COHORT, TWO_BY_TWO, declare, expand, make_project, run_all, run_one
from workflow_lib import calls
from workflow_lib import settings as settings_module
from workflow_lib.calls import Caller
from workflow_lib.calls.endpoints import OFFLINE
from workflow_lib.calls.journal import Journal
from workflow_lib.cli import main
from workflow_lib.cohorts.membership import Entry
from workflow_lib.files import read_json, write_json
from workflow_lib.generations import failures
from workflow_lib.inspect import progress
from workflow_lib.inspect.progress import Look, Progress
from workflow_lib.offline.server import OfflineServer
from workflow_lib.settings import Settings

DRAFT_CALLS = 2
ALL_CALLS = 12


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_project(tmp_path)


def counts(look: Look) -> dict[str, tuple[int, int, int, int]]:
    """Return stage -> done, in flight, to do, failed or blocked."""
    return {
        stage: (found.done, found.in_flight, found.to_do, found.failed + found.blocked)
        for stage, found in look.stages.items()
    }


def with_settings(settings: Settings, **changed: object) -> Settings:
    own = {"data_root": str(settings.data.root), "cohort": COHORT, **changed}
    return settings_module.load(own, settings.data.root.parent, {})


def open_request(settings: Settings, entry: Entry):
    """Claim an attempt for this process, as a call does."""
    own = Journal(settings.data.generation(entry.stage, entry.gen_id))
    about = {
        "gen_id": entry.gen_id,
        "stage": entry.stage,
        "cohort_id": entry.cohort_id,
        "endpoint": OFFLINE,
        "llm_model_id": entry.llm_model_id,
        "model": entry.llm_model_id,
        "request": {"messages": [{"role": "user", "content": "Hello."}]},
    }
    claim = own.claim(1, about, 100)
    assert claim is not None
    return claim


def test_nothing_bought_is_all_to_do(settings):
    look = Progress(settings).look()
    assert counts(look) == {"draft": (0, 0, 2, 0), "essay": (0, 0, 4, 0), "evaluation": (0, 0, 8, 0)}
    # two of the essays are copies: no call
    assert look.pools["offline"].to_do == ALL_CALLS
    assert (look.seconds_left, look.is_done, look.is_settled) == (None, False, False)
    assert (look.spent.calls, look.spent.usd) == (0, 0)


def test_work_done_between_two_looks_is_seen(settings):
    watched = Progress(settings)
    watched.look()
    run_all(settings, stages=["draft"])
    look = watched.look()
    assert counts(look)["draft"] == (2, 0, 0, 0)
    assert look.pools["offline"].to_do == ALL_CALLS - DRAFT_CALLS
    assert look.calls_per_minute > 0 and look.seconds_left > 0
    run_all(settings)
    look = watched.look()
    assert look.is_done and look.seconds_left == 0
    assert (look.spent.calls, look.pools["offline"].to_do) == (ALL_CALLS, 0)


def test_request_of_a_living_process_is_in_flight_until_it_ends(settings):
    watched = Progress(settings)
    claim = open_request(settings, generations_of(settings, "draft")[0])
    look = watched.look()
    assert counts(look)["draft"] == (0, 1, 1, 0)
    assert (look.in_flight, look.pools["offline"].in_flight, look.pools["offline"].to_do) == (1, 1, ALL_CALLS - 1)
    claim.fail({"reason": "timeout", "message": "no answer", "remedy": ""})
    assert watched.look().in_flight == 0
    assert counts(watched.look())["draft"] == (0, 0, 2, 0)


def generations_of(settings: Settings, stage: str) -> list[Entry]:
    return progress.scope.as_written(settings).membership.stage(stage)


def test_request_of_a_dead_process_is_not_in_flight(settings):
    entry = generations_of(settings, "draft")[0]
    claim = open_request(settings, entry)
    path = Journal(settings.data.generation("draft", entry.gen_id)).path(1, ".request")
    content = read_json(path)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write_json(path, content | {"holder": content["holder"] | {"pid": gone.pid}})
    assert Progress(settings).look().in_flight == 0
    claim.fail({"reason": "interrupted"})


def test_what_is_made_from_a_failed_draft_is_not_to_do(settings):
    entry = generations_of(settings, "draft")[0]
    files = settings.data.generation("draft", entry.gen_id)
    failures.record(files, entry, "call", "timeout", "No answer came.", "")
    look = Progress(settings).look()
    assert counts(look) == {"draft": (0, 0, 1, 1), "essay": (0, 0, 2, 2), "evaluation": (0, 0, 4, 4)}
    assert (look.stages["draft"].failed, look.stages["essay"].failed, look.stages["essay"].blocked) == (1, 0, 2)
    assert look.pools["offline"].to_do == ALL_CALLS // 2
    [seen] = look.failures
    assert (seen.failure.gen_id, seen.failure.reason, seen.failure.message) == (
        entry.gen_id,
        "timeout",
        "No answer came.",
    )
    assert seen.time.startswith("20")


def test_failure_that_was_mended_is_forgotten(settings):
    entry = generations_of(settings, "draft")[0]
    watched = Progress(settings)
    files = settings.data.generation("draft", entry.gen_id)
    failures.record(files, entry, "call", "timeout", "No answer came.", "")
    assert len(watched.look().failures) == 1
    run_one(settings, Caller(settings), entry)
    look = watched.look()
    assert look.failures == () and counts(look)["essay"] == (0, 0, 4, 0)


def test_last_failures_come_first(settings):
    watched = Progress(settings)
    entries = generations_of(settings, "evaluation")
    for number, entry in enumerate(entries):
        files = settings.data.generation("evaluation", entry.gen_id)
        failures.record(files, entry, "call", "timeout", f"number {number}", "")
        os.utime(files.failure, (1_000_000 + number, 1_000_000 + number))
    shown = [seen.failure.message for seen in watched.look().failures]
    assert shown == ["number 7", "number 6", "number 5", "number 4", "number 3"]


def test_spent_is_what_status_shows(settings):
    run_all(settings)
    elsewhere = declare(settings, TWO_BY_TWO.replace("analytical-memo-v2]", "analytical-memo-v2]\n"), "other")
    assert elsewhere.exists()
    for number, entry in enumerate(generations_of(settings, "essay")):
        path = Journal(settings.data.generation("essay", entry.gen_id)).path(1, "")
        if path.exists():
            owner = "other" if number == 0 else COHORT
            write_json(path, read_json(path) | {"cost_usd": 0.5, "cohort_id": owner})
    watched = Progress(settings)
    assert watched.look().spent == calls.spent(settings.data, [COHORT]) == watched.look().spent


def test_answers_that_come_while_watching_are_counted_once(settings):
    watched = Progress(settings)
    watched.look()
    for stage in ("draft", "essay", "evaluation"):
        run_all(settings, stages=[stage])
        assert watched.look().spent == calls.spent(settings.data, [COHORT])


def test_budget_shows_what_is_left(settings):
    run_all(settings, stages=["draft"])
    for entry in generations_of(settings, "draft"):
        path = Journal(settings.data.generation("draft", entry.gen_id)).path(1, "")
        write_json(path, read_json(path) | {"cost_usd": 0.75})
    look = Progress(with_settings(settings, budget_usd=2.0)).look()
    assert look.spent.usd == 1.5 and look.budget_left_usd == {COHORT: 0.5}
    assert Progress(settings).look().budget_left_usd == {}


def test_time_left_before_the_first_answer_is_that_of_the_pools_limit(settings):
    limited = with_settings(settings, pools={"offline": {"calls_per_minute": 6}})
    assert Progress(limited).look().seconds_left == pytest.approx(ALL_CALLS * 10)


def test_calls_of_long_ago_are_no_rate(settings):
    run_all(settings, stages=["draft"])
    for entry in generations_of(settings, "draft"):
        path = Journal(settings.data.generation("draft", entry.gen_id)).path(1, "")
        write_json(path, read_json(path) | {"started_at": "2025-01-01T00:00:00.000+00:00"})
    look = Progress(settings).look()
    assert (look.calls_per_minute, look.seconds_left) == (0.0, None)


def test_finished_work_is_not_looked_at_again(settings):
    run_all(settings)
    watched = Progress(settings)
    watched.look()
    settings.data.gens.rename(settings.data.root / "elsewhere")
    assert watched.look().is_done


def test_cohort_that_grows_is_seen(settings):
    run_all(settings)
    watched = Progress(settings)
    assert watched.look().is_done
    declare(settings, TWO_BY_TWO.replace("evaluation_replicate: [1]", "evaluation_replicate: [1, 2]"))
    expand(settings)
    assert counts(watched.look())["evaluation"] == (8, 0, 8, 0)


def test_following_ends_when_all_is_done(settings):
    looks = progress.follow(Progress(settings), 0.0)
    assert not next(looks).is_done
    run_all(settings)
    assert [look.is_done for look in looks] == [True]


def test_following_ends_when_only_failures_are_left_for_a_while(settings, monkeypatch):
    for entry in generations_of(settings, "draft"):
        files = settings.data.generation("draft", entry.gen_id)
        failures.record(files, entry, "call", "timeout", "No answer came.", "")
    monkeypatch.setattr(progress, "SETTLED_SECONDS", 0.2)
    begun = time.monotonic()
    looks = list(progress.follow(Progress(settings), 0.05))
    assert time.monotonic() - begun >= 0.2 and len(looks) >= 2
    assert looks[-1].is_settled and not looks[-1].is_done


def test_look_before_the_cohort_is_expanded(tmp_path):
    settings = make_project(tmp_path)
    settings.data.cohort(COHORT).membership.unlink()
    assert counts(Progress(settings).look())["evaluation"] == (0, 0, 8, 0)


def test_once_prints_one_line(settings, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_all(settings, stages=["draft"])
    assert main(["watch", "--once"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert "draft 2/2  essay 0/4  evaluation 0/8" in line and "0.0000 USD spent" in line


def test_json_has_a_line_per_look(settings, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_all(settings)
    assert main(["watch", "--json"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    content = json.loads(line)
    assert content["stages"]["essay"] == {"rows": 4, "done": 4, "in_flight": 0, "failed": 0, "blocked": 0, "to_do": 0}
    assert (content["cohort"], content["done"], content["seconds_left"]) == (COHORT, True, 0.0)
    assert content["pools"]["offline"]["limit"] is None
    assert set(content) == {
        "cohort",
        "stages",
        "pools",
        "calls_per_minute",
        "spent_usd",
        "spent_unknown_calls",
        "budget_left_usd",
        "seconds_left",
        "failures",
        "provider_batches",
        "done",
    }


def watch(folder: Path, *arguments: str, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "workflow_lib", "watch", *arguments]
    return subprocess.Popen(command, cwd=folder, env=clean_environment() | {"TERM": "xterm"}, **options)


@pytest.mark.slow
def test_interrupt_ends_it_without_an_error(settings, tmp_path):
    watching = watch(tmp_path, "--interval", "0.1", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "draft 0/2" in watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    _, printed = watching.communicate(timeout=20)
    assert (watching.returncode, printed) == (0, "")


@pytest.mark.slow
def test_terminal_shows_tables_until_all_is_done(settings, tmp_path):
    ours, theirs = pty.openpty()
    watching = watch(tmp_path, "--interval", "0.1", stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = os.read(ours, 100)
    run_all(settings)
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            # the terminal is closed at the other end
            break
        if not part:
            break
        shown += part
    assert watching.wait(timeout=20) == 0
    text = shown.decode()
    assert "Progress of mini" in text and "per minute" in text and "all done" in text
    assert "Traceback" not in text


@pytest.mark.slow
def test_real_run_is_followed_from_its_first_call_to_its_last(tmp_path):
    project = Project(tmp_path)
    with OfflineServer(latency=0.6) as server:
        command = [sys.executable, "-m", "snakemake", "-s", str(SOURCE / "Snakefile"), "--cores", "8"]
        env = clean_environment() | {"DD_OFFLINE_BASE_URL": server.url}
        running = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        watching = watch(tmp_path, "--interval", "0.1", "--json", stdout=subprocess.PIPE, text=True)
        printed, _ = watching.communicate(timeout=120)
        assert running.wait(timeout=120) == 0
    looks = [json.loads(line) for line in printed.splitlines()]
    assert watching.returncode == 0 and looks[-1]["done"]
    assert 2 <= max(look["pools"]["offline"]["in_flight"] for look in looks) <= 8
    done = [sum(stage["done"] for stage in look["stages"].values()) for look in looks]
    assert done == sorted(done) and done[-1] == len(project.members())
    assert looks[-1]["seconds_left"] == 0 and any(look["seconds_left"] for look in looks)
    assert sum(server.answered().values()) == ALL_CALLS
