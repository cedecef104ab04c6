"""regenerate and remove: what is moved, what is ordered, and that moving it back undoes it."""

import json
import shutil
from pathlib import Path

import pytest

from tests.project import TWO_BY_TWO
from tests.small_cohort import declare, expand, load, make_bought, run_all
from workflow_lib import cli, cohorts, generations
from workflow_lib.calls import Caller
from workflow_lib.calls.attempts import is_ordered
from workflow_lib.calls.holders import me
from workflow_lib.calls.journal import REQUEST, Journal
from workflow_lib.files import read_json, write_json
from workflow_lib.inspect import planning, scope


@pytest.fixture
def settings(own_folder: Path):
    return make_bought(own_folder)


def members(settings, stage: str):
    return cohorts.load_membership(settings, "mini").stage(stage)


def snapshot(settings) -> dict[str, bytes]:
    gens = settings.data.gens
    return {str(path.relative_to(gens)): path.read_bytes() for path in gens.rglob("*") if path.is_file()}


def run_json(capsys, *arguments: str):
    assert cli.main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def ids_of(shown) -> set[str]:
    return {one["gen_id"] for one in shown["generations"]}


@pytest.mark.parametrize("command", ["regenerate", "remove"])
def test_nothing_is_changed_without_apply(settings, capsys, command):
    before = snapshot(settings)
    shown = run_json(capsys, command, "--stage", "draft")
    assert ids_of(shown) == {entry.gen_id for entry in members(settings, "draft")}
    assert shown["applied"] is False and shown["archive"] is None
    assert snapshot(settings) == before and not settings.data.archive.exists()
    assert cli.main([command, "--stage", "draft"]) == 0
    assert "nothing was changed" in capsys.readouterr().out


def test_removed_generation_moves_back_to_the_exact_state(settings, capsys):
    before = snapshot(settings)
    draft = members(settings, "draft")[0]
    shown = run_json(capsys, "remove", "--gen-id", draft.gen_id, "--descendants", "--apply")
    assert len(ids_of(shown)) == 1 + 2 + 4
    left = snapshot(settings)
    assert left and not any(gen_id in path for gen_id in ids_of(shown) for path in left)
    archive = Path(shown["archive"])
    assert archive.parent.samefile(settings.data.archive)
    shutil.copytree(archive, settings.data.root, dirs_exist_ok=True)
    assert snapshot(settings) == before


def test_remove_warns_of_what_is_made_from_it(settings, capsys):
    draft = members(settings, "draft")[0]
    assert cli.main(["remove", "--gen-id", draft.gen_id]) == 0
    printed = capsys.readouterr().err
    assert "6 generations made from these" in printed
    assert "1 of these are in cohort mini" in printed


def test_regenerated_answer_is_bought_once_more_and_the_old_one_kept(settings, capsys):
    entry = members(settings, "evaluation")[0]
    files = settings.data.generation("evaluation", entry.gen_id)
    old = read_json(files.attempts / "0001.json")
    shown = run_json(capsys, "regenerate", "--gen-id", entry.gen_id, "--apply")
    archived = Path(shown["archive"]) / "gens" / "evaluation" / entry.gen_id
    assert sorted(path.name for path in archived.iterdir()) == [
        "parsed.txt",
        "parsed_metadata.json",
        "prompt.txt",
        "raw.txt",
        "raw_metadata.json",
    ]
    assert sorted(path.name for path in files.folder.iterdir()) == ["attempts", "metadata.json"]
    assert is_ordered(Journal(files).numbers())
    plan = planning.Planner(settings, scope.declared(settings)).plan()
    assert sum(line.to_do for lines in plan.stages.values() for line in lines.values()) == 1
    run_all(settings)
    assert read_json(files.attempts / "0001.json") == old
    answers = [number for number, kinds in Journal(files).numbers().items() if "" in kinds]
    assert len(answers) == 2 and not is_ordered(Journal(files).numbers())
    assert files.parsed.exists()
    # running again buys nothing more
    generations.buy(Caller(settings), entry, lambda line: None)
    assert len([number for number, kinds in Journal(files).numbers().items() if "" in kinds]) == 2


def test_regenerate_twice_before_a_run_buys_once(settings, capsys):
    entry = members(settings, "evaluation")[0]
    files = settings.data.generation("evaluation", entry.gen_id)
    run_json(capsys, "regenerate", "--gen-id", entry.gen_id, "--apply")
    run_json(capsys, "regenerate", "--gen-id", entry.gen_id, "--apply")
    run_all(settings)
    assert len([number for number, kinds in Journal(files).numbers().items() if "" in kinds]) == 2


def test_answer_of_an_older_tool_is_kept_as_an_attempt_first(settings, capsys):
    entry = members(settings, "draft")[0]
    files = settings.data.generation("draft", entry.gen_id)
    shutil.rmtree(files.attempts)
    text = files.raw.read_text()
    run_json(capsys, "regenerate", "--gen-id", entry.gen_id, "--apply")
    adopted = read_json(files.attempts / "0001.json")
    assert adopted["adopted"] is True and adopted["answer"] == text
    run_all(settings)
    assert [path.name for path in sorted(files.attempts.glob("????.json"))] == ["0001.json", "0003.json"]


