"""Mean score by draft template and judge with 95 % intervals, from the table that `daydream export` writes.

Usage: python docs/examples/plot_export.py data/cohorts/NAME/export/evaluations.parquet scores.svg
(or evaluations.csv, or a .png or .pdf). Needs pandas, scipy and matplotlib.
"""

import sys
from pathlib import Path

import matplotlib
import numpy
import pandas
from scipy import stats

matplotlib.use("Agg")
# the same table gives the same file
matplotlib.rcParams.update({"svg.hashsalt": "daydreaming", "svg.fonttype": "none"})

import matplotlib.pyplot as plt  # noqa: E402


def means(table: pandas.DataFrame) -> pandas.DataFrame:
    """Return n, mean and half_width (of the 95 % interval) by draft_template and judge.

    Scores of one draft are not independent of each other: they are averaged first, n counts drafts.
    """
    scored = table[table["outcome"] == "scored"]
    by = ["draft_template", "evaluation_llm_model"]
    drafts = scored.groupby([*by, "draft_gen_id"])["score_normalised"].mean()
    found = drafts.groupby(level=by).agg(n="count", mean="mean", error="sem").reset_index()
    found["half_width"] = stats.t.ppf(0.975, (found["n"] - 1).clip(lower=1)) * found["error"]
    return found.rename(columns={"evaluation_llm_model": "judge"}).drop(columns="error")


def plot(found: pandas.DataFrame, title: str, path: Path) -> None:
    """Draw the means, a row per draft template and a colour per judge."""
    templates = sorted(found["draft_template"].unique(), reverse=True)
    judges = sorted(found["judge"].unique())
    figure, axes = plt.subplots(figsize=(8, 1.4 + 0.7 * len(templates)), layout="constrained")
    for judge, shift in zip(judges, numpy.linspace(0.18, -0.18, len(judges)) if len(judges) > 1 else [0], strict=True):
        own = found[found["judge"] == judge]
        at = [templates.index(name) + shift for name in own["draft_template"]]
        axes.errorbar(own["mean"], at, xerr=own["half_width"].fillna(0), fmt="o", capsize=3, label=judge)
    axes.set_yticks(range(len(templates)), templates)
    axes.set(xlim=(0, 1), xlabel="mean score as a share of the best, with 95 % interval", title=title)
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=min(4, len(judges)), frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main(source: Path, target: Path) -> None:
    """Read the table, draw the plot, print its numbers."""
    table = pandas.read_parquet(source) if source.suffix == ".parquet" else pandas.read_csv(source)
    found = means(table)
    offline = table["evaluation_llm_model_offline"].eq(True).any()
    plot(found, "Offline models: these scores mean nothing" if offline else "Scores by draft template", target)
    print(found.round(3).to_string(index=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
