"""The health of a store: each thing that can be wrong is found, named, and repaired where possible."""

import json
import shutil
from pathlib import Path

import pytest

from tests.project import TWO_BY_TWO
from tests.small_cohort import declare, expand, make_bought, make_project, run_all
from workflow_lib import cli, cohorts, generations
from workflow_lib.files import read_json, write_json
from workflow_lib.inspect import health
from workflow_lib.inspect.findings import fix
from workflow_lib.parsers import ParseFailure


@pytest.fixture
def settings(own_folder: Path):
    return make_bought(own_folder)


def files_of(settings, stage: str, index: int = 0):
    entry = cohorts.load_membership(settings, "mini").stage(stage)[index]
    return settings.data.generation(stage, entry.gen_id)


def found(settings) -> list[tuple[str, str, bool]]:
    return [(one.kind, one.path, one.fixable) for one in health.check(settings)]


def in_root(settings, path: Path) -> str:
    return path.relative_to(settings.data.root).as_posix()


def snapshot(settings) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in settings.data.root.rglob("*") if path.is_file()}


def test_finished_store_is_healthy(settings, capsys):
    before = snapshot(settings)
    assert cli.main(["check"]) == 0
    assert "Nothing is wrong" in capsys.readouterr().out
    assert cli.main(["check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"findings": [], "counts": {}, "warnings": [], "fixed": 0}
    assert snapshot(settings) == before


def test_lost_metadata_is_written_from_membership_as_it_was(settings, capsys):
    first, second = files_of(settings, "draft"), files_of(settings, "essay")
    copied = next(
        settings.data.generation("essay", entry.gen_id)
        for entry in cohorts.load_membership(settings, "mini").stage("essay")
        if entry.template_id == "copy-v1"
    )
    before = snapshot(settings)
    first.metadata.unlink()
    second.metadata.write_text("")
    copied.metadata.write_text("{half")
    assert cli.main(["check", "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["counts"]["missing_file"] == 1 and shown["counts"]["empty_file"] >= 1
    assert {one["path"] for one in shown["findings"] if one["fixable"]} == {
        in_root(settings, files.metadata) for files in (first, second, copied)
    }
    assert set(shown["findings"][0]) == {"kind", "path", "message", "remedy", "fixable"}
    assert cli.main(["check", "--fix"]) == 0
    assert snapshot(settings) == before


def test_lost_parsed_text_is_parsed_again(settings):
    essay, evaluation = files_of(settings, "essay"), files_of(settings, "evaluation")
    before = snapshot(settings)
    essay.parsed.unlink()
    evaluation.parsed.write_text("")
    assert sorted(found(settings)) == sorted(
        [
            ("missing_file", in_root(settings, essay.parsed), True),
            ("empty_file", in_root(settings, evaluation.parsed), True),
        ]
    )
    assert cli.main(["check", "--fix"]) == 0
    assert snapshot(settings) == before


def test_answer_that_cannot_be_parsed_is_recorded_as_a_failure(settings):
    evaluation = files_of(settings, "evaluation")
    evaluation.parsed.unlink()
    evaluation.raw.write_text("no verdict")
    assert cli.main(["check", "--fix"]) == 1
    failure = read_json(evaluation.failure)
    assert (failure["step"], failure["reason"]) == ("parse", "no_score_last_lines")
    # from now on it is a failure that `status` tells, not an illness of the store
    assert [kind for kind, _, _ in found(settings)] == ["edited_raw"]


def test_lost_answer_is_found_and_not_invented(settings):
    draft = files_of(settings, "draft")
    draft.raw.unlink()
    finding = next(one for one in health.check(settings) if one.path == in_root(settings, draft.raw))
    assert (finding.kind, finding.fixable) == ("missing_file", False)
    assert "restores it from attempts/" in finding.remedy
    for path in draft.attempts.iterdir():
        path.unlink()
    finding = next(one for one in health.check(settings) if one.path == in_root(settings, draft.raw))
    assert f"daydream regenerate --gen-id {draft.gen_id}" in finding.remedy


@pytest.mark.parametrize("stage", ["draft", "essay", "evaluation"])
def test_deleted_text_is_found_and_restored_from_its_attempt(settings, stage):
    files = files_of(settings, stage)
    before = snapshot(settings)
    for path in (files.raw, files.parsed):
        path.unlink()
    findings = health.check(settings)
    assert [(one.kind, one.path, one.fixable) for one in findings] == [
        ("missing_file", in_root(settings, files.raw), True)
    ]
    assert fix(findings) == ([], [])
    assert snapshot(settings) == before


def test_deleted_copy_is_found(settings):
    members = cohorts.load_membership(settings, "mini").stage("essay")
    copy = next(entry for entry in members if entry.template_id == "copy-v1")
    files = settings.data.generation("essay", copy.gen_id)
    for path in (files.raw, files.parsed, files.raw_metadata):
        path.unlink()
    [finding] = health.check(settings)
    assert (finding.kind, finding.path) == ("missing_file", in_root(settings, files.raw))
    assert f"snakemake {files.raw}" in finding.remedy


def test_text_edited_by_hand_is_found(settings):
    files = files_of(settings, "essay")
    files.raw.write_text(files.raw.read_text() + " And more.")
    assert ("edited_raw", in_root(settings, files.raw), False) in found(settings)


def test_record_of_a_call_that_cannot_be_read_is_found(settings):
    path = files_of(settings, "draft").attempts / "0002.request.json"
    path.write_bytes(b"")
    assert found(settings) == [("broken_attempt", in_root(settings, path), False)]


def test_empty_answer_is_found(settings):
    draft = files_of(settings, "draft")
    draft.raw.write_text("")
    assert found(settings) == [("empty_file", in_root(settings, draft.raw), False)]


def test_emptied_answer_that_the_journal_keeps_is_not_to_be_bought_again(settings):
    entry = cohorts.load_membership(settings, "mini").stage("draft")[0]
    draft = settings.data.generation("draft", entry.gen_id)
    answer = draft.raw.read_bytes()
    draft.raw.write_text("")
    (finding,) = health.check(settings)
    with pytest.raises(ParseFailure, match="remove it and run again"):
        generations.parse(settings, entry)
    assert "remove it and run again" in finding.remedy and "regenerate" not in finding.remedy
    draft.raw.unlink()
    generations.restore(settings, entry)
    assert draft.raw.read_bytes() == answer


def test_broken_chain_is_found_at_the_child(settings):
    draft = files_of(settings, "draft")
    shutil.rmtree(draft.folder)
    broken = [path for kind, path, _ in found(settings) if kind == "broken_parent"]
    children = [
        entry.gen_id
        for entry in cohorts.load_membership(settings, "mini").stage("essay")
        if entry.parent_gen_id == draft.gen_id
    ]
    assert broken == sorted(f"gens/essay/{gen_id}/metadata.json" for gen_id in children)


def test_id_that_does_not_follow_from_its_metadata_is_found(settings):
    draft = files_of(settings, "draft")
    write_json(draft.metadata, read_json(draft.metadata) | {"replicate": 7})
    assert found(settings) == [("id_mismatch", in_root(settings, draft.metadata), False)]


def test_ids_with_collision_and_cohort_scope_follow(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = TWO_BY_TWO.replace("essay_template: [", "essay_llm: [sim-writer-b, sim-writer-a]\n  essay_template: [")
    settings = make_project(tmp_path, text + "ids: {scope: cohort}\n")
    run_all(settings)
    assert found(settings) == []
    declare(settings, text, "content")
    taken = settings.data.generation("draft", expand(settings, "content").stage("draft")[0].gen_id)
    write_json(taken.metadata, {"gen_id": taken.gen_id, "template_id": "another", "combo_id": "c", "replicate": 1})
    assert expand(settings, "content").stage("draft")[0].gen_id.endswith("-1")
    run_all(settings, "content")
    # essays of the draft's model and of another one, and all that is made from the id with the suffix
    assert {path for kind, path, _ in found(settings) if kind != "orphan"} == {in_root(settings, taken.metadata)}


def test_unknown_names_are_found_with_the_nearest(settings):
    draft = files_of(settings, "draft")
    catalog = settings.data.catalog("llm_models")
    catalog.write_text(catalog.read_text().replace("sim-writer-a,sim-writer-a", "sim-writer-aa,sim-writer-a"))
    table = settings.data.catalog("draft_templates")
    table.write_text(table.read_text().replace("\nanalytical-memo-v2,", "\nanalytical-memo-v20,"))
    findings = health.check(settings)
    models = {one.path: one.message for one in findings if one.kind == "unknown_model"}
    assert "did you mean 'sim-writer-aa'?" in models[in_root(settings, draft.metadata)]
    templates = [one for one in findings if one.kind == "unknown_template"]
    assert len(templates) == 1 and "did you mean 'analytical-memo-v20'?" in templates[0].message


def test_combo_with_an_unknown_concept_is_found(settings):
    registry = settings.data.combo_mappings
    registry.write_text(registry.read_text().replace(",default-mode-network,", ",default-mode-netwrk,"))
    findings = health.check(settings)
    assert [one.kind for one in findings] == ["unknown_concept"]
    assert "did you mean 'default-mode-network'?" in findings[0].message


def test_draft_whose_combo_is_not_registered_is_found(settings):
    settings.data.combo_mappings.unlink()
    assert {kind for kind, _, _ in found(settings)} == {"unknown_combo"}


def test_the_same_text_twice_is_found_once(settings):
    first, second = files_of(settings, "draft", 0), files_of(settings, "draft", 1)
    second.raw.write_text(first.raw.read_text())
    findings = health.check(settings)
    one, other = sorted([first, second], key=lambda files: files.gen_id)
    assert [(finding.kind, finding.path) for finding in findings] == [
        ("edited_raw", in_root(settings, second.raw)),
        ("duplicate_raw", in_root(settings, one.raw)),
    ]
    assert other.gen_id in findings[1].message


def test_generation_of_no_cohort_is_an_orphan(settings):
    narrower = TWO_BY_TWO.replace("[sim-judge-a, sim-judge-b]", "[sim-judge-a]")
    declare(settings, narrower)
    expand(settings)
    orphans = [path for kind, path, _ in found(settings) if kind == "orphan"]
    assert len(orphans) == 4 and all(path.startswith("gens/evaluation/v_") for path in orphans)


def test_empty_and_broken_cohorts_are_found(settings):
    settings.data.cohort("nothing").folder.mkdir()
    hollow = settings.data.cohort("hollow")
    hollow.folder.mkdir()
    hollow.membership.write_text("stage,gen_id\n")
    broken = settings.data.cohort("broken")
    broken.folder.mkdir()
    broken.membership.write_text("stage,gen_id\nletter,x\n")
    assert found(settings) == [
        ("broken_membership", "cohorts/broken/membership.csv", False),
        ("empty_cohort", "cohorts/hollow/membership.csv", False),
        ("empty_cohort", "cohorts/nothing", False),
    ]


def test_failed_call_is_no_illness(settings):
    draft = files_of(settings, "draft", 1)
    shutil.rmtree(draft.folder)
    write_json(draft.failure, {"step": "call", "reason": "timeout"})
    assert {kind for kind, path, _ in found(settings) if draft.gen_id in path} == set()


def test_damaged_answers_and_texts_are_found(settings):
    draft = files_of(settings, "draft")
    attempt = draft.attempts / "0001.json"
    attempt.write_text(attempt.read_text()[:100])
    essay = files_of(settings, "essay")
    essay.raw.write_bytes(b"\xff\xfe not UTF-8")
    broken = {kind: path for kind, path, _ in found(settings)}
    assert broken == {"broken_attempt": in_root(settings, attempt), "broken_text": in_root(settings, essay.raw)}


@pytest.mark.parametrize(("key", "value"), [("stage", "evaluation"), ("mode", "banana")])
def test_metadata_that_describes_something_else_is_found(settings, key, value):
    draft = files_of(settings, "draft")
    write_json(draft.metadata, json.loads(draft.metadata.read_text()) | {key: value})
    assert [(kind, path) for kind, path, _ in found(settings)] == [
        ("broken_metadata", in_root(settings, draft.metadata))
    ]


def test_a_score_that_does_not_follow_from_its_answer_is_found_and_mended(settings):
    judged = files_of(settings, "evaluation")
    score = judged.parsed.read_text()
    judged.parsed.write_text("99.0\n")
    findings = health.check(settings)
    assert [(one.kind, one.path, one.fixable) for one in findings] == [
        ("parsed_differs", in_root(settings, judged.parsed), True)
    ]
    assert fix(findings) == ([], [])
    assert judged.parsed.read_text() == score
