"""Cohorts: what a name stands for, and what is written down when one is expanded."""

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import tiny_root
from tests.project import read_csv
from tests.stores import Store
from tests.tiny_root import SPEC, bytes_of, declare, expand, load, make, members
from workflow_lib import cohorts, ids
from workflow_lib.cohorts.membership import COLUMNS
from workflow_lib.errors import ConfigError, DayDreamError, MembershipError, SpecError, StoreError, TemplateError
from workflow_lib.files import sha256_file, write_json, write_text


@pytest.fixture
def settings(tmp_path):
    return make(tmp_path)


def refusal(settings, kind=DayDreamError, cohort="one") -> DayDreamError:
    with pytest.raises(kind) as caught:
        expand(settings, cohort)
    return caught.value


def manifest(settings, cohort="one") -> dict:
    return json.loads(settings.data.cohort(cohort).manifest.read_text())


# names


def test_a_folder_with_a_spec_is_a_spec_cohort(settings):
    declare(settings)
    source = cohorts.resolve(settings, "one")
    assert (source.cohort_id, source.mode) == ("one", "spec")
    assert {path.name for path in source.files} >= {"config.yaml", "llm_models.csv", "replication_config.csv"}


def test_a_spec_wins_over_auto(tmp_path, settings):
    declare(settings, cohort="auto")
    assert cohorts.resolve(settings, "auto").mode == "spec"
    declare(settings)
    assert cohorts.resolve(load(tmp_path, auto=True), "one").mode == "spec"


def test_auto_under_a_name_of_its_own(tmp_path, settings):
    source = cohorts.resolve(load(tmp_path, auto=True), "mine")
    assert (source.cohort_id, source.mode) == ("mine", "auto")


def test_a_bare_membership_is_used_as_it_is(tmp_path):
    store = Store(tmp_path)
    essay = store.essay(store.draft())
    store.write_membership("older")
    path = store.data.cohort("older").membership
    before = bytes_of(path.parent)
    source = cohorts.resolve(store.settings, "older")
    assert (source.mode, source.files) == ("given", ())
    expansion = cohorts.expand_source(store.settings, source)
    cohorts.write(store.settings, expansion)
    assert [entry.gen_id for entry in expansion.membership.stage("essay")] == [essay.gen_id]
    assert bytes_of(path.parent) == before
    assert not cohorts.differs_from_manifest(store.settings, source)


def test_a_bare_membership_is_checked_against_the_catalogs(tmp_path):
    store = Store(tmp_path)
    store.essay(store.draft())
    store.write_membership("older")
    path = store.data.cohort("older").membership
    path.write_text(path.read_text().replace("e-plain", "e-gone"))
    with pytest.raises(MembershipError, match=r"line 3: essay .*: unknown template 'e-gone'"):
        cohorts.load_membership(store.settings, "older")


@pytest.mark.parametrize("manifest_of_other", [None, {"cohort_id": "older", "combos": []}])
def test_a_membership_that_no_expansion_wrote_is_not_replaced(tmp_path, manifest_of_other):
    store = Store(tmp_path)
    store.essay(store.draft())
    store.write_membership("older")
    cohort = store.data.cohort("older")
    if manifest_of_other:
        write_json(cohort.manifest, manifest_of_other)
    write_text(
        cohort.spec / "config.yaml",
        f"axes: {{combo_id: [{store.combos[0]}], draft_template: [d-plain], draft_llm: [w1]}}\n"
        "output: {field_order: [combo_id, draft_template, draft_llm]}\n",
    )
    before = bytes_of(cohort.folder)
    with pytest.raises(MembershipError) as caught:
        cohorts.resolve(store.settings, "older")
    assert caught.value.file == str(cohort.membership)
    assert f"to use it as it is, take {cohort.spec} away" in caught.value.hint
    # nor by those that do not ask by name
    source = cohorts.spec_source(store.settings, "older", cohort.spec)
    expansion = cohorts.expand_source(store.settings, source)
    with pytest.raises(MembershipError, match="no expansion wrote this file"):
        cohorts.write(store.settings, expansion)
    assert bytes_of(cohort.folder) == before
    cohort.membership.unlink()
    cohorts.write(store.settings, expansion)
    assert len(cohorts.load_membership(store.settings, "older")) == 1


