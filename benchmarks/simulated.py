"""Cohorts with a known truth: scores drawn from a model whose every effect is returned beside them.

A score in points of 9 is

    4.5 + combo + draft template + draft model + combo x draft template + combo x draft model + draft
        + essay template + essay model + combo x essay template + combo x essay model + essay
        + essay x rubric + judge + rubric + judge x rubric + essay x judge + essay x judge x rubric
        + own model + slope of the judge * log(words) + error of the judge

Effects of templates, models, judges, rubrics and judge x rubric are fixed; all others are drawn anew for every
cohort: normal, or with heavy tails. Scores are rounded to whole points and cut to 0-9 where the design says so; the
truth about essays then is of these, too.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

COMBOS, DRAFT_TEMPLATE, DRAFT_MODEL, ESSAY_TEMPLATE, ESSAY_MODEL = range(5)
FACTORS = ("draft_template", "draft_model", "generation_template", "generation_model")
SCALE = 9.0
WIDE = "wide"
SCALES = {WIDE: 100.0}
"""Rubric -> best score of its scale, where that is not 9."""
MIDDLE = 4.5
TAILS = 3
"""Degrees of freedom of Student's t where tails are heavy."""
LOG_WORDS, BY_COMBO, BY_WRITER, BY_ESSAY = 6.7, 0.15, 0.2, 0.3
"""ln(words): its mean, its standard deviation between combos, step from one writer to the next, and between essays."""


@dataclass(frozen=True)
class Design:
    """One kind of cohort; all sizes in points of 9, standard deviations for what is drawn.

    Attributes:
        combos: their number.
        replicates: of drafts, of each draft's essays, of each judgement.
        missing: share of the scores that are missing; judges differ (0.4, 1.0 and 1.6 times the share, in turn).
        pipeline: each essay is written by its draft's model; else the two are crossed.
        effects: factor -> effect of each of its levels; the number of effects is the number of levels.
        interaction: combo x each factor.
        judges: judge -> (severity, error); a judge named like a model (m1, m2) is that model.
        rubrics: number of evaluation templates.
        own_model: what a judge adds to texts of its own model.
        slopes: judge -> points per unit of log(words).
        unrelated: judges draw their scores without looking at the essay.
        whole_points: scores are rounded to whole points.
        middle: mean score before all effects; near 9 many whole points are cut off at the end of the scale.
        heavy_tails: what is drawn has Student's t distribution, with the same standard deviation.
        wide: the last rubric is `WIDE`.
        strict_missing: share of the last judge's scores that are missing of the poorer half of all essays.
    """

    combos: int = 30
    replicates: tuple[int, int, int] = (1, 1, 1)
    missing: float = 0.0
    pipeline: bool = False
    effects: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: NULL)
    interaction: float = 0.0
    judges: Mapping[str, tuple[float, float]] = field(default_factory=lambda: JUDGES)
    rubrics: int = 2
    combo: float = 0.6
    draft: float = 0.5
    essay: float = 0.5
    judge_rubric: float = 0.3
    essay_judge: float = 0.3
    essay_rubric: float = 0.2
    essay_judge_rubric: float = 0.2
    own_model: float = 0.0
    slopes: Mapping[str, float] = field(default_factory=dict)
    unrelated: bool = False
    whole_points: bool = False
    middle: float = MIDDLE
    heavy_tails: bool = False
    wide: bool = False
    strict_missing: float = 0.0


NULL = {"draft_template": (0.0,) * 3, "draft_model": (0.0,) * 2, "generation_template": (0.0,) * 2} | {
    "generation_model": (0.0,) * 2
}
REAL = {"draft_template": (0.0, 0.4, 1.0), "draft_model": (0.0, 0.3), "generation_template": (0.0, 0.6)} | {
    "generation_model": (0.0, 0.4)
}
JUDGES = {"j1": (0.5, 0.5), "j2": (0.0, 0.7), "j3": (-1.0, 0.9)}


@dataclass(frozen=True)
class Truth:
    """What a cohort was drawn from, in points of 9.

    Attributes:
        differences: (factor, pairing, level_a, level_b) -> level_a - level_b over all combos there could be.
        per_combo: the same keys -> combo -> the difference in that combo.
        quality: essay -> its expected score over the cohort's judges and rubrics, all scored, in points of 9.
        components: component -> variance.
        own_model: judge -> its preference for its own model.
        slopes: judge -> points per unit of log(words).
    """

    differences: dict[tuple[str, str, str, str], float]
    per_combo: dict[tuple[str, str, str, str], dict[str, float]]
    quality: dict[str, float]
    components: dict[str, float]
    own_model: dict[str, float]
    slopes: dict[str, float]


