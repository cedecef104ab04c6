"""One slice of a cohort at a time: whole lineages, disjoint, together all of it, the same when the cohort grows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.project import Project, job_counts
from workflow_lib.cohorts.membership import Entry, Membership
from workflow_lib.offline.server import OfflineServer

SIX_DRAFTS = """
combos:
  concepts: [default-mode-network, combinatorial-creativity, mind-wandering]
  k: 2
axes:
  draft_template: [analytical-memo-v2]
  draft_llm: [sim-writer-a, sim-writer-b]
  essay_template: [structured-analysis-v2]
  evaluation_template: [novelty]
  evaluation_llm: [sim-judge-a]
  evaluation_replicate: [1]
output:
  field_order: [combo_id, draft_template, draft_llm, essay_template, evaluation_template, evaluation_llm]
"""


def lineages(drafts: int) -> Membership:
    """Return so many drafts with two essays each and an evaluation of every essay."""
    entries = []
    for number in range(drafts):
        draft = Entry("draft", f"d_{number}", "c", "", "combo", "t", "m", 1)
        entries.append(draft)
        for template in "ab":
            essay = Entry("essay", f"e_{number}{template}", "c", draft.gen_id, "combo", template, "m", 1)
            entries += [essay, Entry("evaluation", f"v_{number}{template}", "c", essay.gen_id, "combo", "n", "j", 1)]
    return Membership(entries)


@given(st.integers(0, 40), st.integers(1, 7))
def test_slices_are_disjoint_whole_lineages_and_together_everything(drafts, count):
    whole = lineages(drafts)
    slices = [whole.shard(index, count) for index in range(1, count + 1)]
    assert sorted(entry for one in slices for entry in one) == sorted(whole)
    for one in slices:
        for entry in one:
            assert entry.stage == "draft" or one.parent(entry) is not None
        assert list(one) == [entry for entry in whole if entry.gen_id in one.by_id], "in the order of the whole"


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 7))
def test_a_lineage_stays_in_its_slice_when_the_cohort_grows(drafts, more, count):
    before, after = lineages(drafts), lineages(drafts + more)
    for index in range(1, count + 1):
        assert set(before.shard(index, count)) == set(after.shard(index, count)) & set(before)


def test_slices_of_a_large_cohort_are_about_even():
    sizes = [len(lineages(3000).shard(index, 10).stage("draft")) for index in range(1, 11)]
    assert min(sizes) > 240 and max(sizes) < 360


@pytest.mark.slow
def test_slices_run_one_by_one_buy_all_of_a_cohort_once_and_leave_the_reports_to_a_run_without(tmp_path):
    project = Project(tmp_path, SIX_DRAFTS)
    with OfflineServer() as server:
        url = {"DD_OFFLINE_BASE_URL": server.url}

        def shard(number: int, *arguments: str) -> str:
            return project.snakemake(*arguments, "--config", f"shard={number}/3", env=url)

        project.snakemake("cohort")
        bought: set[str] = set()
        for number in (1, 2, 3):
            planned = job_counts(shard(number, "-n")) if number == 2 else {}
            asked = len(server.requests)
            shard(number)
            stored = {path.parent.name for path in project.files("parsed.txt")}
            made = stored - bought
            assert len(made) == len(server.requests) - asked > 0
            assert not planned or planned["draft_raw"] * 3 == len(made)
            assert not {row["parent_gen_id"] for row in project.members() if row["gen_id"] in made} & bought
            bought = stored
            assert not (project.cohort_folder / "reports").exists()
        assert bought == {row["gen_id"] for row in project.members()} and len(bought) == 18
        project.snakemake(env=url)
        assert len(server.requests) == 18
    assert len([row for row in project.scores() if row["score"]]) == 6


@pytest.mark.slow
def test_a_slice_with_a_failed_call_reports_it_and_writes_no_tables(tmp_path):
    project = Project(tmp_path, SIX_DRAFTS)
    with OfflineServer(faults={"400": 1.0}) as server:
        output = project.snakemake("--config", "shard=1/1", code=1, env={"DD_OFFLINE_BASE_URL": server.url})
    assert "maximum context length" in output
    assert not (project.cohort_folder / "reports").exists()
