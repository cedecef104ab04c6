"""Numbers that agree, and pages of cohorts with little in them: each figure comes from the same rows."""

import json
import re
from pathlib import Path

import pytest

from tests.page_data import write_pages
from tests.stores import COHORT, Store
from tests.test_pages import Page
from workflow_lib.pages import reports

pytestmark = pytest.mark.slow


def failing(store):
    """Failures, evaluations that were not run, and a draft that another model wrote."""
    for combo in range(2):
        for template in ("d-plain", "d-other"):
            other = {"recorded": {"served_model": "other/model"}} if (combo, template) == (1, "d-other") else {}
            draft = store.draft(template, "w1", 1, combo, raw="A draft.", **other)
            for place, name in enumerate(("e-plain", "e-other")):
                essay = store.essay(draft, name, raw=f"# Essay {combo} {template} {name}\n\nText.")
                store.evaluation(essay, score=4 + place + combo)
                store.evaluation(essay, judge="j2", state="absent" if place else "done", score=5)
                store.evaluation(essay, judge="j3", state="raw", failure=("parse", "no_score_last_lines"))


def single(store):
    store.evaluation(store.essay(store.draft(raw="A draft."), raw="# One\n\nEssay."), score=7)


def repeated(store):
    essay = store.essay(store.draft(raw="A draft."), raw="# One\n\nEssay.")
    for replicate in (1, 2):
        store.evaluation(essay, replicate=replicate, score=7)


def drafts(store):
    for replicate in (1, 2, 3):
        store.draft(replicate=replicate, raw=f"# Draft {replicate}\n\nText.")


def unmade(store):
    store.evaluation(store.essay(store.draft(state="absent"), state="absent"), state="absent")


def equal(store):
    for combo in range(3):
        for template in ("d-plain", "d-other"):
            essay = store.essay(store.draft(template, "w1", 1, combo, raw="A draft."), raw="# Same\n\nEssay.")
            for judge in ("j1", "j2"):
                store.evaluation(essay, judge=judge, score=6)


def apart(store):
    for template, judge in (("d-plain", "j1"), ("d-other", "j2")):
        for combo in range(3):
            essay = store.essay(store.draft(template, "w1", 1, combo, raw="A draft."), raw="# Apart\n\nEssay.")
            store.evaluation(essay, judge=judge, score=3 + combo)


def scales(store):
    for combo in range(3):
        for place, template in enumerate(("d-plain", "d-other")):
            essay = store.essay(store.draft(template, "w1", 1, combo, raw="A draft."), raw="# Scales\n\nEssay.")
            for shift, judge in enumerate(("j1", "j2")):
                store.evaluation(essay, judge=judge, score=3 + 2 * place + combo % 2 * place + shift)
                store.evaluation(essay, "ten", judge, score=4 + 2 * place + shift)


def page_of(folder, build) -> tuple[Store, Page]:
    store = Store(folder)
    build(store)
    return store, Page(write_pages(store))


def test_totals_banner_leaderboard_and_findings_count_the_same_scores(tmp_path):
    store, page = page_of(tmp_path, failing)
    cohort = store.data.cohort(COHORT)
    counted = sum(int(row["n_scores"]) for row in reports.rows(cohort.analysis("adjusted_scores")))
    expected = len(store.membership.stage("evaluation"))
    assert counted == 9 and expected == 24
    text = " ".join(page.text.split())
    assert f"{counted} of {expected} evaluations have a score that counts" in text
    assert f"{counted} of {expected} evaluations with a score that counts" in text
    assert f"{expected - counted} evaluations have no score that counts" in text
    data = json.loads(page.data["data"])
    shown = [flat[at + 1] for flat in data["scores"] for at in range(0, len(flat), 2)]
    assert sum(score >= 0 for score in shown) == counted
    means = [row for row in reports.rows(cohort.analysis("level_means")) if row["factor"] == "draft_template"]
    assert sum(int(row["n_scores"]) for row in means) in (counted, 0)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (failing, "First what is missing"),
        (single, "is the only one with a score: 7.00 of 9"),
        (repeated, "is the only one with a score: 7.00 of 9"),
        (drafts, "Nothing is judged in this cohort: it ends at drafts."),
        (unmade, "No evaluation has a score yet: 0 of 1 evaluation."),
        (equal, "All 6 have the same score, 6.00 of 9"),
        (apart, "2 groups of essays share no judge"),
        (scales, "beats"),
    ],
)
def test_cohort_with_little_in_it_has_findings_and_no_figure_out_of_nothing(tmp_path: Path, build, said):
    _, page = page_of(tmp_path, build)
    assert said in " ".join(page.text.split())
    assert re.findall(r"(?i)\bnan\b|\bNone\b|\binf(?:inity)?\b|± ?0\.00", page.text) == []
    drawn = [str(value).lower() for _, attributes in page.tags for value in attributes.values() if value]
    assert not [value for value in drawn if re.search(r"\bnan\b|\binf\b", value)]