def cohort(design: Design, seed: int | Sequence[int]) -> tuple[pd.DataFrame, Truth]:
    """Return one cohort of a design, a row per evaluation (missing ones with a NaN score), and its truth.

    Columns are those of aggregated_scores.csv that say what a score is of, and `words` of the essay.
    """
    # two streams: a cohort with more replicates of each essay has the same combos, drafts and judges
    draw = _heavy if design.heavy_tails else _normal
    rng, again = (np.random.default_rng([*np.atleast_1d(seed), stream]) for stream in (0, 1))
    sizes = [design.combos, *(len(design.effects[name]) for name in FACTORS)]
    combo, lengths = draw(rng, design.combo, sizes[0]), rng.normal(0, BY_COMBO, sizes[0])
    main = [np.asarray(design.effects[name]) for name in FACTORS]
    crossed = [draw(rng, design.interaction, (sizes[0], size)) for size in sizes[1:]]

    drafts = pd.DataFrame(
        itertools.product(*map(range, sizes[:3]), range(1, design.replicates[0] + 1)),
        columns=["combo", "dt", "dm", "draft_replicate"],
    )
    drafts["draft"] = np.arange(len(drafts))
    drafts["draft_quality"] = (
        combo[drafts["combo"]]
        + main[0][drafts["dt"]]
        + main[1][drafts["dm"]]
        + crossed[0][drafts["combo"], drafts["dt"]]
        + crossed[1][drafts["combo"], drafts["dm"]]
        + draw(rng, design.draft, len(drafts))
    )
    writers = pd.DataFrame(
        itertools.product(range(sizes[3]), range(sizes[4]), range(1, design.replicates[1] + 1)),
        columns=["et", "em", "essay_replicate"],
    )
    essays = drafts.merge(writers, how="cross")
    if design.pipeline:
        essays = essays[essays["dm"] == essays["em"]].reset_index(drop=True)
    names = list(design.judges)
    severity = np.array([design.judges[name][0] for name in names])
    noise = np.array([design.judges[name][1] for name in names])
    # effects of judge and rubric together are the cohort's own and sum to zero
    columns = rng.normal(0, design.judge_rubric, (len(names), design.rubrics))
    columns -= columns.mean()
    rng, count = again, len(essays)
    log_words = LOG_WORDS + lengths[essays["combo"]] + BY_WRITER * essays["em"] + rng.normal(0, BY_ESSAY, count)
    essays["essay"] = np.arange(count)
    essays["words"] = np.round(np.exp(log_words)).astype(int)
    essays["quality"] = (
        design.middle
        + essays["draft_quality"]
        + main[2][essays["et"]]
        + main[3][essays["em"]]
        + crossed[2][essays["combo"], essays["et"]]
        + crossed[3][essays["combo"], essays["em"]]
        + draw(rng, design.essay, count)
    )
    by_rubric = draw(rng, design.essay_rubric, (count, design.rubrics))
    by_judge = draw(rng, design.essay_judge, (count, len(names)))
    by_both = draw(rng, design.essay_judge_rubric, (count, len(names), design.rubrics))
    slopes = np.array([design.slopes.get(name, 0.0) for name in names])
    length = np.log(essays["words"].to_numpy())[:, None] - LOG_WORDS
    is_own = np.array([[f"m{model + 1}" == name for name in names] for model in essays["em"]])
    seen = (0 if design.unrelated else essays["quality"].to_numpy()[:, None] - design.middle) + (
        severity + slopes * length + design.own_model * is_own
    )
    panel = design.middle + seen[:, :, None] + columns + (0 if design.unrelated else by_rubric[:, None, :])
    expected = panel if design.unrelated else panel + by_judge[:, :, None] + by_both

    repeats = design.replicates[2]
    drawn = expected[..., None] + draw(rng, 1.0, (*expected.shape, repeats)) * noise[:, None, None]
    if design.whole_points:
        drawn = np.clip(np.round(drawn), 0, SCALE)
    rate = design.missing * np.resize([0.4, 1.0, 1.6], len(names))
    rubrics = np.array(_named("r", np.arange(1, design.rubrics + 1)), dtype=object)
    if design.wide:
        rubrics[-1] = WIDE
        drawn[:, :, -1] = np.round(drawn[:, :, -1] * SCALES[WIDE] / SCALE)
    drawn[rng.random(drawn.shape) < rate[:, None, None]] = np.nan
    poorer = (essays["quality"] < essays["quality"].median()).to_numpy()[:, None, None]
    drawn[:, -1] = np.where(poorer & (rng.random(drawn[:, -1].shape) < design.strict_missing), np.nan, drawn[:, -1])

    places = np.indices(drawn.shape).reshape(4, -1)
    table = essays.iloc[places[0]].reset_index(drop=True)
    frame = pd.DataFrame(
        {
            "gen_id": [f"v{number:06}" for number in range(len(table))],
            "parent_gen_id": _named("e", table["essay"], 6),
            "evaluation_template": rubrics[places[2]],
            "evaluation_llm_model": np.array(names, dtype=object)[places[1]],
            "score": drawn.reshape(-1),
            "error": "",
            "combo_id": _named("c", table["combo"], 3),
            "draft_template": _named("dt", table["dt"] + 1),
            "generation_template": _named("et", table["et"] + 1),
            "generation_model": _named("m", table["em"] + 1),
            "draft_gen_id": _named("d", table["draft"], 6),
            "draft_model": _named("m", table["dm"] + 1),
            "draft_replicate": table["draft_replicate"],
            "essay_replicate": table["essay_replicate"],
            "evaluation_replicate": places[3] + 1,
            "words": table["words"],
        }
    )
    if design.middle != MIDDLE:
        panel = _in_whole_points(panel, np.sqrt(noise**2 + design.essay_judge**2 + design.essay_judge_rubric**2))
    return frame, Truth(
        *_differences(design, main, crossed),
        # all that an essay is worth to judges like these by these rubrics
        dict(zip(_named("e", essays["essay"], 6), panel.mean(axis=(1, 2)), strict=True)),
        {
            "combo": design.combo**2,
            "draft": design.draft**2,
            "essay": design.essay**2,
            "combo x factor": design.interaction**2,
            "judge": float(severity.var(ddof=1)) if len(names) > 1 else 0.0,
            "judge x rubric": design.judge_rubric**2,
            "essay x judge": design.essay_judge**2,
            "essay x rubric": design.essay_rubric**2,
            "essay x judge x rubric": design.essay_judge_rubric**2,
            "error": float((noise**2 @ (1 - rate)) / (1 - rate).sum()),
        },
        {name: design.own_model for name in names if name in ("m1", "m2")},
        dict(zip(names, slopes, strict=True)),
    )


