"""`daydream show`: one generation, followed back to what it was made from and on to what was made of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.small_cohort import make_bought
from workflow_lib import cli, cohorts
from workflow_lib.settings import Settings


@pytest.fixture
def bought(own_folder: Path) -> Settings:
    return make_bought(own_folder)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert cli.main(["show", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_an_essay_is_shown_with_all_that_is_known_of_it(bought: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    membership = cohorts.load_membership(bought, "mini")
    essay = next(one for one in membership.stage("essay") if one.template_id == "structured-analysis-v2")
    files = bought.data.generation("essay", essay.gen_id)
    judged = [one for one in membership.stage("evaluation") if one.parent_gen_id == essay.gen_id]
    scores = {one.gen_id: float(bought.data.generation("evaluation", one.gen_id).parsed.read_text()) for one in judged}

    # a beginning that no other generation has
    found = shown(capsys, essay.gen_id[:-1])

    assert (found["gen_id"], found["state"], found["cohorts"]) == (essay.gen_id, "done", ["mini"])
    assert [one["gen_id"] for one in found["made_from"]] == [essay.parent_gen_id]
    assert {one["gen_id"]: one["score"] for one in found["made_of_it"]} == scores and len(scores) == 2
    assert sorted(found["combo"]["concepts"]) == ["combinatorial-creativity", "default-mode-network"]
    assert (found["prompt"], found["answer"]) == (files.prompt.read_text(), files.raw.read_text())
    assert found["parsed"] == files.parsed.read_text() and found["system"] is None
    [attempt] = found["attempts"]
    assert attempt["request"]["max_tokens"] == 20480 and attempt["usage"]["total_tokens"] > 100
    assert found["cost_usd"] == 0.0 and f"{files.raw}" in found["files"]

    # down two stages, and as text
    draft = shown(capsys, essay.parent_gen_id)
    [below] = [one for one in draft["made_of_it"] if one["gen_id"] == essay.gen_id]
    assert {one["gen_id"] for one in below["made_of_it"]} == set(scores)
    assert cli.main(["show", next(iter(scores))]) == 0
    text = capsys.readouterr().out
    assert essay.gen_id in text and essay.parent_gen_id in text and "--- Prompt ---" in text


def test_what_is_not_made_yet_is_shown_and_hostile_text_is_not_obeyed(
    bought: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    essay, other = cohorts.load_membership(bought, "mini").stage("essay")[:2]
    files = bought.data.generation("essay", essay.gen_id)
    files.parsed.write_text("red \x1b[31m text")
    for path in sorted(bought.data.generation("essay", other.gen_id).folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()

    assert cli.main(["show", essay.gen_id]) == 0
    assert "red ?[31m text" in capsys.readouterr().out
    missing = shown(capsys, other.gen_id)
    assert (missing["state"], missing["answer"], missing["files"]) == ("missing", None, [])
    assert missing["made_from"][0]["state"] == "done"


def test_a_beginning_that_names_none_or_several_is_refused(
    bought: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["show", "e_"]) == 2
    assert "4 generations begin with 'e_'\nHint: write more of it: e_" in capsys.readouterr().err
    assert cli.main(["show", "x_1"]) == 2
    assert "no generation begins with 'x_1'\nHint: 14 are known" in capsys.readouterr().err