def test_an_unknown_name_lists_the_cohorts_and_the_nearest(settings):
    for name in ("baseline", "pilot"):
        declare(settings, cohort=name)
    with pytest.raises(ConfigError, match="there is no cohort 'basline'") as caught:
        cohorts.resolve(settings, "basline")
    assert "did you mean 'baseline'?" in caught.value.hint
    with pytest.raises(ConfigError) as caught:
        cohorts.resolve(settings, "zzz")
    assert "known: baseline, pilot" in caught.value.hint
    assert cohorts.existing(settings) == ["baseline", "pilot"]


# what is written


def test_an_expansion_writes_membership_tasks_manifest_and_the_spec_as_compiled(settings):
    spec = declare(settings)
    expansion = expand(settings)
    cohort = settings.data.cohort("one")
    rows = read_csv(cohort.membership)
    assert tuple(rows[0]) == COLUMNS
    assert [row["stage"] for row in rows] == ["draft"] + ["essay"] * 2 + ["evaluation"] * 4
    assert {row["cohort_id"] for row in rows} == {"one"}
    assert {row["combo_id"] for row in rows} == {tiny_root.PAIR}
    assert rows[0]["parent_gen_id"] == "" and all(row["parent_gen_id"] for row in rows[1:])
    drafts, essays, evaluations = (read_csv(cohort.tasks(stage)) for stage in ("draft", "essay", "evaluation"))
    assert [len(table) for table in (drafts, essays, evaluations)] == [1, 2, 4]
    assert drafts[0]["draft_task_id"] == f"{tiny_root.PAIR}__plain__wa__1"
    assert essays[1]["essay_task_id"] == f"{tiny_root.PAIR}__plain__wa__1__copied__1"
    assert evaluations[0]["evaluation_task_id"] == f"{essays[0]['gen_id']}__novelty__ja__1"
    assert (cohort.spec_snapshot / "config.yaml").read_bytes() == spec.read_bytes()
    assert list(cohorts.load_membership(settings, "one")) == list(expansion.membership)
    assert sorted(path.name for path in cohort.folder.iterdir()) == [
        "manifest.json",
        "membership.csv",
        "spec",
        "spec_snapshot",
        "tasks",
    ]


def test_a_manifest_says_what_was_expanded_and_from_what(tmp_path, settings):
    declare(settings, SPEC + "notes: first try\nexperiment_id: exp-1\n")
    expand(settings)
    found = manifest(settings)
    assert found["cohort_id"] == "one" and found["mode"] == "spec"
    assert found["combos"] == [tiny_root.PAIR]
    assert found["templates"] == {"draft": ["plain"], "essay": ["copied", "structured"], "evaluation": ["novelty"]}
    assert found["models"] == {"draft": ["wa"], "essay": ["wa"], "evaluation": ["ja", "jb"]}
    assert found["replicates"] == {"draft": 1, "essay": 1, "evaluation": 1}
    assert found["counts"] == {"draft": 1, "essay": 2, "evaluation": 4}
    assert (found["notes"], found["experiment_id"]) == ("first try", "exp-1")
    assert found["ids"] == {"scope": "content", "essay_model": "auto"}
    assert found["catalogs"]["llm_models"] == sha256_file(settings.data.catalog("llm_models"))
    assert re.fullmatch("[0-9a-f]{64}", found["spec_sha256"])
    assert found["created_at"].endswith("+00:00")
    assert found["parsers"]["evaluation"] == {"novelty": "in_last_line"}


def test_expanding_twice_writes_the_same_bytes(settings):
    declare(settings)
    expand(settings)
    before = bytes_of(settings.data.root)
    expand(settings)
    assert bytes_of(settings.data.root) == before


def test_a_manifest_keeps_its_time_of_creation_until_its_content_changes(settings):
    path = declare(settings)
    expand(settings)
    first = manifest(settings)
    write_json(settings.data.cohort("one").manifest, {**first, "created_at": "2001-01-01T00:00:00+00:00"})
    expand(settings)
    assert manifest(settings)["created_at"].startswith("2001")
    path.write_text(SPEC.replace("ja, jb", "jb"))
    expand(settings)
    assert not manifest(settings)["created_at"].startswith("2001")
    assert manifest(settings)["counts"]["evaluation"] == 2


