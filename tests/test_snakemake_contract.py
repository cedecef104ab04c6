"""What the workflow leans on in Snakemake and Snakemake does not promise: a new version that differs fails here.

Three runs of small Snakefiles; each writes what it saw to facts.json.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.project import Project, clean_environment
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow

PROBE = """
import json, logging, os, signal, threading, time
from pathlib import Path
from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

FACTS = {"errors": [], "infos": [], "messages": [], "ran": []}
LOCK = threading.Lock()


class Probe(logging.Filter):
    def filter(self, record):
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_ERROR:
            FACTS["errors"].append([record.rule_name, list(record.log)])
        if event == LogEvent.JOB_INFO:
            FACTS["infos"].append([record.rule_name, list(record.input), list(record.output), str(record.reason)])
        FACTS["messages"].append(str(record.msg))
        return True


logger.addFilter(Probe())


def save():
    Path("facts.json").write_text(json.dumps(FACTS))
"""

TIMES_AND_FAILURES = (
    PROBE
    + """
workflow.register_resource("slots", 2)
RUNNING, TOGETHER = [], threading.Barrier(6)


rule all:
    input:
        expand("slot/{i}", i=range(5)),
        expand("spare/{i}", i=range(5)),
        "core", "kept.txt", "new.txt", "settled.txt", "of_missing.txt", "sibling.txt", "due.txt"


rule slot:
    output: "slot/{i}"
    threads: 0
    resources: slots=1
    run:
        with LOCK:
            RUNNING.append(wildcards.i)
            FACTS["most"] = max(FACTS.get("most", 0), len(RUNNING))
        time.sleep(0.2)
        with LOCK:
            RUNNING.remove(wildcards.i)
        Path(output[0]).touch()


rule spare:
    output: "spare/{i}"
    threads: 0
    run:
        TOGETHER.wait(60)
        Path(output[0]).touch()


rule core:
    output: "core"
    run:
        TOGETHER.wait(60)
        Path(output[0]).touch()


rule kept:
    input: "newer.txt"
    output: update("kept.txt")
    log: "logs/kept.log"
    run:
        FACTS["seen"] = Path(output[0]).read_text()
        Path(output[0]).write_text("half")
        Path("beside.txt").write_text("stays")
        raise ValueError("failed")


rule new:
    output: update("new.txt")
    run:
        Path(output[0]).write_text("half")
        raise ValueError("failed")


rule settled:
    input: ancient("newer.txt")
    output: "settled.txt"
    run:
        FACTS["ran"].append("settled")


rule missing:
    output: "missing.txt"
    run:
        Path(output[0]).touch()


rule of_missing:
    input: ancient("missing.txt")
    output: "of_missing.txt"
    run:
        FACTS["ran"].append("of_missing")
        Path(output[0]).touch()


rule sibling:
    input: "missing.txt"
    output: "sibling.txt"
    run:
        Path(output[0]).touch()


rule due:
    input: lambda wildcards: [os.path.abspath("newer.txt")]
    output: update("due.txt")
    run:
        FACTS["ran"].append("due")
        Path(output[0]).touch()


onerror:
    save()
    if config.get("accept"):
        raise SystemExit(0)
"""
)

INTERRUPTED = (
    PROBE
    + """


def forced(wildcards):
    FACTS["forced"] = [bool(workflow.dag_settings.forceall), sorted(workflow.dag_settings.forcerun)]
    return []


rule all:
    input: "second"


rule first:
    input: forced
    output: "first"
    run:
        FACTS["before"] = workflow.scheduler._user_kill
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(600):
            if workflow.scheduler._user_kill:
                break
            time.sleep(0.1)
        FACTS["after"] = workflow.scheduler._user_kill
        Path(output[0]).touch()


rule second:
    input: "first"
    output: "second"
    run:
        Path(output[0]).touch()


onstart:
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    FACTS["limit"] = [limit.max_jobs, limit.timespan, workflow.scheduler.job_rate_limiter is not None]
    FACTS["sample"] = [workflow.scheduler.subsample, workflow.resource_settings.cores]
    workflow.scheduler.job_rate_limiter = None


