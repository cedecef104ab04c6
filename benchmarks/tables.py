"""Seconds and memory of the tables of a cohort, from its scores to what stands in the files.

Draws cohorts of about N evaluations by J judges, in three shapes (many essays, many rubrics, many replicates), and
makes every table of summary/ and analysis/ of each, in a process of its own; reading the store is not part of it:

    .venv/bin/python benchmarks/tables.py --evaluations 100000 --judges 10
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
TARGET_SECONDS, TARGET_MB = 60, 2000
SHAPES = {"many essays": (1, 1), "seven rubrics": (7, 1), "three replicates": (1, 3)}
"""Rubrics and replicates; the number of essays follows."""
ESSAYS_PER_COMBO = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=100_000)
    parser.add_argument("--judges", type=int, default=10)
    parser.add_argument("--shape", choices=SHAPES, help="this one only, in this process")
    args = parser.parse_args()
    if args.shape:
        measure(args.shape, args.evaluations, args.judges)
        return
    print(f"target: {TARGET_SECONDS} s, {TARGET_MB} MB")
    options = ["--evaluations", str(args.evaluations), "--judges", str(args.judges)]
    for shape in SHAPES:
        subprocess.run([sys.executable, __file__, *options, "--shape", shape], check=True)


def measure(shape: str, evaluations: int, judges: int) -> None:
    """Print what one shape takes."""
    sys.path.insert(0, str(SOURCE))
    from workflow_lib.results import analysis, claims, summary

    rubrics, replicates = SHAPES[shape]
    table, words = drawn(evaluations // (judges * rubrics * replicates), judges, rubrics, replicates)
    start, cpu = time.perf_counter(), time.process_time()
    summary.generation_scores(table)
    summary.final_results(table, {})
    summary.perfect_score_paths(table, {})
    summary.evaluation_model_template_pivot(table)
    summary.evaluation_scores(table, {})
    analysis.variance_analysis(table)
    between = time.perf_counter()
    claims.tables(table, claims.Background(words=words, usd_per_combo=0.01))
    end, cpu = time.perf_counter(), time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{shape}: {len(table):,} evaluations, {end - start:.1f} s (summary {between - start:.1f}, "
        f"claims {end - between:.1f}; CPU {cpu:.1f}), {peak:,.0f} MB"
    )


def drawn(essays: int, judges: int, rubrics: int, replicates: int):
    """Return a cohort's scores as aggregated_scores.csv has them, whole points, and the words of its essays."""
    import numpy as np
    import pandas as pd

    from workflow_lib.results import scores

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


if __name__ == "__main__":
    main()