def test_a_snapshot_holds_the_files_of_the_spec_and_no_older_ones(settings):
    spec = declare(settings, SPEC.replace("[plain]", "'@file:items/drafts.txt'"))
    write_text(spec.parent / "items" / "drafts.txt", "plain\nblock\n")
    expand(settings)
    snapshot = settings.data.cohort("one").spec_snapshot
    assert (snapshot / "items" / "drafts.txt").read_text() == "plain\nblock\n"
    spec.write_text(SPEC)
    expand(settings)
    assert list(bytes_of(snapshot)) == ["config.yaml"]


def test_an_expansion_in_memory_writes_nothing(settings):
    declare(settings)
    before = bytes_of(settings.data.root)
    assert len(expand(settings, write=False).membership) == 7
    assert bytes_of(settings.data.root) == before


def test_new_combos_are_registered_and_known_ones_left_alone(settings):
    declare(settings)
    expand(settings)
    registry = settings.data.combo_mappings.read_bytes()
    declare(settings, SPEC.replace("[moat, loop], k: 2", "all, k: [2, 3]"), "two")
    expand(settings, "two")
    assert settings.data.combo_mappings.read_bytes().startswith(registry)
    assert len(members(cohorts.load_membership(settings, "two"), "draft")) == 4


def test_an_early_end_leaves_tables_with_their_header_only(settings):
    spec = "combos: {concepts: all, k: 2}\naxes: {draft_template: [plain], draft_llm: [wa]}\n"
    declare(settings, spec + "output: {field_order: [combo_id, draft_template, draft_llm]}\n")
    expand(settings)
    cohort = settings.data.cohort("one")
    assert len(read_csv(cohort.tasks("draft"))) == 3
    assert cohort.tasks("essay").read_text().count("\n") == 1
    assert cohort.tasks("evaluation").read_text().startswith("evaluation_task_id,gen_id,")


def test_collapsed_copies_are_warned_about_with_their_count(settings):
    text = SPEC.replace("[structured, copied]", "[copied]\n  essay_llm: [wa, wb]")
    declare(settings, text.replace("essay_template, eval", "essay_template, essay_llm, eval"))
    expansion = expand(settings)
    assert len(expansion.membership.stage("essay")) == 1
    assert len(expansion.warnings) == 1
    assert expansion.warnings[0].startswith("2 rows")  # one essay_llm too many, under two judges


# nothing is written on a mistake


@pytest.mark.parametrize(
    ("old", "new", "kind", "place", "reason"),
    [
        ("[plain]", "[plane]", SpecError, "axes.draft_template[0]", "unknown draft template 'plane'"),
        ("[ja, jb]", "[ja, jx]", SpecError, "axes.evaluation_llm[1]", "unknown model 'jx'"),
        ("[moat, loop], k: 2", "[moat, lop], k: 2", SpecError, "combos.concepts[1]", "unknown concept 'lop'"),
        ("[moat, loop], k: 2", "[moat, loop], k: 3", SpecError, "combos.k", "3 is not a number of concepts"),
        ("[moat, loop], k: 2", "[moat, loop]", SpecError, "combos.k", "None is not"),
        ("k: 2}", "k: 2, level: long}", SpecError, "combos.level", "'long' is no level"),
        ("k: 2}", "k: 2, size: 2}", SpecError, "combos.size", "unknown key"),
        ("[moat, loop], k: 2", "some, k: 2", SpecError, "combos.concepts", "nor a list of concepts"),
        ("output:", "ids: {scope: mine}\noutput:", SpecError, "ids.scope", "'mine' is none of content, cohort"),
        ("output:", "ids: {scop: cohort}\noutput:", SpecError, "ids.scop", "unknown key"),
        ("draft_llm: [wa]", "draft_llm: [wa]\n  colour: [red]", SpecError, "axes.colour", "is no column of a cohort"),
    ],
)
def test_a_slip_in_the_spec_is_reported_with_its_place_and_nothing_is_written(settings, old, new, kind, place, reason):
    declare(settings)
    expand(settings)
    before = bytes_of(settings.data.cohorts) | bytes_of(settings.data.root)
    declare(settings, SPEC.replace(old, new))
    error = refusal(settings, kind)
    assert (error.place, error.file.endswith("spec/config.yaml")) == (place, True)
    assert reason in error.reason
    declare(settings)
    assert bytes_of(settings.data.cohorts) | bytes_of(settings.data.root) == before


