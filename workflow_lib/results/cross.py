"""Tables over the whole store, or over some of its cohorts."""

import os

import pandas as pd

from ..cohorts import membership
from ..generations.state import States
from ..settings import Settings, split_names
from ..stages import JUDGING
from . import coverage, scores, summary
from .reports import write_frame

ESSAY = (
    "parent_gen_id",
    *summary.CELL,
    "draft_gen_id",
    "draft_replicate",
    "essay_replicate",
    "generation_response_path",
)
VERSION = (*summary.CELL, "evaluation_llm_model")


def write(settings: Settings) -> frozenset[str]:
    """Write the three tables and return the gen_ids of the evaluations whose scores count (`coverage.counted`).

    Means in the second and third table are over these only.
    aggregated_scores.csv has every evaluation of the store, with the columns of a cohort's table;
    evaluation_scores_by_template_model.csv a row per essay with each ``<judge>_<template>`` (mean) and its
    ``_n``; template_version_comparison_pivot.csv a row per cell and judge, and each evaluation template
    (mean) with its ``_n``. `cross_cohort` limits all of them to the evaluations of these cohorts.

    Raises:
        MembershipError: a cohort of `cross_cohort` has no membership.csv, or one that cannot be read.
    """
    states = States(settings)
    judgements = scores.of_store(settings, evaluations(settings), states)
    table = scores.frame(judgements)
    counted = coverage.counted(table, coverage.outcomes(states, judgements))
    aggregated, essays, versions = settings.data.cross_tables
    write_frame(aggregated, table)
    write_frame(essays, by_essay(counted))
    write_frame(versions, by_template_version(counted))
    return frozenset(counted.loc[counted["score"].notna(), "gen_id"])


def evaluations(settings: Settings) -> list[str]:
    """Return the evaluations of the store, those of `cross_cohort` if it is set, sorted by gen_id."""
    try:
        with os.scandir(settings.data.gens / JUDGING) as folders:
            stored = {folder.name for folder in folders if folder.is_dir() and not folder.name.startswith(".")}
    except FileNotFoundError:
        stored = set()
    cohorts = split_names(settings.cross_cohort)
    if cohorts:
        entries = (entry for name in cohorts for entry in membership.read(settings.data, name).stage(JUDGING))
        stored &= {entry.gen_id for entry in entries}
    return sorted(stored)


def by_essay(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per essay with the mean and n of each judge and evaluation template."""
    # an essay without its draft has no replicate number; it still is a row
    known = table.astype({name: "string" for name in ("draft_replicate", "essay_replicate")}).fillna(
        {"draft_replicate": "", "essay_replicate": ""}
    )
    return summary.spread(known, ESSAY, summary.JUDGE, summary.judge_columns(table), ("mean", "n"))[0]


def by_template_version(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per cell and judge with the mean and n of each evaluation template."""
    names: dict[tuple[str, ...], str] = {
        (template,): template for template in sorted(set(table["evaluation_template"]))
    }
    return summary.spread(table, VERSION, ("evaluation_template",), names, ("mean", "n"))[0]
