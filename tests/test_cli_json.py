"""What scripts read: with --json stdout is one JSON text, and everything else goes to stderr."""

import json
import re
from pathlib import Path

import pytest

from tests.project import SOURCE, TWO_BY_TWO, read_csv
from tests.small_cohort import COHORT, declare, make_bought, make_project
from workflow_lib import cli, cohorts
from workflow_lib.files import write_text

# they run until stopped, or print what a shell reads
WITHOUT = {"serve-offline", "completion"}
SHAPES = (SOURCE / "docs" / "tables.md").read_text().partition("## JSON")[2]


@pytest.fixture
def settings(own_folder: Path):
    return make_bought(own_folder)


def shown(capsys, *arguments: str):
    assert cli.main([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    return json.loads(captured.out), captured.err


def essays_of(settings) -> list[str]:
    return [entry.gen_id for entry in cohorts.load_membership(settings, COHORT).stage("essay")]


@pytest.mark.parametrize("name", [name for name in cli.command_names() if name not in WITHOUT])
def test_every_command_has_json_and_its_shape_is_documented(name, capsys):
    assert cli.main([name, "--help"]) == 0
    assert "--json" in capsys.readouterr().out
    assert re.search(rf"^\|.* ?`daydream {name} [^`|]*--json`.* \|", SHAPES, re.MULTILINE)


def test_cohort_from_list(settings, tmp_path, capsys):
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(essays_of(settings)[:2]))
    found, _ = shown(capsys, "cohort-from-list", "best", "--candidates", str(listed))
    cohort = settings.data.cohort("best")
    membership = cohorts.load_membership(settings, "best")
    assert found == {
        "cohort": "best",
        "membership": str(cohort.membership),
        "spec": str(cohort.spec),
        "drafts": len(membership.stage("draft")),
        "essays": 2,
        "evaluations": 4,
    }
    assert cohort.membership.exists() and cohort.spec.is_dir()


def test_rejudge(settings, tmp_path, capsys):
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(essays_of(settings)[:2]))
    found, _ = shown(
        capsys, "rejudge", "again", "--essays", str(listed), "--judges", "sim-judge-c", "--replicates", "3"
    )
    assert (found["cohort"], found["essays"], found["evaluations"]) == ("again", 2, 6)
    assert (found["judges"], found["templates"]) == (["sim-judge-c"], ["novelty"])
    assert found["membership"] == str(settings.data.cohort("again").membership)


def test_cohort_update_lists_what_changes(settings, capsys):
    nothing, _ = shown(capsys, "cohort-update", COHORT)
    assert (nothing["drafts"], nothing["essays"], nothing["evaluations"], nothing["changes"]) == (2, 4, 8, [])
    declare(settings, TWO_BY_TWO.replace(", sim-judge-b]", "]"))
    found, _ = shown(capsys, "cohort-update", COHORT)
    assert found["evaluations"] == 4
    assert found["membership"] == str(settings.data.cohort(COHORT).membership)
    [change] = found["changes"]
    assert change.startswith(f"the expansion of cohort {COHORT} drops 4 evaluations")


def test_prompts_are_those_of_the_calls(settings, tmp_path, capsys):
    found, err = shown(capsys, "prompts", "--out", str(tmp_path / "prompts"))
    assert (found["cohort"], found["waiting"], len(found["prompts"])) == (COHORT, 0, 12)
    assert found["copies"] == 2
    for one in found["prompts"]:
        bought = settings.data.generation(one["stage"], one["gen_id"])
        assert one["prompt"] == bought.prompt.read_text() == Path(one["file"]).read_text()
        assert one["system"] is None
    again, _ = shown(capsys, "prompts")
    assert again["prompts"] == [one | {"file": None} for one in found["prompts"]]
    assert "Warning" not in err


def test_prompts_that_wait_are_counted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_project(tmp_path)
    found, _ = shown(capsys, "prompts")
    assert ({one["stage"] for one in found["prompts"]}, found["waiting"], found["copies"]) == ({"draft"}, 10, 2)


def test_export_names_its_files(settings, tmp_path, capsys):
    [entry, *_] = cohorts.load_membership(settings, COHORT).stage("evaluation")
    settings.data.generation("evaluation", entry.gen_id).parsed.unlink()
    found, _ = shown(capsys, "export", "--out", str(tmp_path / "here"), "--format", "csv")
    assert (found["cohort"], found["evaluations"], found["scored"]) == (COHORT, 8, 7)
    table, *_ = (Path(name) for name in found["files"] if name.endswith("evaluations.csv"))
    assert len(read_csv(table)) == 8
    assert all(Path(name).exists() for name in found["files"])
    whole, _ = shown(capsys, "export", "--all", "--out", str(tmp_path / "all"), "--format", "csv")
    assert whole["cohort"] is None


def test_compile_has_rows_rules_and_how_scores_are_read(settings, tmp_path, capsys):
    path = declare(settings, TWO_BY_TWO, "new")
    found, err = shown(capsys, "compile", str(path), "--limit", "3")
    assert cli.main(["compile", str(path), "--out", str(tmp_path / "rows.csv"), "--limit", "3"]) == 0
    assert found["rows"] == 8 and found["shown"] == read_csv(tmp_path / "rows.csv")
    assert [(one["template"], one["parser"]) for one in found["templates"]] == [("novelty", "in_last_line")]
    assert found["templates"][0]["line"] and found["templates"][0]["scale_max"] > 0
    assert err == ""


def test_compile_warns_on_stderr(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = "axes: {a: [1, 2, 3], b: [x, y]}\nrules: {subsets: {a: [1, 3, 7]}}\noutput: {field_order: [b, a]}\n"
    write_text(tmp_path / "config.yaml", text)
    found, err = shown(capsys, "compile", "config.yaml")
    assert found["cells_per_rule"] == [{"rule": "rules.subsets.a", "before": 6, "after": 4}]
    assert found["shown"] == [{"b": b, "a": a} for a in ("1", "3") for b in ("x", "y")]
    assert "'a' has no level" in err