def test_a_missing_template_file_is_reported_only_when_it_is_used(settings):
    data = settings.data
    data.template("draft", "block").unlink()
    declare(settings)
    expand(settings)
    declare(settings, SPEC.replace("[plain]", "[plain, block]"))
    error = refusal(settings, TemplateError)
    assert error.file == str(data.template("draft", "block"))
    assert not data.template("essay", "copied").exists()


def test_templates_are_checked_before_anything_is_written(settings):
    write_text(settings.data.template("evaluation", "novelty"), "{{ respose }} {{ foo }}")
    declare(settings)
    assert refusal(settings, TemplateError).reason == "undefined variables foo, respose"
    assert not settings.data.cohort("one").membership.exists()
    assert not settings.data.combo_mappings.exists()


# what is frozen


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("ids: {scope: cohort}", "ids"),
        ("ids: {essay_model: never}", "ids"),
    ],
)
def test_a_frozen_setting_cannot_change_and_the_error_says_what_to_do(settings, line, key):
    declare(settings)
    expand(settings)
    before = bytes_of(settings.data.cohort("one").folder)
    path = declare(settings, f"{SPEC}{line}\n")
    error = refusal(settings, ConfigError)
    assert f"{key} of this cohort is" in error.message
    assert "set " + key + " back, or declare a new cohort" in error.hint
    path.write_text(SPEC)
    assert bytes_of(settings.data.cohort("one").folder) == before


def test_a_frozen_setting_of_the_config_cannot_change_either(tmp_path, settings):
    declare(settings)
    expand(settings)
    assert "ids of this cohort" in refusal(load(tmp_path, ids={"scope": "cohort"}), ConfigError).message


def test_notes_and_experiment_id_are_labels_that_may_change(tmp_path, settings):
    declare(settings)
    before = expand(settings).membership.entries
    labelled = load(tmp_path, experiment_id="x", notes="second thoughts")
    assert cohorts.differs_from_manifest(labelled, cohorts.resolve(labelled, "one"))
    assert expand(labelled).membership.entries == before
    assert (manifest(settings)["experiment_id"], manifest(settings)["notes"]) == ("x", "second thoughts")


def test_the_spec_wins_over_the_config(tmp_path, settings):
    declare(settings, SPEC + "ids: {scope: cohort}\nexperiment_id: mine\n")
    expand(load(tmp_path, experiment_id="global", ids={"essay_model": "never"}))
    assert manifest(settings)["ids"] == {"scope": "cohort", "essay_model": "never"}
    assert manifest(settings)["experiment_id"] == "mine"


def test_a_changed_declaration_is_noticed_by_content_and_not_by_time(settings):
    path = declare(settings)
    expand(settings)

    def changed() -> bool:
        return cohorts.differs_from_manifest(settings, cohorts.resolve(settings, "one"))

    os.utime(path, (2_000_000_000, 2_000_000_000))
    assert not changed()
    path.write_text(SPEC.replace("ja, jb", "jb, ja"))
    os.utime(path, (1, 1))
    assert changed()
    expand(settings)
    assert not changed()
    models = settings.data.catalog("llm_models")
    models.write_text(models.read_text() + "new,x,offline,true,true\n")
    assert changed()


def test_a_kill_between_manifest_and_membership_is_noticed(settings):
    path = declare(settings)
    expand(settings)
    cohort = settings.data.cohort("one")
    old = cohort.membership.read_bytes()
    path.write_text(SPEC.replace("ja, jb", "jb"))
    expand(settings)
    cohort.membership.write_bytes(old)
    source = cohorts.resolve(settings, "one")
    assert cohorts.differs_from_manifest(settings, source)
    expand(settings)
    assert len(cohorts.load_membership(settings, "one").stage("evaluation")) == 2
    assert not cohorts.differs_from_manifest(settings, source)


@pytest.mark.parametrize("content", ["{half", "[1, 2]"])
def test_a_manifest_that_cannot_be_read_is_reported_with_its_file(settings, content):
    declare(settings)
    expand(settings)
    settings.data.cohort("one").manifest.write_text(content)
    assert "manifest.json" in refusal(settings).message


# edits by hand