onerror:
    FACTS["timers"] = sum(isinstance(one, threading.Timer) for one in threading.enumerate())
    save()
"""
)


def run(folder: Path, text: str, *arguments: str, code: int) -> dict[str, Any]:
    """Run a Snakefile with one core, jobs in threads and keep-going; returns the facts that it saved."""
    (folder / "Snakefile").write_text(text)
    options = ("--cores", "1", "--force-use-threads", "--keep-going", "--rerun-triggers", "mtime", *arguments)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *options],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stderr[-4000:]
    return json.loads((folder / "facts.json").read_text())


def test_times_updates_resources_and_failures(tmp_path: Path):
    for name, when in (("kept.txt", 100), ("settled.txt", 100), ("of_missing.txt", 100), ("due.txt", 100)):
        (tmp_path / name).write_text("old")
        os.utime(tmp_path / name, (when, when))
    (tmp_path / "newer.txt").write_text("newer")
    facts = run(tmp_path, TIMES_AND_FAILURES, code=1)
    # rules/start.smk: a limit that is registered in the Snakefile holds; five jobs without threads run beside --cores
    assert facts["most"] == 2
    assert (tmp_path / "core").exists() and len(list((tmp_path / "spare").iterdir())) == 5
    # the raw and parsed rules: update() shows the job the old file and gives it back; what is not declared stays
    assert (facts["seen"], (tmp_path / "kept.txt").read_text()) == ("old", "old")
    assert (tmp_path / "beside.txt").read_text() == "stays"
    assert not (tmp_path / "new.txt").exists(), "a new output of a failed job is removed, update() or not"
    # rules/common.smk: a newer ancient input makes no job run, a missing one that is made does, a newer file does
    assert sorted(facts["ran"]) == ["due", "of_missing"]
    # rules/messages.smk: what it reads and hides
    assert sorted(facts["errors"]) == [["kept", ["logs/kept.log"]], ["new", []]]
    assert any(text.startswith("Restored previous version of kept.txt") for text in facts["messages"])
    assert any(text.startswith("Cannot restore") and "new.txt" in text for text in facts["messages"])
    [info] = [one for one in facts["infos"] if one[0] == "kept"]
    assert info[1] == ["newer.txt"] and info[2] == ["kept.txt (update)"] and "newer.txt" in info[3]
    # the Snakefile: onerror runs after everything else under keep-going, and decides how the run ends
    run(tmp_path, TIMES_AND_FAILURES, "--config", "accept=1", "--", "kept.txt", code=0)


def test_forced_rules_are_known_and_a_signal_shows_in_the_scheduler(tmp_path: Path):
    facts = run(tmp_path, INTERRUPTED, "-R", "first", code=1)
    assert facts["forced"] == [False, ["first"]]
    assert (facts["before"], facts["after"]) == (None, "graceful")
    assert (tmp_path / "first").exists() and not (tmp_path / "second").exists()
    # rules/pools.smk: without the limit on jobs per second nothing but the end of a job starts a look for the next
    assert (facts["limit"], facts["timers"]) == ([100, 1, True], 0)
    assert facts["sample"] == [None, 1]


def test_a_failure_is_shown_once_and_that_of_a_job_in_another_process_always(project: Project):
    with OfflineServer(faults={"400": 1.0}) as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        project.snakemake("cohort")
        draft = project.members("draft")[0]["gen_id"]
        target = str(project.generation("draft", draft).relative_to(project.folder) / "raw.txt")
        in_threads = project.snakemake(target, code=1, env=env)
        assert in_threads.count(f"draft_raw {draft}: ") == 1
        assert "Error in rule" not in in_threads and "Restored" not in in_threads and "Cannot" not in in_threads
        apart = project.snakemake("--workflow-profile", "none", "--cores", "1", target, code=1, env=env)
        assert apart.count(f"draft_raw {draft}: ") == 1, "by the job's own process"
        assert apart.count("Error in rule draft_raw") == 1, "by the process that started it"
        assert f"logs/draft_raw/{draft}.log" in apart
