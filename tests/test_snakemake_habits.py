"""What people who know Snakemake try: graphs, parts of a run, another folder, a profile of their own."""

import re
from pathlib import Path

import pytest

from tests.project import Project, job_counts
from workflow_lib import runs
from workflow_lib.errors import ConfigError

CHAIN = (
    "cohort_membership draft_raw draft_parsed essay_raw essay_parsed evaluation_raw evaluation_parsed cohort_results"
)


def edges_of(dot: str) -> set[tuple[str, str]]:
    """Return (rule, rule that it is made from) of a graph in the language dot."""
    names = dict(re.findall(r'(\d+)\[label = "([^"\\]+)', dot))
    return {(names[after], names[before]) for before, after in re.findall(r"(\d+) -> (\d+)", dot)}


@pytest.mark.parametrize(
    ("option", "name", "target"),
    [
        ("--until", "draft_raw", "dd_drafts"),
        ("--until", "dd_essay_parsed", "dd_essays"),
        ("--until", "evaluation_batch", "dd_evaluations"),
        ("--until", "dd_cohort_results", "dd_results"),
        ("--until", "data/gens/draft/d_1/raw.txt", "data/gens/draft/d_1/raw.txt"),
        ("--omit-from", "essay_raw", "dd_drafts"),
        ("--omit-from", "draft_raw", "dd_cohort"),
        ("--omit-from", "cohort_page", "dd_results"),
    ],
)
def test_a_part_of_a_run_is_answered_with_the_target_that_makes_it(option: str, name: str, target: str) -> None:
    with pytest.raises(ConfigError) as caught:
        runs.refuse_part(option, {name}, "dd_", Path("data"))

    assert caught.value.message.startswith(f"{option} {name} would end the run before its work")
    assert caught.value.hint is not None and caught.value.hint.endswith(f"snakemake {target}")


def test_parts_of_another_workflow_are_its_own_business() -> None:
    runs.refuse_part("--until", {"best", "all"}, "dd_", Path("data"))
    runs.refuse_part("--omit-from", {"best", "data/other.txt"}, "dd_", Path("data"))


@pytest.mark.full
@pytest.mark.slow
def test_habits_of_people_who_know_snakemake(project: Project, tmp_path: Path) -> None:
    chain = CHAIN.split()
    before = edges_of(project.snakemake("--rulegraph"))
    assert set(zip(chain[1:], chain, strict=False)) <= before
    in_batches = edges_of(project.snakemake("--rulegraph", "--config", "batch=10"))
    assert {("essay_batch", "draft_batch"), ("cohort_results", "batch_outcome")} <= in_batches

    assert "ask for a target instead: snakemake drafts" in project.snakemake("--until", "draft_parsed", code=1)
    assert not (project.data / "gens").exists() and not (project.cohort_folder / "membership.csv").exists()

    own = tmp_path / "profile" / "config.yaml"
    own.parent.mkdir()
    own.write_text("cores: 3\n")
    aside = tmp_path / "aside"
    aside.mkdir()
    elsewhere = ("-d", str(project.folder), "--profile", str(own.parent))
    ended = project.snakemake(*elsewhere, folder=aside)
    page = f"Page of cohort mini: {project.cohort_folder / 'reports' / 'html' / 'index.html'}\n"
    assert f"\nBought 12 answers for 0.0000 USD.\n{page}" in ended
    assert len(project.scores()) == 8 and not list(aside.glob("[!.]*"))
    assert "Nothing to be done" in project.snakemake(*elsewhere, "-n", folder=aside)
    assert edges_of(project.snakemake("--rulegraph")) == before

    answers = project.files("0001.json")
    parsed = project.snakemake("-R", "evaluation_parsed", "-n")
    assert job_counts(parsed) == {"evaluation_parsed": 8, "cohort_results": 1, "cohort_page": 1, "all": 1}
    assert f"\nNo answer was bought.\n{page}" in project.snakemake("-R", "essay_raw")
    assert "bought" not in project.snakemake("cohort"), "a timer's log stays empty"
    assert project.files("000*.json") == answers

    listed = project.snakemake("--list-rules")
    rows = [line for line in listed.splitlines() if line and not line.startswith("Using")]
    assert len(rows) == 22 and all(re.match(r"\w+ \([A-Z].*\)$", row) for row in rows), listed
