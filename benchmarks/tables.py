"""Time of all tables of summary/ and analysis/ of drawn scores, in three shapes, without reading a store."""

import time

import numpy as np
import pandas as pd

from workflow_lib.results import analysis, claims, scores, summary

SHAPES = {"many essays": (1, 1), "seven rubrics": (7, 1), "three replicates": (1, 3)}
"""Rubrics and replicates; the number of essays follows."""
ESSAYS_PER_COMBO = 32


def measure(shape: str, evaluations: int, judges: int) -> dict[str, float]:
    """Make the tables of one shape; returns seconds, CPU seconds and how many evaluations there are."""
    rubrics, replicates = SHAPES[shape]
    table, words = drawn(evaluations // (judges * rubrics * replicates), judges, rubrics, replicates)
    begun, used = time.monotonic(), time.process_time()
    summary.generation_scores(table)
    summary.final_results(table, {})
    summary.perfect_score_paths(table, {})
    summary.evaluation_model_template_pivot(table)
    summary.evaluation_scores(table, {})
    analysis.variance_analysis(table)
    claims.tables(table, claims.Background(words=words, usd_per_combo=0.01))
    return {"wall_s": time.monotonic() - begun, "cpu_s": time.process_time() - used, "evaluations": len(table)}


def drawn(essays: int, judges: int, rubrics: int, replicates: int) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return a cohort's scores as aggregated_scores.csv has them, whole points, and the words of its essays."""
    rng = np.random.default_rng(1)
    count = essays * judges * rubrics * replicates
    essay, rest = np.divmod(np.arange(count), judges * rubrics * replicates)
    judge, rubric, replicate = rest // (rubrics * replicates), rest // replicates % rubrics, rest % replicates
    combos = max(3, essays // ESSAYS_PER_COMBO)
    combo, cell = essay % combos, essay // combos
    parts = [rng.normal(size=size)[of] for size, of in ((combos, combo), (essays, essay), (judges, judge))]
    score = np.clip(np.round(4.5 + sum(parts) + rng.normal(size=count)), 0, 9)

    def named(prefix: str, numbers: np.ndarray) -> list[str]:
        return [f"{prefix}{number:06}" for number in numbers]

    writer = named("w", cell // 4 % 4)
    table = pd.DataFrame(dict.fromkeys(scores.COLUMNS, ""), index=range(count)).assign(
        gen_id=named("v", np.arange(count)),
        parent_gen_id=named("e", essay),
        draft_gen_id=named("d", essay),
        combo_id=named("k", combo),
        draft_template=named("dt", cell % 4),
        draft_model=writer,
        generation_template=named("g", cell // 16 % 2),
        generation_model=writer,
        evaluation_llm_model=named("j", judge),
        evaluation_template=named("r", rubric),
        evaluation_replicate=replicate + 1,
        score=score,
        cost_usd=0.001,
    )
    return table, dict(zip(named("e", np.arange(essays)), rng.integers(200, 1500, essays).tolist(), strict=True))
