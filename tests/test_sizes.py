"""The generations of a spec are counted before any of its rows is made."""

from collections import Counter

import pytest

from tests import tiny_root
from workflow_lib import catalogs, spec
from workflow_lib.cohorts import sizes
from workflow_lib.errors import ConfigError
from workflow_lib.stages import STAGES

REPLICATES = "stage,replicates\ndraft,2\nessay,3\nevaluation,2\n"
HEAD = "combos: {concepts: [moat, loop, sleep], k: 2}\naxes:\n  draft_template: [plain, block]\n"
ESSAYS = "  essay_template: [structured, long, copied]\n"
JUDGED = "  evaluation_template: [novelty, style]\n  evaluation_llm: [ja, jb]\n"
END = "output: {field_order: [combo_id]}\n"
PAIR = """rules:
  pairs:
    writing: {left: draft_llm, right: essay_template, allowed: [[wa, structured], [wa, copied], [wb, copied]]}
"""
TIE = "rules: {ties: {writer: [draft_llm, essay_llm]}}\n"
SPECS = {
    "drafts only": "  draft_llm: [wa, wb]\n",
    "essays of the draft's model, some copied": f"  draft_llm: [wa, wb]\n{ESSAYS}",
    "replicates in the spec": f"  draft_llm: [wa]\n  draft_rep: [1, 2, 5]\n{ESSAYS}  essay_replicate: [1, 2]\n",
    "models of their own": f"  draft_model: [wa, wb]\n{ESSAYS}  essay_llm: [wa, wb]\n{JUDGED}",
    "a model and a template in one axis": f"  draft_llm: [wa, wb]\n{ESSAYS}{JUDGED}{PAIR}",
    "tied models": f"  draft_llm: [wa, wb]\n{ESSAYS}  essay_llm: [wa, wb]\n{JUDGED}{TIE}",
    "replicates of judgements": f"  draft_llm: [wa]\n{ESSAYS}{JUDGED}  evaluation_rep: [1, 2, 3]\n",
}


def counted(settings, cohort: str = "one") -> dict[str, int]:
    known = catalogs.load(settings.data)
    loaded, _ = spec.with_combos(spec.load(settings.data.cohort(cohort).spec), known)
    return sizes.of_axes(spec.axes(loaded), known)


@pytest.mark.parametrize("text", SPECS.values(), ids=SPECS.keys())
def test_generations_are_counted_as_the_expansion_makes_them(tmp_path, text):
    settings = tiny_root.make(tmp_path, replication_config=REPLICATES)
    tiny_root.declare(settings, HEAD + text + END)
    made = Counter(entry.stage for entry in tiny_root.expand(settings).membership)
    assert counted(settings) == {stage: made[stage] for stage in STAGES}


def test_essays_without_a_model_may_be_those_of_the_drafts_model(tmp_path):
    settings = tiny_root.make(tmp_path)
    tiny_root.declare(settings, f"{HEAD}  draft_llm: [wa, wb]\n{ESSAYS}  essay_llm: [None, wa]\n{END}")
    made = Counter(entry.stage for entry in tiny_root.expand(settings).membership)
    # of two drafts' models one is the model that is named: 12 x (2 x 1.5 + 1)
    assert made == {"draft": 12, "essay": 48}
    assert counted(settings) == {"draft": 12, "essay": 36, "evaluation": 0}


def test_more_rows_than_can_be_made_are_refused_with_the_counts_per_stage(tmp_path):
    # 12,000,000 rows: making them is an error of its own
    levels = [*range(1, 1001)]
    settings = tiny_root.make(tmp_path)
    text = f"{HEAD}  draft_llm: [wa, wb]\n  draft_replicate: {levels}\n{ESSAYS}  essay_llm: [wa]\n{JUDGED}"
    tiny_root.declare(settings, f"{text}  evaluation_replicate: {levels[:100]}\n{END}")
    with pytest.raises(ConfigError) as refused:
        tiny_root.expand(settings)
    assert (
        "cohort one: its axes make at least 14,448,000 generations (12,000 drafts, 36,000 essays, 14,400,000 "
        "evaluations), more than max_generations = 20,000" in refused.value.message
    )


def test_rows_that_are_there_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(sizes, "QUICKLY_MADE", 0)
    settings = tiny_root.make(tmp_path)
    tiny_root.declare(settings)
    tiny_root.expand(settings)
    tight = tiny_root.load(tmp_path, max_generations=2)
    tiny_root.declare(settings, tiny_root.SPEC.replace("[ja, jb]", "[ja, jb, wa]"))
    assert len(tiny_root.expand(tight).membership) == 9
    tiny_root.declare(settings, tiny_root.SPEC.replace("[ja, jb]", "[ja, jb, wa, wb]").replace("[wa]", "[wb]"))
    with pytest.raises(ConfigError, match="adds 11 generations .* max_generations = 2"):
        tiny_root.expand(tight)
