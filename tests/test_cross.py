import pandas as pd
import pytest

from tests.stores import Store
from workflow_lib import pages, settings
from workflow_lib.errors import MembershipError
from workflow_lib.results import cross, scores


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def limited(store, cohorts):
    return settings.load(
        {"data_root": str(store.root), "cross_cohort": cohorts}, workdir=store.root.parent, environment={}
    )


@pytest.fixture
def two_cohorts(store):
    """Cohort one has two essays, cohort two the second of them and a third."""
    essays = [store.essay(store.draft(combo=number)) for number in range(3)]
    found = [store.evaluation(essay, score=number + 4) for number, essay in enumerate(essays)]
    drafts, entries = store.entries[0:6:2], store.entries
    by_lineage = [[drafts[number], essays[number], found[number]] for number in range(3)]
    store.write_membership("one", by_lineage[0] + by_lineage[1])
    store.write_membership("two", by_lineage[1] + by_lineage[2])
    assert len(entries) == 9
    return [entry.gen_id for entry in found]


def read(path):
    return pd.read_csv(path, keep_default_na=False, dtype=str)


def test_whole_store_is_in_the_tables_with_or_without_cohorts(store, two_cohorts):
    cross.write(store.settings)
    aggregated, essays, versions = map(read, store.data.cross_tables)
    assert list(aggregated["gen_id"]) == sorted(two_cohorts)
    assert tuple(aggregated.columns) == scores.COLUMNS
    assert len(essays) == len(versions) == 3
    assert set(aggregated["stale"]) == {"false"}


@pytest.mark.parametrize(("cohorts", "kept"), [("one", (0, 1)), ("two", (1, 2)), ("one,two", (0, 1, 2))])
def test_filter_keeps_the_evaluations_of_the_named_cohorts(store, two_cohorts, cohorts, kept):
    cross.write(limited(store, cohorts))
    aggregated = read(store.data.cross_tables[0])
    assert list(aggregated["gen_id"]) == sorted(two_cohorts[number] for number in kept)


def test_unknown_cohort_is_named(store, two_cohorts):
    with pytest.raises(MembershipError, match=r"three.membership\.csv"):
        cross.write(limited(store, "one,three"))


def test_row_of_an_essay_has_each_judge_and_template(store):
    essay = store.essay(store.draft(replicate=2), replicate=3)
    for score in (6, 7):
        store.evaluation(essay, "novelty", "j1", replicate=score, score=score)
    store.evaluation(essay, "style", "j2", state="raw")
    cross.write(store.settings)
    [row] = read(store.data.cross_tables[1]).to_dict("records")
    assert (row["parent_gen_id"], row["draft_replicate"], row["essay_replicate"]) == (essay.gen_id, "2", "3")
    assert (row["j1_novelty"], row["j1_novelty_n"], row["j2_style"], row["j2_style_n"]) == ("6.50", "2", "", "0")


def test_versions_of_an_evaluation_template_stand_side_by_side(store):
    essay = store.essay(store.draft())
    for template, judge, score in (("novelty", "j1", 4), ("style", "j1", 8), ("style", "j2", 5)):
        store.evaluation(essay, template, judge, score=score)
    cross.write(store.settings)
    rows = read(store.data.cross_tables[2]).to_dict("records")
    assert [(row["evaluation_llm_model"], row["novelty"], row["style"]) for row in rows] == [
        ("j1", "4.00", "8.00"),
        ("j2", "", "5.00"),
    ]


def test_evaluation_whose_essay_is_gone_still_has_its_row(store):
    essay = store.essay(store.draft())
    store.evaluation(essay)
    store.files(essay).metadata.unlink()
    cross.write(store.settings)
    aggregated, essays, _ = map(read, store.data.cross_tables)
    assert list(aggregated["score"]) == ["7.0"] and list(aggregated["draft_gen_id"]) == [""]
    assert list(essays["parent_gen_id"]) == [essay.gen_id]


def test_empty_store_gives_headers_and_second_run_the_same_bytes(store):
    cross.write(store.settings)
    paths = store.data.cross_tables
    first = [path.read_bytes() for path in paths]
    assert {text.count(b"\n") for text in first} == {1}
    cross.write(store.settings)
    assert [path.read_bytes() for path in paths] == first


def test_scores_that_do_not_count_are_listed_and_averaged_nowhere(store):
    essay = store.essay(store.draft())
    counted = store.evaluation(essay, score=4)
    elsewhere = store.essay(store.draft(replicate=2, recorded={"served_model": "org/another"}))
    left_out = store.evaluation(elsewhere, score=9)
    store.write_membership()
    found = cross.write(store.settings)
    assert found == {counted.gen_id}
    aggregated, essays, versions = map(read, store.data.cross_tables)
    assert dict(zip(aggregated["gen_id"], aggregated["score"], strict=True)) == {
        counted.gen_id: "4.0",
        left_out.gen_id: "9.0",
    }
    assert sorted(zip(essays["parent_gen_id"], essays["j1_novelty"], essays["j1_novelty_n"], strict=True)) == sorted(
        [(essay.gen_id, "4.00", "1"), (elsewhere.gen_id, "", "0")]
    )
    assert list(versions["novelty"]) == ["4.00"]
    page = pages.write_cross(store.settings, found).read_text(encoding="utf-8")
    assert "2 evaluations in all, 1 with a score that counts." in page

    accepting = store.load(results={"accept_other_models": True})
    page = pages.write_cross(accepting, cross.write(accepting)).read_text(encoding="utf-8")
    assert "2 evaluations in all, 2 with a score that counts." in page