def test_a_membership_edited_by_hand_is_not_overwritten(settings):
    declare(settings)
    expand(settings)
    path = settings.data.cohort("one").membership
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    before = bytes_of(settings.data.cohort("one").folder)
    error = refusal(settings, MembershipError)
    assert "was edited by hand" in error.reason and "move membership.csv away" in error.hint
    assert bytes_of(settings.data.cohort("one").folder) == before
    assert len(cohorts.load_membership(settings, "one")) == 6


def test_a_membership_edited_by_hand_is_checked_when_it_is_read(settings):
    declare(settings)
    expand(settings)
    path = settings.data.cohort("one").membership
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[2:]]))
    with pytest.raises(MembershipError, match=r"line 2: essay e_\w+: parent d_\w+ is not in this cohort") as caught:
        cohorts.load_membership(settings, "one")
    assert caught.value.file == str(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (",plain,", ",plane,", "line 2: draft .*: unknown template 'plane'"),
        (",ja,", ",jx,", "line 5: evaluation .*: unknown model 'jx'"),
        (f",,{tiny_root.PAIR},", ",,combo_x,", "line 2: draft .*: unknown combo 'combo_x'"),
    ],
)
def test_a_membership_edited_by_hand_is_checked_against_the_catalogs(settings, old, new, words):
    declare(settings)
    expand(settings)
    path = settings.data.cohort("one").membership
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(MembershipError, match=words):
        cohorts.load_membership(settings, "one")


def test_a_membership_moved_away_is_written_again(settings):
    declare(settings)
    expand(settings)
    path = settings.data.cohort("one").membership
    before = path.read_bytes()
    path.write_text("edited")
    path.unlink()
    expand(settings)
    assert path.read_bytes() == before


# collisions


def test_two_rows_with_one_id_are_refused_with_both(settings):
    text = SPEC.replace("[structured, copied]", "[structured]\n  essay_llm: [wa, wb]")
    declare(
        settings,
        text.replace("essay_template, eval", "essay_template, essay_llm, eval") + "ids: {essay_model: never}\n",
    )
    error = refusal(settings, SpecError)
    assert "structured, wa" in error.reason and "structured, wb" in error.reason


def test_an_id_that_another_signature_holds_moves_on_and_all_taken_is_an_error(settings):
    declare(settings)
    plain = ids.draft_id(tiny_root.PAIR, "plain", "wa", 1)
    write_json(settings.data.generation("draft", plain).metadata, {"combo_id": "other"})
    assert expand(settings, write=False).membership[0].gen_id == ids.draft_id(
        tiny_root.PAIR, "plain", "wa", 1, collision=1
    )
    for number in range(1, 6):
        gen_id = ids.draft_id(tiny_root.PAIR, "plain", "wa", 1, collision=number)
        write_json(settings.data.generation("draft", gen_id).metadata, {"combo_id": "other"})
    assert refusal(settings, StoreError).hint


# changes keep what they do not concern


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[plain]", "[block, plain]"),
        ("[wa]", "[wb, wa]"),
        ("[structured, copied]", "[copied, long, structured]"),
        ("[novelty]", "[style, novelty]"),
        ("[ja, jb]", "[jb, ja]"),
        ("[moat, loop], k: 2", "[sleep, moat, loop], k: [1, 2, 3]"),
    ],
)
def test_more_levels_keep_every_generation(settings, old, new):
    declare(settings)
    few = set(expand(settings, write=False).membership)
    declare(settings, SPEC.replace(old, new))
    assert few <= set(expand(settings, write=False).membership)


def test_generations_are_shared_by_cohorts(settings):
    declare(settings)
    declare(settings, cohort="two")
    one, two = (expand(settings, name).membership for name in ("one", "two"))
    assert [entry.gen_id for entry in one] == [entry.gen_id for entry in two]


def test_cohorts_expanded_at_once_share_one_registry(tmp_path, settings):
    for number in range(6):
        declare(settings, SPEC.replace("[moat, loop], k: 2", f"all, k: [{1 + number % 3}]"), f"c{number}")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: expand(settings, f"c{number}"), range(6)))
    rows = [(row["combo_id"], row["concept_id"]) for row in read_csv(settings.data.combo_mappings)]
    assert len(rows) == len(set(rows)) == 3 + 6 + 3
