"""The files beside raw.txt and parsed.txt: no declared outputs, and yet they come back."""

import json
import os
import threading
import time
from pathlib import Path

import pytest

from tests.project import Project, job_counts
from tests.small_cohort import make_project, run_all
from workflow_lib import generations
from workflow_lib.files import await_listed
from workflow_lib.offline.server import OfflineServer
from workflow_lib.runs import Run

BESIDE = ("prompt.txt", "metadata.json", "raw_metadata.json")


@pytest.mark.slow
def test_files_that_are_gone_beside_an_answer_come_back_without_a_call(made: Project):
    before = made.snapshot()
    essays = {row["template_id"]: row["gen_id"] for row in made.members("essay")}
    gone = [
        made.generation("draft", made.members("draft")[0]["gen_id"]) / "prompt.txt",
        made.generation("essay", essays["copy-v1"]) / "raw_metadata.json",
        made.generation("essay", essays["structured-analysis-v2"]) / "metadata.json",
        made.generation("evaluation", made.members("evaluation")[0]["gen_id"]) / "raw_metadata.json",
        made.generation("evaluation", made.members("evaluation")[1]["gen_id"]) / "parsed_metadata.json",
    ]
    for path in gone:
        path.unlink()
    planned = job_counts(made.snakemake("-n"))
    assert {rule: count for rule, count in planned.items() if rule.endswith(("_raw", "_parsed"))} == {
        "draft_parsed": 1,
        "essay_parsed": 2,
        "evaluation_parsed": 2,
    }
    with OfflineServer() as server:
        made.snakemake(env={"DD_OFFLINE_BASE_URL": server.url})
        assert not server.requests
    after = made.snapshot()
    copied = str(gone[1].relative_to(made.data / "gens"))
    # of which attempt the copied text came is not known any more
    assert json.loads(after.pop(copied)) == json.loads(before.pop(copied)) | {"parent_attempt": None}
    assert after == before
    assert "Nothing to be done" in made.snakemake("-n")


def test_every_single_file_that_is_gone_is_noticed_and_an_edited_answer_stays(tmp_path: Path):
    settings = make_project(tmp_path)
    membership = run_all(settings)
    run = Run(settings)
    for entry in [membership.stage("draft")[0], *membership.stage("essay")[:2], membership.stage("evaluation")[0]]:
        files = run.files(entry)
        assert not run.needs_parse(entry)
        for name in (*BESIDE, "parsed_metadata.json"):
            path = files.folder / name
            if name == "prompt.txt" and generations.is_copy(settings, entry):
                continue  # a copy without one may be another tool's
            content = path.read_bytes()
            path.unlink()
            assert run.needs_parse(entry), (entry.stage, name)
            generations.parse(settings, entry)
            assert path.read_bytes() == content
            assert not run.needs_parse(entry), (entry.stage, name)
    recorded = files.raw_metadata.read_bytes()
    files.raw.write_text("SCORE: 3\n")
    files.raw_metadata.unlink()
    generations.parse(settings, entry)
    assert (files.raw_metadata.read_bytes(), files.raw.read_text()) == (recorded, "SCORE: 3\n")


def test_what_another_tool_wrote_lacks_nothing(tmp_path: Path):
    settings = make_project(tmp_path)
    run = Run(settings)
    membership = run_all(settings)
    for entry in membership:
        files = run.files(entry)
        for path in (files.prompt, files.raw_metadata, files.parsed_metadata, *files.attempts.glob("*")):
            path.unlink(missing_ok=True)
        if files.attempts.exists():
            files.attempts.rmdir()
        assert not run.needs_parse(entry), entry


def test_a_file_that_its_folder_lists_is_waited_for_and_one_that_is_gone_is_not(tmp_path: Path):
    await_listed(tmp_path / "gone", seconds=60)
    late = tmp_path / "late"
    # what a network file system shows for a while: a name that cannot be opened yet
    late.symlink_to(tmp_path / "arrives")
    threading.Timer(0.3, (tmp_path / "arrives").write_text, ["here"]).start()
    await_listed(late, seconds=60)
    assert late.read_text() == "here"
    os.unlink(tmp_path / "arrives")
    begun = time.monotonic()
    await_listed(late, seconds=0.2)
    assert time.monotonic() - begun >= 0.2
