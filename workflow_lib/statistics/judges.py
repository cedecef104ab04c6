"""What kind of judge each judge is: severity, use of the scale, consistency, and what dropping it would change."""

import numpy as np
import pandas as pd

from .agreement import pooled_ratings, replicate_alpha, replicate_noise
from .frame import ESSAY, JUDGE, NOTHING, RUBRIC, levels, means, numbered
from .ratings import POOLED, alpha, between_judges, severities
from .scale import POINTS

COLUMNS = (
    JUDGE,
    RUBRIC,
    "n_scores",
    "n_essays",
    "mean",
    "severity",
    "severity_low",
    "severity_high",
    "spread",
    "share_top",
    "share_bottom",
    "distinct_values",
    "replicate_sd",
    "replicate_alpha",
    "alpha",
    "alpha_without",
)


def judges(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per judge and rubric (``all``: over the rubrics), sorted (`COLUMNS`).

    Args:
        frame: scores as `frame.tidy` gives them.

    Returns:
        ====================== ===================================================================================
        mean                   of its scores, points of 9
        severity, _low, _high  how much more it gives than the mean judge on the same essays and rubrics, points
                               of 9 (`ratings.severities`; negative: stricter); the interval resamples essays,
                               from 20 on, and holds for essays like these
        spread                 standard deviation of its scores, points of 9; over all rubrics: within a rubric,
                               pooled
        share_top, _bottom     share of its scores that are the best, or 0, of their scale
        distinct_values        how many different scores it gives
        replicate_sd, _alpha   how it repeats itself, as in judge_agreement.csv
        alpha, alpha_without   Krippendorff's alpha of replicate means of all judges, and of the others; the
                               second is empty with fewer than two others
        ====================== ===================================================================================

        Judges and rubrics are fixed. Empty (NaN) where there is nothing to compute from.
    """
    names, rubrics = levels(frame, JUDGE), levels(frame, RUBRIC)
    rows = []
    for rubric in [*rubrics, *([POOLED] if len(rubrics) > 1 else [])]:
        part = frame if rubric == POOLED else frame[frame[RUBRIC] == rubric]
        found = severities(between_judges(part, names))
        agreed = pooled_ratings(part, names)
        together = alpha(agreed).value
        for number, name in enumerate(names):
            own = part[part[JUDGE] == name]
            if own.empty:
                continue
            others = [other for other in range(len(names)) if other != number]
            severity = found[number]
            rows.append(
                {
                    JUDGE: name,
                    RUBRIC: rubric,
                    **_use_of_scale(own),
                    "severity": POINTS * severity.value,
                    "severity_low": POINTS * severity.low,
                    "severity_high": POINTS * severity.high,
                    "alpha": together,
                    "alpha_without": alpha(agreed.of(others)).value,
                }
            )
    rows.sort(key=lambda row: (row[JUDGE], row[RUBRIC] == POOLED, row[RUBRIC]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _use_of_scale(own: pd.DataFrame) -> dict[str, object]:
    score = own["score"].to_numpy()
    rubric, rubrics = numbered(own, [RUBRIC])
    freedom = len(own) - rubrics
    away = score - means(score, rubric, rubrics)[rubric]
    noise = replicate_noise(own)
    agreed = replicate_alpha(own).value if noise.n else np.nan
    return {
        "n_scores": len(own),
        "n_essays": own[ESSAY].nunique(),
        "mean": POINTS * score.mean(),
        "spread": POINTS * float(np.sqrt((away**2).sum() / freedom)) if freedom else np.nan,
        "share_top": float((score >= 1 - NOTHING).mean()),
        "share_bottom": float((score <= NOTHING).mean()),
        "distinct_values": len(np.unique(np.round(score / NOTHING))),
        "replicate_sd": POINTS * noise.value,
        "replicate_alpha": agreed,
    }
