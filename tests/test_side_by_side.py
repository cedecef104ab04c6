"""Every part of the project shows the same counts of a cohort in which everything has happened."""

import json
import shutil

import pytest

from tests.small_cohort import COHORT, make_project, run_all
from tests.test_watch import open_request
from workflow_lib import cli, cohorts
from workflow_lib.calls.journal import Journal
from workflow_lib.files import read_json, write_json
from workflow_lib.generations import failures
from workflow_lib.inspect import side_by_side
from workflow_lib.paths import Generation


@pytest.fixture
def settings(own_folder):
    return make_project(own_folder)


def clear(files: Generation, *names: str) -> None:
    for name in names:
        (files.folder / name).unlink()


def test_all_agree_on_a_cohort_in_which_everything_has_happened(settings, capsys):
    run_all(settings)
    members = cohorts.load_membership(settings, COHORT)
    evaluations = members.stage("evaluation")
    files = [settings.data.generation("evaluation", entry.gen_id) for entry in evaluations]
    for path in settings.data.gens.glob("*/*/attempts/0001.json"):
        write_json(path, read_json(path) | {"cost_usd": 0.125})
    # 0 is edited, 1 truncated and served by another model, 2 adopted
    files[0].raw.write_text("Edited by hand.\nSCORE: 7")
    other = {"truncated": True, "served_model": "somebody/else"}
    write_json(files[1].raw_metadata, read_json(files[1].raw_metadata) | other)
    shutil.rmtree(files[2].attempts)
    # 3 is ordered anew, 4 failed, 5 was lost in flight, 6 is in flight, 7 failed and was answered since
    Journal(files[3]).order("again")
    clear(files[3], "raw.txt", "parsed.txt")
    shutil.rmtree(files[4].folder)
    failures.record(files[4], evaluations[4], "call", "timeout", "No answer came.", "")
    (files[5].attempts / "0002.request.json").write_bytes(b"")
    shutil.rmtree(files[6].folder)
    claim = open_request(settings, evaluations[6])
    failures.record(files[7], evaluations[7], "call", "timeout", "No answer came.", "")
    template = settings.data.template("draft", "analytical-memo-v2")
    template.write_text(template.read_text() + "\nOne more sentence.\n")

    table = side_by_side.of(settings)
    counted = {what: found["state"] for what, found in table.items() if "state" in found}
    assert counted == {
        "draft rows": 2,
        "draft done": 2,
        "draft failed": 0,
        "essay rows": 4,
        "essay done": 4,
        "essay failed": 0,
        "evaluation rows": 8,
        "evaluation done": 5,
        "evaluation failed": 1,
        "failures": 1,
        "missing": 3,
        "stale": 1,
        "truncated": 1,
        "edited": 1,
        "adopted": 1,
        "ordered": 1,
        "maybe billed": 1,
        "other model": 1,
        "in flight": 1,
        "to make": 3,
    }
    # 2 drafts, 2 essays, 5 of the evaluations; 3 are without attempts
    assert table["spent usd"] == {"status": 9 * 0.125, "watch": 9 * 0.125, "tables": 9 * 0.125}
    assert side_by_side.differences(table) == []
    assert all(len(found) > 1 for what, found in table.items() if what not in ("in flight",)), table

    assert cli.main(["check", "--counts"]) == 0
    assert "All agree" in capsys.readouterr().out
    assert cli.main(["check", "--counts", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"counts": table, "differences": []}
    claim.fail({"reason": "interrupted", "message": "", "remedy": ""})


def test_disagreement_is_reported(settings):
    assert side_by_side.differences({"stale": {"status": 1, "page": 2}, "done": {"status": 3, "page": 3}}) == ["stale"]
