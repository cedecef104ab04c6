"""Whether judges prefer essays of their own model, of its family, or long ones.

Own model and family. Judges are compared with neutral ones: those whose family wrote none of the essays. On an
essay and rubric that both scored, lead = the judge's score - the neutral judge's (replicates averaged first). Per
combo and column (a neutral judge with a rubric): mean lead on the judge's own essays - mean lead on others'
essays; averaged over the columns that have both. The table gives the mean over combos, with Student's t over
them: combos are random, judges, writers and rubrics fixed; it holds for new combos. An essay's writer is the
model of its last step. Without a neutral judge it is empty: what a judge adds to its own essays cannot be
separated from what the others add to theirs (beside one neutral judge and one that prefers its own by as much, the
mean of the others makes 0.5 points look like 0.75).

Length. Per judge: score_i = group_g(i) + slope ln(words_i) + error, least squares within groups of rubric x
essay template x writer. Interval: jackknife over combos, slope +- t sqrt((C - 1) / C sum (slope_-c - slope)^2)
with C - 1 degrees of freedom; combos are random. A slope is no proof that length is rewarded: longer essays
may be better. `length_adjusted_difference` is the row of comparisons.csv made again from
score - slope of its judge x (ln(words) - mean), the slope taken as known: what is left of a difference at
equal length.

Pointwise intervals, described and not corrected for their number. Sources: Panickssery, Bowman and Feng 2024,
arXiv 2404.13076 (own-model preference); Dubois et al. 2024, arXiv 2404.04475 (length-adjusted comparisons);
Efron and Tibshirani 1993, chapter 11 (jackknife).
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from .comparisons import comparisons
from .frame import COMBO, ESSAY, JUDGE, NOTHING, RUBRIC, averaged, dense, known_combos, levels, means, numbered
from .intervals import Mean, around, mean_of
from .scale import MIN_UNITS, POINTS

COLUMNS = (
    "bias",
    "judge",
    "factor",
    "level_a",
    "level_b",
    "pairing",
    "n_own",
    "n_other",
    "n_combos",
    "value",
    "ci_low",
    "ci_high",
    "p",
)
OWN_MODEL, OWN_FAMILY = "own_model", "own_family"
LENGTH, ADJUSTED = "length_slope", "length_adjusted_difference"
WRITER = "generation_model"


def biases(frame: pd.DataFrame, families: Mapping[str, tuple[str, str]] | None = None) -> pd.DataFrame:
    """Return one row per bias and judge, and one per length-adjusted comparison (`COLUMNS`), in points of 9.

    Args:
        frame: scores as `frame.tidy` gives them.
        families: model id -> (model name, family); an id that is not in it is a model and family of its own.

    Returns:
        own_model, own_family: `value` is the preference, `n_own` and `n_other` count (essay, rubric) units.
        A judge that shares no model (family) with a writer has no row. length_slope: points per unit of
        ln(words), so 0.69 of it per doubling; `n_other` counts the scores. length_adjusted_difference: of
        level_a - level_b. Empty (NaN) where there is nothing to compute from; no interval below three combos.
    """
    frame = known_combos(frame)
    rows = [*_own(frame, families or {}), *_length(frame)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _own(frame: pd.DataFrame, families: Mapping[str, tuple[str, str]]) -> Iterator[dict[str, object]]:
    cells = averaged(frame, [ESSAY, RUBRIC, JUDGE, COMBO, WRITER])
    if cells.empty:
        return
    judges, writers = levels(frame, JUDGE), levels(frame, WRITER)
    model, family = ({name: families.get(name, (name, name))[part] for name in {*judges, *writers}} for part in (0, 1))
    of_writers = {family[writer] for writer in writers}
    neutral = cells[cells[JUDGE].isin([judge for judge in judges if family[judge] not in of_writers])]
    for bias, known in ((OWN_MODEL, model), (OWN_FAMILY, family)):
        for judge in judges:
            given = cells[cells[JUDGE] == judge]
            own = (given[WRITER].map(known) == known[judge]).to_numpy()
            if own.any():
                found, counts = _preference(given.assign(own=own), neutral)
                yield _row(bias, judge, found, **counts)


def _preference(given: pd.DataFrame, neutral: pd.DataFrame) -> tuple[Mean, dict[str, int]]:
    """Return a judge's preference, and how many (essay, rubric) units it rests on; `given` says which are its own."""
    both = given.merge(neutral, on=[ESSAY, RUBRIC], suffixes=("", "_neutral"))
    units = both.drop_duplicates([ESSAY, RUBRIC])["own"]
    counts = {"n_own": int(units.sum()), "n_other": int((~units).sum())}
    lead = both.assign(lead=both["score"] - both["score_neutral"])
    columns = [COMBO, f"{JUDGE}_neutral", RUBRIC]
    # as texts: pandas cannot join categories whose numbers differ in width, as those of no and of 200 combos do
    lead = lead.astype(dict.fromkeys(columns, object))
    sides = [lead[lead["own"] == side].groupby(columns, observed=True)["lead"].mean() for side in (True, False)]
    shared = pd.concat(sides, axis=1, join="inner")
    combos, combo = np.unique(shared.index.get_level_values(COMBO), return_inverse=True)
    own, other = shared.to_numpy(dtype=float).T
    return mean_of(means(own - other, combo, len(combos))), counts


