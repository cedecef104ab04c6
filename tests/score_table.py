"""Scores for the tests of the statistics: tables written by hand, and cohorts drawn with known effects."""

import itertools

import numpy as np
import pandas as pd

from workflow_lib.results import scores
from workflow_lib.statistics import frame

USUAL = {
    "parent_gen_id": "e1",
    "evaluation_template": "novelty",
    "evaluation_llm_model": "j1",
    "combo_id": "k1",
    "draft_template": "d1",
    "generation_template": "g1",
    "generation_model": "w1",
    "draft_gen_id": "d1",
    "draft_model": "w1",
    "draft_replicate": 1,
    "essay_replicate": 1,
    "evaluation_replicate": 1,
}


def table(*rows):
    """Return evaluations as rows of aggregated_scores.csv; what a row does not name is the same for all."""
    usual = dict.fromkeys(scores.COLUMNS, "") | USUAL | {"cost_usd": np.nan}
    numbered = [usual | {"gen_id": f"v{number:06}"} | row for number, row in enumerate(rows)]
    found = pd.DataFrame(numbered, columns=list(scores.COLUMNS))
    return found.astype({"score": "float64", "cost_usd": "float64"})


def tidy(*rows, scales=None, **others):
    """Return evaluations as the frame that the statistics take."""
    return frame.tidy(table(*rows), scales or {}, **others)


def drawn(
    seed=0,
    combos=4,
    drafts=("d1", "d2"),
    writers=("w1", "w2"),
    essays=("g1", "g2"),
    judges=("j1", "j2", "j3"),
    rubrics=("r1", "r2"),
    replicates=2,
    draft_replicates=1,
    crossed=False,
    whole=False,
    **sizes,
):
    """Return rows of a cohort whose scores, in points of 9, are sums of normal effects around 4.5.

    Args:
        seed: of the draw.
        combos, drafts, writers, essays, judges, rubrics, replicates, draft_replicates: the design.
        crossed: whether every writer works on every draft; else on its own.
        whole: whether scores are whole numbers from 0 to 9.
        sizes: standard deviations of combo, draft, essay, judge, rubric, combo_draft_template, essay_judge,
            essay_rubric, judge_rubric, essay_judge_rubric, error; 0.5 for error, else 0.
    """
    rng = np.random.default_rng(seed)
    effects = {}

    def effect(name, *levels):
        size = sizes.get(name, 0.5 if name == "error" else 0.0)
        return effects.setdefault((name, *levels), rng.normal() * size)

    rows = []
    for combo, template, model, number in itertools.product(range(combos), drafts, writers, range(draft_replicates)):
        draft = f"{combo}-{template}-{model}-{number}"
        for essay_template, writer in itertools.product(essays, writers if crossed else (model,)):
            essay = f"{draft}-{essay_template}-{writer}"
            for judge, rubric, replicate in itertools.product(judges, rubrics, range(replicates)):
                score = 4.5 + sum(
                    (
                        effect("combo", combo),
                        effect("combo_draft_template", combo, template),
                        effect("draft", draft),
                        effect("essay", essay),
                        effect("judge", judge),
                        effect("rubric", rubric),
                        effect("essay_judge", essay, judge),
                        effect("essay_rubric", essay, rubric),
                        effect("judge_rubric", judge, rubric),
                        effect("essay_judge_rubric", essay, judge, rubric),
                        effect("error", essay, judge, rubric, replicate),
                    )
                )
                rows.append(
                    {
                        "combo_id": f"k{combo:03}",
                        "draft_template": template,
                        "draft_model": model,
                        "draft_gen_id": f"d-{draft}",
                        "draft_replicate": number + 1,
                        "generation_template": essay_template,
                        "generation_model": writer,
                        "parent_gen_id": f"e-{essay}",
                        "evaluation_llm_model": judge,
                        "evaluation_template": rubric,
                        "evaluation_replicate": replicate + 1,
                        "score": float(np.clip(round(score), 0, 9)) if whole else score,
                        "cost_usd": 0.001,
                    }
                )
    return rows
