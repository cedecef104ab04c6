"""Which essays are best when each was judged by other judges: adjusted scores, ranks and how sure they are.

Model, per connected component of essays and columns (a column is a judge with a rubric):

    y = essay_i + column_k + error          least squares (scipy.sparse.linalg.lsqr), columns with mean 0
    m_ij = mean of y - column               over the scores of essay i by judge j
    a_i = mean of m_ij                      over the n_i judges of the essay: its adjusted mean
    w = sum (m_ij - a_i)^2 / (sum (n_i - 1) - (J - 1))           variance of one judge's opinion, J judges
    v = max(0, var(a) - mean(w / n_i))                           variance of the essays themselves
    s_i = v / (v + w / n_i)                                      shrinkage
    estimate_i = mean(a) + s_i (a_i - mean(a))
    V_i = v (1 - s_i)                                            if v, w, mean and columns were known
        + s_i^2 u_i                                              columns: variance of their mean in a_i
        + (1 - s_i)^2 (var(a) / E                                mean of E essays
        + (a_i - mean(a))^2 (2 / max(1, E - 3) + 2 / f))         v and w, which has f degrees of freedom
    interval: estimate_i +- t sqrt(V_i), t with f degrees of freedom

u_i = sigma^2 c_i' L^+ c_i with c_i the weights of the columns in a_i, sigma^2 the residual variance of the least
squares fit (w where it leaves no degree of freedom) and L the columns' normal equations, essays swept out. With many
essays this is estimate +- 1.96 sqrt(v (1 - s)), which alone holds the truth in 80 % for 3 essays, and in 87 % for 12
with half of their scores; this holds it in 93-96 %.

Judges and rubrics are fixed; essays are random, drawn from those that the cohort could have; what judges think
of an essay beyond their severity is random and independent. The interval holds for an essay of the cohort
under these judges and rubrics, on average over its essays. Sources: empirical Bayes for two-way tables (Searle,
Casella and McCulloch 1992, Variance Components, chapter 7); what v and mean add (Morris 1983, JASA 78, 47-55).

Pairs: a_i - a_j +- t sqrt(w (1 / n_i + 1 / n_j)), t with the degrees of freedom of w. The top group is those
whose interval with the first holds 0, each for itself; it is all essays unless these differ at all, by the F test of
(sum (m_ij - mean of judge j)^2 - f w) / (E - 1) over w at 1 % (a protected comparison: Fisher 1935, The Design of
Experiments; in a complete table the numerator is n var(a)). Without that test some of many equal essays would nearly
always be left out; at 5 % it would find differences in 12 % of cohorts of three equal essays with missing scores.

Rank intervals: 2.5 % and 97.5 % points of the ranks in 10,000 seeded draws from normal distributions with variances
v (1 - s_i) around the estimates (fewer where 10,000 of so many essays exceed `MAX_DRAWN`).

Empty, never 0: fewer than three essays have no intervals. With less than one degree of freedom for w there is no
shrinkage, no interval and no top group (estimate = adjusted mean). Where w is 0 likewise. Where v is 0, the scores
show no difference between the essays: all share the estimate and the first rank, their rank intervals reach from
first to last, and the estimates have no interval.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import lsqr

from .distributions import f_p_value, t_critical
from .frame import CELL, ESSAY, JUDGE, NOTHING, RUBRIC, means, numbered
from .intervals import LEVEL, SEED
from .scale import MIN_UNITS, POINTS

TOLERANCE = 1e-12
DIFFERENT = 0.01
"""Level of the test whether the essays differ at all."""
DRAWS = 10_000
MAX_DRAWN = 300_000_000

COLUMNS = (
    "component",
    "rank",
    ESSAY,
    *CELL,
    "n_scores",
    "n_judges",
    "raw_mean",
    "adjusted_mean",
    "estimate",
    "ci_low",
    "ci_high",
    "shrinkage",
    "rank_low",
    "rank_high",
    "top_group",
    "judges",
    "rubrics",
)


@dataclass
class _Component:
    """The figures of the essays of one component, one entry per essay.

    Attributes:
        adjusted: adjusted means.
        judges: how many judges each has.
        opinion, freedom: variance of one judge's opinion, and its degrees of freedom.
        columns: variance of an adjusted mean by the columns' being estimated.
        within_judges: sum of squares of the judges' opinions about the mean of each judge.
    """

    adjusted: np.ndarray
    judges: np.ndarray
    opinion: float
    freedom: int
    columns: np.ndarray
    within_judges: float

    def __post_init__(self) -> None:
        n = len(self.adjusted)
        self.mean = float(self.adjusted.mean())
        self.essays = np.nan
        self.shrinkage = np.full(n, np.nan)
        self.estimate, self.error, self.half = self.adjusted, np.full(n, np.nan), np.full(n, np.nan)
        if n > 1 and self.freedom >= 1 and self.opinion > NOTHING**2:
            noise = self.opinion / self.judges
            self.essays = max(0.0, float(self.adjusted.var(ddof=1) - noise.mean()))
            self.shrinkage = self.essays / (self.essays + noise)
            self.estimate = self.mean + self.shrinkage * (self.adjusted - self.mean)
            if self.essays > 0 and n >= MIN_UNITS:
                self.error = np.sqrt(self.essays * (1 - self.shrinkage))
                self.half = t_critical(self.freedom, LEVEL) * np.sqrt(self._variance())

    def in_reach_of(self, first: int) -> np.ndarray:
        """Return for each essay whether it is not distinguishable from the first; all are if none differ (F test)."""
        n = len(self.adjusted)
        ratio = max(0.0, self.within_judges / self.opinion - self.freedom) / (n - 1)
        if f_p_value(ratio, n - 1, self.freedom) >= DIFFERENT:
            return np.ones(n, dtype=bool)
        error = np.sqrt(self.opinion * (1 / self.judges + 1 / self.judges[first]))
        behind = self.adjusted[first] - self.adjusted
        return np.asarray(np.abs(behind) <= t_critical(self.freedom, LEVEL) * error)

    def _variance(self) -> np.ndarray:
        n, away = len(self.adjusted), self.adjusted - self.mean
        of_mean = self.adjusted.var(ddof=1) / n + away**2 * (2 / max(1, n - 3) + 2 / self.freedom)
        return np.asarray(self.error**2 + self.shrinkage**2 * self.columns + (1 - self.shrinkage) ** 2 * of_mean)


def adjusted_scores(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the leaderboard: one row per essay (`COLUMNS`), in points of 9, best first.

    Args:
        frame: scores as `frame.tidy` gives them; those of one rubric, if essays are to be ranked by it.

    Returns:
        Rows by component (the one with most essays is 1), rank and essay. Essays of different components
        share no judge and rubric, directly or through others: their figures cannot be compared, and ranks
        count within a component. Ties share a rank. `raw_mean` is the plain mean of the essay's scores;
        `top_group` ``true`` or ``false``, empty without an interval; `judges` and `rubrics` are who judged
        the essay, and by what, joined by blanks.
    """
    if frame.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    essay, essays = numbered(frame, [ESSAY])
    judge, judges = numbered(frame, [JUDGE])
    score = frame["score"].to_numpy()
    column, columns = numbered(frame, [JUDGE, RUBRIC])
    component_of, effects, residual = _fit(score, essay, essays, column, columns)
    opinion, opinions = _dense_pairs(essay, judge, judges)
    of_pair = means(score - effects[column], opinion, len(opinions))
    pair_essay, pair_judge = opinions // judges, opinions % judges
    counts = np.bincount(pair_essay, minlength=essays)
    adjusted = means(of_pair, pair_essay, essays)
    away = np.bincount(pair_essay, weights=(of_pair - adjusted[pair_essay]) ** 2, minlength=essays)
    # a judge's essays are all of one component
    from_judge = of_pair - means(of_pair, pair_judge, judges)[pair_judge]
    weight = 1 / (np.bincount(opinion)[opinion] * counts[essay])
    spread = _spread_of_columns(weight, essay, essays, column, columns)
    squares = np.bincount(essay, weights=residual**2, minlength=essays)

    table = _described(frame, essay, essays)
    table["adjusted_mean"], table["n_judges"] = POINTS * adjusted, counts
    parts = []
    sizes = np.bincount(component_of)
    for place, number in enumerate(np.argsort(-sizes, kind="stable"), start=1):
        own = np.flatnonzero(component_of == number)
        given = component_of[pair_essay] == number
        own_judges = len(np.unique(pair_judge[given]))
        within_judges = float((from_judge[given] ** 2).sum())
        freedom = int((counts[own] - 1).sum()) - (own_judges - 1)
        opinion_variance = float(away[own].sum() / freedom) if freedom >= 1 else np.nan
        in_own = component_of[essay] == number
        left = int(in_own.sum()) - len(own) - len(np.unique(column[in_own])) + 1
        score_variance = float(squares[own].sum() / left) if left >= 1 else opinion_variance
        of_columns = score_variance * spread[own]
        found = _Component(adjusted[own], counts[own], opinion_variance, freedom, of_columns, within_judges)
        parts.append(_ranked(table.iloc[own].assign(component=place), found))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def _fit(
    score: np.ndarray, essay: np.ndarray, essays: int, column: np.ndarray, columns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the component of each essay, the effect of each column, and what is left of each score."""
    rows = np.arange(len(score))
    design = sparse.csr_matrix(
        (np.ones(2 * len(score)), (np.r_[rows, rows], np.r_[essay, essays + column])),
        shape=(len(score), essays + columns),
    )
    links = sparse.coo_matrix(
        (np.ones(len(score)), (essay, essays + column)), shape=(essays + columns, essays + columns)
    )
    _, component = connected_components(links, directed=False)
    # conlim=0: one level per component is free, which lsqr would take for bad conditioning
    solution = lsqr(design, score, atol=TOLERANCE, btol=TOLERANCE, conlim=0)[0]
    effect, own = solution[essays:], component[essays:]
    effect = effect - means(effect, own, int(component.max()) + 1)[own]
    return component[:essays], effect, score - design @ solution


def _spread_of_columns(
    weight: np.ndarray, essay: np.ndarray, essays: int, column: np.ndarray, columns: int
) -> np.ndarray:
    """Return the variance that estimated columns add to each essay's adjusted mean, for a residual variance of 1.

    `weight` is what each score has in its essay's adjusted mean. That the columns of a component have mean 0
    needs no care: the pseudo-inverse leaves their level out.
    """
    given = sparse.csr_matrix((np.ones(len(essay)), (essay, column)), shape=(essays, columns))
    shares = sparse.diags_array(1 / np.bincount(essay, minlength=essays)) @ given
    normal = np.diag(np.bincount(column, minlength=columns)) - (given.T @ shares).toarray()
    weights = sparse.csr_matrix((weight, (essay, column)), shape=(essays, columns))
    inverse = np.linalg.pinv(normal, rcond=NOTHING, hermitian=True)
    return np.asarray(weights.multiply(weights @ inverse).sum(axis=1)).reshape(-1)


def _dense_pairs(essay: np.ndarray, judge: np.ndarray, judges: int) -> tuple[np.ndarray, np.ndarray]:
    known, inverse = np.unique(essay * judges + judge, return_inverse=True)
    return inverse, known


def _described(frame: pd.DataFrame, essay: np.ndarray, essays: int) -> pd.DataFrame:
    first = np.zeros(essays, dtype="int64")
    first[essay[::-1]] = np.arange(len(frame) - 1, -1, -1)
    table = frame.iloc[first][[ESSAY, *CELL]].reset_index(drop=True)
    table["n_scores"] = np.bincount(essay, minlength=essays)
    table["raw_mean"] = POINTS * means(frame["score"].to_numpy(), essay, essays)
    for name, source in (("judges", JUDGE), ("rubrics", RUBRIC)):
        table[name] = _listed(frame[source], essay, essays)
    return table


def _listed(values: pd.Series, essay: np.ndarray, essays: int) -> list[str]:
    """Return the different values of each essay, sorted, joined by blanks."""
    code, levels = pd.factorize(values, sort=True)
    names = [str(level) for level in levels]
    found: list[list[str]] = [[] for _ in range(essays)]
    for pair in np.unique(essay * len(names) + code).tolist():
        found[pair // len(names)].append(names[pair % len(names)])
    return [" ".join(names) for names in found]


def _ranked(table: pd.DataFrame, found: _Component) -> pd.DataFrame:
    # rounded: essays with the same scores share a rank, whatever the last bits are
    rank = pd.Series(-np.round(found.estimate / NOTHING)).rank(method="min").to_numpy(dtype=int)
    low, high = _rank_interval(found)
    table = table.assign(
        rank=rank,
        estimate=POINTS * found.estimate,
        ci_low=POINTS * (found.estimate - found.half),
        ci_high=POINTS * (found.estimate + found.half),
        shrinkage=found.shrinkage,
        rank_low=low,
        rank_high=high,
        top_group="",
    )
    # among equal estimates the adjusted mean decides who is the first
    order = np.lexsort((table[ESSAY].to_numpy(dtype=str), -found.adjusted, rank))
    if not np.isnan(found.essays):
        first = order[0]
        table["top_group"] = np.where(found.in_reach_of(first), "true", "false")
    order = np.lexsort((table[ESSAY].to_numpy(dtype=str), rank))
    return table.iloc[order]


def _rank_interval(found: _Component) -> tuple[np.ndarray, np.ndarray]:
    n = len(found.estimate)
    if np.isnan(found.essays) or n < MIN_UNITS:
        return np.full(n, np.nan), np.full(n, np.nan)
    if found.essays == 0:
        return np.ones(n), np.full(n, float(n))
    rng = np.random.default_rng(SEED)
    draws = max(1000, min(DRAWS, MAX_DRAWN // n))
    ranks = np.empty((draws, n), dtype="uint16" if n < 65_000 else "uint32")
    places = np.arange(1, n + 1)
    for row in ranks:
        row[np.argsort(-(found.estimate + found.error * rng.standard_normal(n)))] = places
    low, high = int(draws * LEVEL / 2), int(np.ceil(draws * (1 - LEVEL / 2))) - 1
    bounds = np.empty((2, n))
    for start in range(0, n, 500):
        block = np.partition(ranks[:, start : start + 500], (low, high), axis=0)
        bounds[:, start : start + 500] = block[low], block[high]
    return bounds[0], bounds[1]
