"""membership.csv: read by hand or by machine, every row has a place and a parent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import tiny_root
from tests.stores import Store
from workflow_lib.cohorts import membership
from workflow_lib.cohorts.membership import COLUMNS, Entry, Membership
from workflow_lib.cohorts.tasks import task_rows
from workflow_lib.errors import MembershipError

HEAD = ",".join(COLUMNS) + "\n"


def draft(gen_id: str, combo: str = "c") -> Entry:
    return Entry("draft", gen_id, "one", "", combo, "plain", "wa", 1)


def essay(gen_id: str, parent: str) -> Entry:
    return Entry("essay", gen_id, "one", parent, "c", "structured", "wa", 1)


def evaluation(gen_id: str, parent: str) -> Entry:
    return Entry("evaluation", gen_id, "one", parent, "c", "novelty", "ja", 2)


LINEAGE = [draft("d_1"), essay("e_1", "d_1"), evaluation("v_1", "e_1")]


@pytest.fixture
def data(tmp_path):
    return tiny_root.make(tmp_path).data


def given_file(data, text: str):
    path = data.cohort("one").membership
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refusal(data, text: str) -> MembershipError:
    path = given_file(data, text)
    with pytest.raises(MembershipError) as caught:
        membership.read(data, "one")
    assert caught.value.file == str(path)
    return caught.value


def test_rows_come_by_stage_and_are_found_by_id():
    members = Membership(reversed(LINEAGE))
    assert [entry.stage for entry in members] == ["draft", "essay", "evaluation"]
    assert members.by_id["e_1"].parent_gen_id == "d_1"
    assert members.parent(LINEAGE[1]) == LINEAGE[0]
    assert members.parent(LINEAGE[0]) is None
    assert members.lineage(LINEAGE[2]) == LINEAGE
    assert len(members) == 3 and members[0] == LINEAGE[0]


def test_leaves_are_what_nothing_is_made_from():
    members = Membership([*LINEAGE, essay("e_2", "d_1"), draft("d_2")])
    assert {entry.gen_id for entry in members.leaves()} == {"v_1", "e_2", "d_2"}


@given(st.integers(1, 7), st.integers(1, 40))
def test_shards_are_whole_lineages_and_together_everything(count, drafts):
    entries = [
        entry
        for number in range(drafts)
        for entry in (
            draft(f"d_{number}"),
            essay(f"e_{number}", f"d_{number}"),
            evaluation(f"v_{number}", f"e_{number}"),
        )
    ]
    members = Membership(entries)
    shards = [members.shard(index, count) for index in range(1, count + 1)]
    assert sorted(entry for shard in shards for entry in shard) == sorted(entries)
    for shard in shards:
        membership.check(shard, "x")
    # a lineage stays in its slice when others leave
    fewer = Membership(entries[: 3 * (drafts // 2)])
    for index, shard in enumerate(shards, 1):
        assert set(fewer.shard(index, count)) == set(shard) & set(fewer)


def test_a_written_membership_reads_back(data):
    text = HEAD + "".join(",".join(map(str, entry)) + "\n" for entry in LINEAGE)
    given_file(data, text)
    assert list(membership.read(data, "one")) == LINEAGE


def test_a_bom_other_columns_and_another_order_of_rows_are_fine(data):
    rows = [f"x,{','.join(map(str, entry))}" for entry in reversed(LINEAGE)]
    given_file(data, "\ufeffnote," + HEAD + "\r\n".join(rows))
    assert list(membership.read(data, "one")) == LINEAGE


def test_an_empty_membership_is_an_empty_cohort(data):
    given_file(data, HEAD)
    assert len(membership.read(data, "one")) == 0


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            ["draft,d_1,one,,c,plain,wa,1", "essay,e_1,one,,c,structured,wa,1"],
            ["line 3", "e_1", "has no parent_gen_id"],
        ),
        (["essay,e_1,one,d_9,c,structured,wa,1"], ["line 2", "parent d_9 is not in this cohort"]),
        (
            ["draft,d_1,one,,c,plain,wa,1", "evaluation,v_1,one,d_1,c,novelty,ja,1"],
            ["line 3", "parent d_1 is of stage draft", "it must be an essay"],
        ),
        (["draft,d_1,one,d_0,c,plain,wa,1"], ["line 2", "a draft has no parent"]),
        (["draft,../../x,one,,c,plain,wa,1"], ["line 2", "not a safe file name"]),
        (["draft,,one,,c,plain,wa,1"], ["line 2", "not a safe file name"]),
        (["draft,d_1,one,,c,plain,wa,1"] * 2, ["line 3", "d_1", "appears twice"]),
    ],
)
def test_a_row_without_its_place_is_refused_with_file_and_line(data, rows, words):
    error = refusal(data, HEAD + "\n".join(rows) + "\n")
    for word in words:
        assert word.replace("it must be an essay", "it must be a") in error.reason
    assert error.hint


@pytest.mark.parametrize(
    ("row", "place", "reason"),
    [
        ("drafts,d_1,one,,c,plain,wa,1", "line 2, column stage", "'drafts' is none of draft, essay, evaluation"),
        ("draft,d_1,one,,c,plain,wa,0", "line 2, column replicate", "'0' is not a whole number"),
        ("draft,d_1,one,,c,plain,wa,", "line 2, column replicate", "'' is not a whole number"),
        ("draft,d_1,one,,c,plain,wa,²", "line 2, column replicate", "'²' is not a whole number"),
        (f"draft,d_1,one,,c,plain,wa,{'9' * 5000}", "line 2, column replicate", "is not a whole number"),
        ("draft,d_1,one,,c,plain,wa,1,9", "line 2", "9 cells under 8 columns"),
    ],
)
def test_a_cell_that_cannot_be_read_is_refused_with_its_place(data, row, place, reason):
    error = refusal(data, f"{HEAD}{row}\n")
    assert error.place == place
    assert reason in error.reason


def test_a_missing_column_or_file_is_reported(data):
    assert "no column 'gen_id'" in refusal(data, "stage,id\n").reason
    data.cohort("one").membership.unlink()
    with pytest.raises(MembershipError, match="no such file"):
        membership.read(data, "one")


def test_many_bad_rows_are_counted_and_ten_are_shown(data):
    rows = "".join(f"essay,e_{number},one,,c,structured,wa,1\n" for number in range(25))
    error = refusal(data, HEAD + rows)
    assert "25 of 25 rows" in error.reason
    assert error.reason.count("has no parent_gen_id") == 10
    assert "and 15 more" in error.reason


@pytest.mark.parametrize("name", ["../../escaped", "/escaped", "a/b", "..", ".hidden"])
def test_a_cohort_id_that_is_a_path_is_refused_with_file_and_line(data, name):
    error = refusal(data, HEAD + f"draft,d_1,one,,c,plain,wa,1\ndraft,d_2,{name},,c,plain,wa,2\n")
    assert error.place == "line 3, column cohort_id"
    assert f"'{name}' is not a safe file name" in error.reason


def test_rows_belong_to_the_cohort_whose_file_they_are_in_and_it_pays(data):
    given_file(data, HEAD + "draft,d_1,other,,c,plain,wa,1\ndraft,d_2,,,c,plain,wa,2\ndraft,d_3,one,,c,plain,wa,3\n")
    assert [entry.cohort_id for entry in membership.read(data, "one")] == ["one"] * 3


def test_a_minimal_membership_is_completed_from_the_store(tmp_path):
    store = Store(tmp_path)
    one = store.draft(replicate=2)
    two = store.essay(one, model="w2")
    three = store.evaluation(two, replicate=3)
    rows = "".join(f"{entry.stage},{entry.gen_id}\n" for entry in (three, two, one))
    given_file(store.data, "stage,gen_id\n" + rows)
    found = list(membership.read(store.data, "one"))
    assert found == [entry._replace(cohort_id="one") for entry in (one, two, three)]
    assert {entry.combo_id for entry in found} == {one.combo_id}


def test_a_minimal_membership_of_something_that_the_store_lacks_names_the_file(tmp_path):
    store = Store(tmp_path)
    given_file(store.data, "stage,gen_id\ndraft,d_gone\n")
    with pytest.raises(MembershipError, match="there is no draft 'd_gone' in the store") as caught:
        membership.read(store.data, "one")
    assert caught.value.file == str(store.data.generation("draft", "d_gone").metadata)


@pytest.mark.parametrize("content", ["{half", "[1]", "{}", '{"template_id": "t", "replicate": "two"}'])
def test_metadata_that_does_not_describe_a_generation_names_the_file(tmp_path, content):
    store = Store(tmp_path)
    path = store.data.generation("draft", "d_x").metadata
    path.parent.mkdir(parents=True)
    path.write_text(content)
    given_file(store.data, "stage,gen_id\ndraft,d_x\n")
    with pytest.raises(MembershipError) as caught:
        membership.read(store.data, "one")
    assert caught.value.file == str(path)


def test_a_minimal_membership_with_an_unsafe_id_is_refused_with_file_and_line(data):
    error = refusal(data, "stage,gen_id\ndraft,../../secret\n")
    assert "not a safe file name" in error.reason
    assert "line 2" in error.place


def test_the_catalogs_are_asked_about_every_row(data):
    given_file(data, HEAD + "draft,d_1,one,,c,plain,wa,1\ndraft,d_2,one,,c,plane,wa,1\n")
    with pytest.raises(MembershipError, match="line 3: draft d_2: unknown template"):
        membership.read(data, "one", lambda entry: "unknown template" if entry.template_id == "plane" else None)


def test_task_tables_have_readable_keys():
    members = Membership(LINEAGE)
    tables = {}
    for stage in ("draft", "essay", "evaluation"):
        columns, rows = task_rows(members, stage)
        (tables[stage],) = rows
        assert tuple(tables[stage]) == columns
    assert list(tables["draft"].values()) == ["c__plain__wa__1", "d_1", "c", "plain", "wa", 1]
    assert list(tables["essay"].values()) == [
        "c__plain__wa__1__structured__1",
        "e_1",
        "d_1",
        "c__plain__wa__1",
        "c",
        "plain",
        "structured",
        "wa",
        1,
    ]
    assert list(tables["evaluation"].values()) == ["e_1__novelty__ja__2", "v_1", "e_1", "c", "novelty", "ja", 2]


def test_task_columns_are_those_that_scripts_rely_on():
    found = {stage: ",".join(task_rows(Membership([]), stage)[0]) for stage in ("draft", "essay", "evaluation")}
    assert found == {
        "draft": "draft_task_id,gen_id,combo_id,draft_template,draft_model,replicate",
        "essay": "essay_task_id,gen_id,parent_gen_id,draft_task_id,combo_id,draft_template,essay_template,"
        "essay_model,replicate",
        "evaluation": "evaluation_task_id,gen_id,parent_gen_id,combo_id,evaluation_template,evaluation_model,replicate",
    }