def test_regenerated_copy_follows_its_parent_without_an_order(settings, capsys):
    entry = next(entry for entry in members(settings, "essay") if entry.template_id == "copy-v1")
    files = settings.data.generation("essay", entry.gen_id)
    parent = settings.data.generation("draft", entry.parent_gen_id)
    parent.parsed.write_text("another text")
    run_json(capsys, "regenerate", "--gen-id", entry.gen_id, "--apply")
    assert not files.attempts.exists()
    run_all(settings)
    assert files.raw.read_text() == "another text"


def test_filters_narrow_each_other(settings, capsys):
    by_judge = run_json(capsys, "remove", "--stage", "evaluation", "--model", "sim-judge-a")
    assert ids_of(by_judge) == {
        entry.gen_id for entry in members(settings, "evaluation") if entry.llm_model_id == "sim-judge-a"
    }
    none = run_json(capsys, "remove", "--stage", "draft", "--model", "sim-judge-a")
    assert none["generations"] == []
    by_template = run_json(capsys, "remove", "--template", "copy-v1", "--descendants")
    assert len(by_template["generations"]) == 2 + 4
    first, second = (entry.gen_id for entry in members(settings, "draft"))
    assert ids_of(run_json(capsys, "remove", "--gen-id", f"{first},{second}")) == {first, second}


def test_cohort_filter_takes_only_its_members(settings, capsys, tmp_path):
    declare(settings, TWO_BY_TWO.replace("[sim-writer-a]", "[sim-writer-b]"), "other")
    expand(settings, "other")
    run_all(load(tmp_path, "other"), "other")
    shown = run_json(capsys, "remove", "--cohort", "other", "--stage", "draft")
    assert ids_of(shown) == {entry.gen_id for entry in cohorts.load_membership(settings, "other").stage("draft")}


def test_stale_and_failed_are_found(settings, capsys):
    template = settings.data.template("draft", "analytical-memo-v2")
    template.write_text(template.read_text() + "\nOne more sentence.\n")
    stale = [entry.gen_id for entry in members(settings, "draft") if entry.template_id == "analytical-memo-v2"]
    assert ids_of(run_json(capsys, "regenerate", "--stale")) == set(stale)
    failed = members(settings, "evaluation")[3]
    write_json(settings.data.generation("evaluation", failed.gen_id).failure, {"step": "parse", "reason": "truncated"})
    assert ids_of(run_json(capsys, "regenerate", "--failed")) == {failed.gen_id}
    run_json(capsys, "regenerate", "--failed", "--apply")
    assert ids_of(run_json(capsys, "regenerate", "--failed")) == set()


def test_generation_that_is_being_bought_is_left_alone(settings, capsys):
    entry = members(settings, "draft")[0]
    files = settings.data.generation("draft", entry.gen_id)
    own = Journal(files)
    number = max(own.numbers()) + 1
    write_json(own.path(number, REQUEST), {"holder": me(), "heartbeat": "0000000000", "tries": []})
    before = snapshot(settings)
    for command in ("remove", "regenerate"):
        assert cli.main([command, "--stage", "draft", "--apply"]) == 1
        assert "is being bought at this moment" in capsys.readouterr().err
    assert snapshot(settings) == before


def test_wrong_names_and_no_filter_are_refused(settings, capsys):
    assert cli.main(["remove"]) == 2
    assert "say which generations" in capsys.readouterr().err
    assert cli.main(["remove", "--descendants", "--apply"]) == 2
    assert cli.main(["remove", "--gen-id", "d_nothere"]) == 1
    assert cli.main(["remove", "--model", "sim-writer-aa"]) == 2
    assert "did you mean 'sim-writer-a'?" in capsys.readouterr().err
    assert cli.main(["remove", "--cohort", "minni"]) == 2
    assert cli.main(["remove", "--stage", "letters"]) == 2
    assert not settings.data.archive.exists()


@pytest.mark.parametrize("command", ["remove", "regenerate"])
@pytest.mark.parametrize("option", ["--gen-id", "--cohort", "--template", "--model"])
@pytest.mark.parametrize("value", ["", " ", ","])
def test_an_empty_selector_is_an_error_and_never_means_all(settings, capsys, command, option, value):
    before = snapshot(settings)
    assert cli.main([command, "--stage", "draft", option, value, "--apply"]) == 2
    assert f"{option}: the value is empty" in capsys.readouterr().err
    assert snapshot(settings) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "--cohort", ""],
        ["plan", "--cohort", ""],
        ["plan", "--spec", ""],
        ["top", "--cohort", ""],
        ["export", "--cohort", ""],
        ["select", "--template", ""],
        ["promising", "--baseline", "", "--target", "novelty"],
        ["check", "--data-root", ""],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_an_empty_value_is_an_error_of_every_command(settings, capsys, arguments):
    assert cli.main(arguments) == 2
    assert "the value is empty" in capsys.readouterr().err


def test_generation_with_broken_metadata_can_be_removed_by_id(settings, capsys):
    entry = members(settings, "draft")[0]
    settings.data.generation("draft", entry.gen_id).metadata.write_text("{half")
    shown = run_json(capsys, "remove", "--gen-id", entry.gen_id, "--apply")
    assert ids_of(shown) == {entry.gen_id}
    assert not settings.data.generation("draft", entry.gen_id).folder.exists()


def test_two_archives_of_one_second_do_not_mix(settings, capsys):
    first, second = (entry.gen_id for entry in members(settings, "draft"))
    archives = {run_json(capsys, "remove", "--gen-id", one, "--apply")["archive"] for one in (first, second)}
    assert len(archives) == 2 and all(Path(path, "gens", "draft").is_dir() for path in archives)
