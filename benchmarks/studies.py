"""The kinds of cohorts on which the tables' claims are tried: ordinary ones, and those that make trouble."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .simulated import FACTORS, JUDGES, NULL, REAL, Design


@dataclass(frozen=True)
class Study:
    """Cohorts of one design for one table.

    Attributes:
        table: key of `measured.PARTS`.
        kind, missing: words for the table; alarms are pooled over `missing`.
        design: what is drawn.
        cohorts: how many.
    """

    table: str
    kind: str
    missing: str
    design: Design
    cohorts: int


ONE_LEVEL = {factor: (0.0,) for factor in FACTORS}
TWO = {"j1": (0.5, 0.6), "j2": (-0.5, 0.6)}
FIVE = {"j1": (0.5, 0.5), "j2": (0.0, 0.7), "j3": (-1.0, 0.9), "j4": (0.3, 0.6), "j5": (-0.4, 0.8)}
UNLIKE = {"j1": (0.5, 0.2), "j2": (0.0, 0.7), "j3": (-1.0, 1.8)}
WRITERS = {"m1": (0.5, 0.5), "m2": (-0.5, 0.7), "j3": (0.0, 0.7)}
ALONE = Design(combos=24, effects=ONE_LEVEL, whole_points=True)
REPEATED = Design(combos=3, pipeline=True, replicates=(1, 1, 2), whole_points=True)
EQUAL = Design(combos=3, combo=0.0, draft=0.0, essay=0.0, essay_rubric=0.0)
"""All essays are equally good."""

HARD = {
    "3 combos, a judge and a rubric": Design(combos=3, judges={"j1": (0.0, 0.7)}, rubrics=1, whole_points=True),
    "4 combos, one draft template": Design(
        combos=4, effects=NULL | {"draft_template": (0.0,)}, interaction=0.5, whole_points=True
    ),
    "5 combos, pipelines, replicates": Design(combos=5, pipeline=True, replicates=(2, 1, 2), interaction=0.5),
    "6 combos, two judges": Design(combos=6, judges=TWO, pipeline=True, whole_points=True),
    "6 combos, heavy tails": Design(combos=6, interaction=0.5, heavy_tails=True),
    "6 combos, judges of unlike noise": Design(combos=6, judges=UNLIKE, missing=0.3, whole_points=True),
    "6 combos, scores at the end of the scale": Design(combos=6, middle=8.0, whole_points=True),
    "6 combos, scales of 9 and 100": Design(combos=6, wide=True, whole_points=True, missing=0.2),
    "6 combos, strict judge misses poor essays": Design(combos=6, strict_missing=0.8, interaction=0.5),
    "12 combos, each with its own favourites": Design(combos=12, interaction=1.0, missing=0.2),
}
"""What one would try who doubts the claims; without differences."""


def studies(scale: float = 1.0) -> list[Study]:
    """Return what is simulated; `scale` multiplies the numbers of cohorts."""
    found = [*_grid(), *_hard(), *_of_levels(), *_of_judges(), *_of_components(), *_of_biases()]
    return [replace(study, cohorts=max(2, round(scale * study.cohorts))) for study in found]


def _grid() -> Iterator[Study]:
    grid = itertools.product((3, 30), (False, True), (0.0, 0.2, 0.5), (1, 3), (NULL, REAL))
    for place, (combos, pipeline, missing, replicates, effects) in enumerate(grid):
        design = Design(
            combos=combos,
            pipeline=pipeline,
            missing=missing,
            replicates=(replicates, 1, 1) if combos > 3 else (replicates,) * 3 if replicates == 1 else (3, 1, 3),
            effects=effects,
            # every other kind of cohort has combos that respond differently, and whole points
            interaction=0.3 * (place // 2 % 2),
            whole_points=place % 3 != 0,
        )
        kind = f"{combos} combos, {'pipelines' if pipeline else 'crossed'}"
        yield Study("comparisons", kind, _lacking(missing), design, 60 if combos == 3 else 24)
        if replicates == 1:
            yield Study("adjusted_scores", kind, _lacking(missing), design, 50 if combos == 3 else 10)


def _hard() -> Iterator[Study]:
    for kind, design in HARD.items():
        missing = "some missing" if design.missing or design.strict_missing else _lacking(0)
        yield Study("comparisons", kind, missing, design, 200)
        # at the end of a scale, the difference of two levels is not that of their effects
        if "end of the scale" not in kind:
            levels = {factor: REAL[factor][: len(own)] for factor, own in design.effects.items()}
            yield Study("comparisons", kind, missing, replace(design, effects=levels), 60)
        if len(design.judges) > 1:
            yield Study("adjusted_scores", kind, missing, design, 50)
    five = Design(combos=3, judges=FIVE, missing=0.5)
    yield Study("adjusted_scores", "3 combos, two judges", _lacking(0), Design(combos=3, judges=TWO), 150)
    yield Study("adjusted_scores", "3 combos, five judges", _lacking(0.5), five, 60)
    for judges, missing in ((TWO, 0.0), (JUDGES, 0.3), (FIVE, 0.0)):
        for effects, essays in ((NULL, "72"), (ONE_LEVEL, "3")):
            design = replace(EQUAL, judges=judges, missing=missing, effects=effects, whole_points=effects is NULL)
            kind = f"{essays} equal essays, {len(judges)} judges"
            yield Study("adjusted_scores", kind, _lacking(missing), design, 150)


def _of_levels() -> Iterator[Study]:
    for combos, pipeline, missing in ((3, False, 0.0), (12, False, 0.5), (12, True, 0.2)):
        design = Design(combos=combos, pipeline=pipeline, missing=missing, effects=REAL, interaction=0.3)
        kind = f"{combos} combos, {'pipelines' if pipeline else 'crossed'}"
        yield Study("level_means", kind, _lacking(missing), design, 60)
    for kind in ("6 combos, heavy tails", "6 combos, judges of unlike noise"):
        yield Study("level_means", kind, "some missing" if HARD[kind].missing else _lacking(0), HARD[kind], 60)


def _of_judges() -> Iterator[Study]:
    yield Study("judges", "24 drafts, an essay each", _lacking(0), ALONE, 60)
    yield Study("judges", "60 drafts, an essay each", _lacking(0.2), replace(ALONE, combos=60, missing=0.2), 60)
    for essays, missing in ((24, 0.0), (60, 0.2)):
        design = replace(ALONE, combos=essays, missing=missing, judge_rubric=0.0)
        yield Study("judges", f"{essays} combos, an essay each", _lacking(missing), design, 60)
    yield Study("judges", "24 drafts, heavy tails", _lacking(0), replace(ALONE, heavy_tails=True), 60)
    yield Study("judges", "24 drafts, judges of unlike noise", _lacking(0), replace(ALONE, judges=UNLIKE), 60)
    yield Study("judges", "24 drafts, end of the scale", _lacking(0), replace(ALONE, middle=8.0), 60)
    yield Study("judges", "3 combos, pipelines", _lacking(0), REPEATED, 60)
    yield Study("judges", "unrelated judges", _lacking(0), replace(ALONE, unrelated=True), 100)


def _of_components() -> Iterator[Study]:
    for combos, missing, cohorts in ((10, 0.0, 60), (30, 0.0, 20), (30, 0.2, 20)):
        design = Design(combos=combos, interaction=0.3, missing=missing, replicates=(2, 1, 2))
        yield Study("variance_components", f"{combos} combos, crossed", _lacking(missing), design, cohorts)
    for combos in (5, 10, 30):
        design = Design(combos=combos, interaction=0.3, effects=ONE_LEVEL)
        yield Study("detectable_differences", f"{combos} combos, one pair", _lacking(0), design, 400)


def _of_biases() -> Iterator[Study]:
    for combos, missing in itertools.product((3, 10), (0.0, 0.4)):
        own = Design(combos=combos, judges=WRITERS, own_model=0.5, missing=missing, whole_points=True)
        long = Design(combos=combos, slopes={"j1": 0.6, "j3": 0.3}, missing=missing, whole_points=True)
        yield Study("biases", f"{combos} combos, own models", _lacking(missing), own, 120)
        yield Study("biases", f"{combos} combos, long texts", _lacking(missing), long, 120)
    for tails in (False, True):
        design = Design(combos=6, heavy_tails=tails, interaction=0.5)
        kind = f"6 combos, no bias{', heavy tails' if tails else ''}"
        yield Study("biases", kind, _lacking(0), design, 120)
        yield Study("biases", kind, _lacking(0), replace(design, judges=WRITERS), 120)


def _lacking(missing: float) -> str:
    return f"{missing:.0%} missing"
