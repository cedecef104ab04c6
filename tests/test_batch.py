"""Batch mode: many generations per job, and otherwise the same."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.project import SOURCE, TWO_BY_TWO, Project, clean_environment, job_counts, read_csv
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow

BATCH = ("--config", "batch=3", "--")


def tables(project: Project) -> dict[str, bytes]:
    found = project.snapshot(project.cohort_folder / "reports")
    return {path: text for path, text in found.items() if path.endswith(".csv") and "costs" not in path}


def spoil_a_draft(project: Project) -> None:
    """Give one draft template a parser that none of its answers fits."""
    templates = project.data / "1_raw" / "draft_templates.csv"
    lines = templates.read_text().splitlines()
    spoilt = [
        line.replace(",identity,", ",essay_idea_last,") if line.startswith("analytical-memo-v2") else line
        for line in lines
    ]
    assert spoilt != lines
    templates.write_text("\n".join(spoilt) + "\n")


def asked(server: OfflineServer) -> Counter:
    """Return how often each generation was asked for, by its seed."""
    return Counter(request["parameters"]["seed"] for request in server.requests)


def test_a_batch_run_plans_chunks_only_and_makes_the_same_files_and_tables(tmp_path):
    plain, batched = Project(tmp_path / "plain"), Project(tmp_path / "batched")
    plain.snakemake()
    with OfflineServer(latency=0.1) as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        batched.snakemake("cohort")
        assert job_counts(batched.snakemake("-n", *BATCH, "all")) == {
            "all": 1,
            "batch_outcome": 1,
            "cohort_page": 1,
            "cohort_results": 1,
            "draft_batch": 1,
            "essay_batch": 2,
            "evaluation_batch": 3,
        }
        batched.snakemake(*BATCH, "all", env=env)
        assert set(asked(server).values()) == {1} and len(server.requests) == 12
        assert max(one["in_flight"] for one in server.requests) > 1
    assert tables(batched) == tables(plain)
    assert batched.snapshot().keys() == plain.snapshot().keys()
    for name in ("raw.txt", "parsed.txt", "prompt.txt", "metadata.json", "parsed_metadata.json"):
        assert [path.read_bytes() for path in batched.files(name)] == [path.read_bytes() for path in plain.files(name)]
    assert "Nothing to be done" in batched.snakemake("-n", *BATCH, "all")
    assert "Nothing to be done" in batched.snakemake("-n")
    markers = batched.data / ".coordination" / "batches"
    assert [path.name for path in markers.iterdir() if path.is_dir()] == [], "removed after a run that ended well"


def test_failed_calls_and_unparsable_answers_cost_only_their_descendants_and_the_run_ends_as_without(tmp_path):
    ends = []
    for name, batch in (("plain", ()), ("batched", BATCH)):
        project = Project(tmp_path / name)
        spoil_a_draft(project)
        with OfflineServer(script=[("judge-b", ["400", "400"])]) as server:
            env = {"DD_OFFLINE_BASE_URL": server.url}
            output = project.snakemake(*batch, "all", code=1, env=env)
            assert len(server.requests) == 2 + 1 + 4
            failures = read_csv(project.cohort_folder / "reports" / "failures.csv")
            assert [(row["stage"], row["step"]) for row in failures] == [
                ("draft", "parse"),
                ("evaluation", "call"),
                ("evaluation", "call"),
            ]
            same = {path: text.replace(server.url.encode(), b"URL") for path, text in tables(project).items()}
            ends.append({**same, **dict.fromkeys(project.snapshot())})
            assert "missing_essay_idea_block" in output and "maximum context length" in output
            assert "Traceback" not in output
            # what failed is tried again by the next run, and nothing else
            project.snakemake(*batch, "all", code=1, env=env)
            assert len(server.requests) == 7 + 2
            scores = [row["score"] for row in project.scores()]
            assert sum(bool(score) for score in scores) == 4
            # failures that are accepted are no failures
            project.snakemake("--config", *batch[1:2], "accept_failures=true", "--", "all", env=env)
            assert len(server.requests) == 9
    assert ends[0] == ends[1]


def test_a_chunk_builds_on_adopted_answers_and_on_what_was_made_without_batches(project: Project):
    with OfflineServer() as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        project.snakemake("drafts", env=env)
        first, second = (project.generation("draft", row["gen_id"]) for row in project.members("draft"))
        for draft in (first, second):
            # as another tool leaves it: no attempts, a line feed at the end, and one of the two is not parsed yet
            shutil.rmtree(draft / "attempts")
            for name in ("prompt.txt", "raw_metadata.json", "parsed_metadata.json"):
                (draft / name).unlink()
            (draft / "raw.txt").write_text((draft / "raw.txt").read_text() + "\n")
        (second / "parsed.txt").unlink()
        project.snakemake(*BATCH, "all", env=env)
        assert len(server.requests) == 2 + 2 + 8
    assert not (first / "attempts").exists()
    rows = project.scores()
    assert all(row["score"] for row in rows)
    assert not [row for row in rows if row["stale"] == "true" or row["stale_lineage"] == "true"]


@pytest.mark.parametrize("batch", [(), BATCH], ids=["plain", "batched"])
def test_an_answer_that_the_journal_keeps_comes_back_without_its_parents(made: Project, batch):
    [essay] = [row for row in made.members("essay") if row["template_id"] != "copy-v1"][:1]
    judged = [row["gen_id"] for row in made.members("evaluation") if row["parent_gen_id"] == essay["gen_id"]]
    before = [(made.generation("evaluation", gen_id) / "raw.txt").read_bytes() for gen_id in judged]
    for gen_id in judged:
        for name in ("raw.txt", "parsed.txt"):
            (made.generation("evaluation", gen_id) / name).unlink()
    shutil.rmtree(made.generation("essay", essay["gen_id"]))
    with OfflineServer() as server:
        made.snakemake(*batch, "evaluations", env={"DD_OFFLINE_BASE_URL": server.url})
        assert not server.requests
    assert [(made.generation("evaluation", gen_id) / "raw.txt").read_bytes() for gen_id in judged] == before
    assert not made.generation("essay", essay["gen_id"]).exists()


def test_fresh_answers_in_batches_are_bought_once(made: Project):
    with OfflineServer() as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        made.snakemake("--config", "batch=3", "fresh=essay", "--", "essays", env=env)
        assert len(server.requests) == 2
    essays = [row["gen_id"] for row in made.members("essay") if row["template_id"] != "copy-v1"]
    for gen_id in essays:
        metadata = json.loads((made.generation("essay", gen_id) / "raw_metadata.json").read_text())
        assert metadata["attempt"] == 3


def test_chunks_in_processes_of_their_own_and_a_plain_run_beside_them_ask_for_each_generation_once(tmp_path):
    project = Project(tmp_path)
    project.snakemake("cohort")
    beside = tmp_path / "beside"
    shutil.copytree(tmp_path / "config", beside / "config")
    with OfflineServer(latency=0.5) as server:
        environment = clean_environment() | {"DD_OFFLINE_BASE_URL": server.url, "DAYDREAMING_DATA_ROOT": "../data"}
        plain = subprocess.Popen(
            [sys.executable, "-m", "snakemake", "-s", str(SOURCE / "Snakefile")],
            cwd=beside,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        options = ("--workflow-profile", "none", "--cores", "4", "--keep-going", "--config", "batch=4", "--")
        project.snakemake(*options, "evaluations", env={"DD_OFFLINE_BASE_URL": server.url})
        assert plain.wait(300) == 0
        assert set(asked(server).values()) == {1} and len(server.requests) == 12
    assert len(project.files("parsed.txt")) == 14


@pytest.mark.full
@pytest.mark.parametrize("sent", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT, signal.SIGINT]])
def test_an_interrupt_stops_new_calls_and_keeps_those_in_flight_and_a_second_ends_at_once(project: Project, sent):
    project.configure("pools: {offline: {max_concurrent: 1}}\n")
    project.snakemake("cohort")
    at_once = len(sent) == 2
    with OfflineServer(latency=120.0 if at_once else 4.0) as server:
        running = start(project, server, "--cores", "4", "--config", "batch=50", "--", "drafts")
        # of two drafts in a chunk the pool lets one be asked for at a time
        wait_for(lambda: len(server.requests) == 1)
        running.send_signal(sent[0])
        output = ""
        if at_once:
            # a second signal before the first is seen would be one with it
            for line in running.stdout:
                output += line
                if "Interrupted" in line:
                    break
            running.send_signal(sent[1])
        output += running.stdout.read()
        running.wait()
        assert len(server.requests) == 1
    assert "Traceback" not in output
    assert ("Interrupted: no new call is made" in output) == (signal.SIGINT in sent)
    # what was kept, and how to go on
    assert ("\nBought 1 answer for 0.0000 USD, and kept.\n" in output) == (not at_once)
    rest = f"generations still to be made: {len(project.members()) - 1}. The same command goes on from there."
    assert (rest in output) == (not at_once)
    assert running.returncode == (130 if at_once else 1)
    assert len(list((project.data / "gens").glob("*/*/attempts/0001.json"))) == (0 if at_once else 1)
    assert not list((project.data / "gens").glob("*/*/failure.json"))
    with OfflineServer() as server:
        project.snakemake(*BATCH, "drafts", env={"DD_OFFLINE_BASE_URL": server.url})
        assert len(server.requests) == (2 if at_once else 1)


def test_cohorts_share_chunks_and_an_open_order_is_one_call(tmp_path):
    project = Project(tmp_path)
    project.declare(TWO_BY_TWO.replace("[sim-judge-a, sim-judge-b]", "[sim-judge-b, sim-judge-c]"), "other")
    options = ("--config", "cohort=mini,other", "batch=3", "--", "all")
    with OfflineServer() as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        project.snakemake(*options, env=env)
        assert set(asked(server).values()) == {1} and len(server.requests) == 2 + 2 + 12
        assert all(row["score"] for name in ("mini", "other") for row in project.scores(name))
        ordered = project.members("evaluation", "other")[0]["gen_id"]
        project.daydream("regenerate", "--gen-id", ordered, "--apply")
        planned = job_counts(project.snakemake("-n", *options))
        assert {rule: count for rule, count in planned.items() if rule.startswith(("draft", "essay", "eval"))} == {
            "evaluation_batch": 1
        }
        project.snakemake(*options, env=env)
        assert len(server.requests) == 17
    assert (project.generation("evaluation", ordered) / "attempts" / "0003.json").exists()


def start(project: Project, server: OfflineServer, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "-s", str(SOURCE / "Snakefile"), *arguments],
        cwd=project.folder,
        env=clean_environment() | {"DD_OFFLINE_BASE_URL": server.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(condition) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it never came to that")