def _length(frame: pd.DataFrame) -> Iterator[dict[str, object]]:
    frame = frame[frame["words"].notna()]
    if frame.empty:
        return
    logs = np.log(frame["words"].to_numpy())
    score = frame["score"].to_numpy().copy()
    for judge in levels(frame, JUDGE):
        own = (frame[JUDGE] == judge).to_numpy()
        slope = _slope(frame[own], logs[own])
        yield _row(LENGTH, judge, slope, n_other=int(own.sum()))
        if not np.isnan(slope.value):
            score[own] -= slope.value * (logs[own] - logs.mean())
        else:
            score[own] = np.nan
    rest = frame.assign(score=score)[~np.isnan(score)]
    for row in comparisons(rest).to_dict("records"):
        if row["factor"] not in (JUDGE, RUBRIC):
            found = Mean(row["difference"], row["ci_low"], row["ci_high"], row["p"], row["n_combos"])
            names = {name: row[name] for name in ("factor", "level_a", "level_b", "pairing")}
            yield _row(ADJUSTED, "", found, unit=1.0, **names)


def _slope(own: pd.DataFrame, logs: np.ndarray) -> Mean:
    """Return the slope within groups, with its jackknife interval over combos."""
    group, groups = numbered(own, [RUBRIC, "generation_template", WRITER])
    combo, combos = numbered(own, [COMBO])
    cell, cells = dense(group * combos + combo)
    of_cell = np.unique(group * combos + combo)
    values = (np.ones(len(own)), logs - logs.mean(), own["score"].to_numpy() - own["score"].mean())
    n, x, y = values
    sums = [np.bincount(cell, weights=part, minlength=cells) for part in (n, x, y, x * x, x * y)]
    tables = np.zeros((5, groups, combos))
    for table, part in zip(tables, sums, strict=True):
        table[of_cell // combos, of_cell % combos] = part
    whole = tables.sum(axis=2)
    slope = float(_within(whole[:, :, None])[0])
    left_out = _within(whole[:, :, None] - tables)
    if combos < MIN_UNITS or np.isnan(left_out).any() or np.isnan(slope):
        return Mean(slope, n=combos)
    error = float(np.sqrt((combos - 1) / combos * ((left_out - slope) ** 2).sum()))
    return Mean(slope, *around(slope, error, combos - 1), combos) if error > NOTHING else Mean(slope, n=combos)


def _within(sums: np.ndarray) -> np.ndarray:
    """Return the slope within groups from sums of 1, x, y, x^2, x y; NaN where x does not vary."""
    n, x, y, xx, xy = sums
    n = np.maximum(n, 1)
    spread, both = (xx - x * x / n).sum(axis=0), (xy - x * y / n).sum(axis=0)
    return np.where(spread > NOTHING, both / np.where(spread > NOTHING, spread, 1), np.nan)


def _row(bias: str, judge: str, found: Mean, unit: float = POINTS, **others: object) -> dict[str, object]:
    return {
        **dict.fromkeys(("factor", "level_a", "level_b", "pairing"), ""),
        "bias": bias,
        "judge": judge,
        "n_combos": found.n,
        "value": unit * found.value,
        "ci_low": unit * found.low,
        "ci_high": unit * found.high,
        "p": found.p,
        **others,
    }