def _differences(design, main, crossed):
    pairs, per_combo = {}, {}
    held = {name: (main[place], crossed[place]) for place, name in enumerate(FACTORS)}
    both = tuple(held["draft_model"][part] + held["generation_model"][part] for part in (0, 1))
    found = [(name, "crossed", *held[name]) for name in FACTORS]
    found += [(name, "pipeline", *both) for name in ("draft_model", "generation_model")]
    prefixes = {"draft_template": "dt", "generation_template": "et"}
    for name, pairing, effects, own in found:
        prefix = prefixes.get(name, "m")
        for a, b in itertools.combinations(range(len(effects)), 2):
            key = (name, pairing, f"{prefix}{a + 1}", f"{prefix}{b + 1}")
            pairs[key] = float(effects[a] - effects[b])
            values = pairs[key] + own[:, a] - own[:, b]
            per_combo[key] = dict(zip(_named("c", np.arange(design.combos), 3), values, strict=True))
    return pairs, per_combo


def _normal(rng: np.random.Generator, sd: float, size) -> np.ndarray:
    return rng.normal(0, sd, size)


def _heavy(rng: np.random.Generator, sd: float, size) -> np.ndarray:
    return sd * rng.standard_t(TAILS, size) / np.sqrt(TAILS / (TAILS - 2))


def _in_whole_points(expected: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return the expectation of normal scores that are rounded and cut to the scale; `spread` of each judge."""
    steps = np.arange(1, SCALE + 1) - 0.5
    return stats.norm.sf((steps - expected[..., None]) / spread[:, None, None]).sum(axis=-1)


def _named(prefix: str, numbers, digits: int = 0) -> list[str]:
    return [f"{prefix}{number:0{digits}}" for number in np.asarray(numbers)]
