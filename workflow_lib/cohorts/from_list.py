"""A cohort that holds exactly the essays of a list, and their evaluations."""

import itertools
from collections.abc import Iterable, Mapping, Sequence

import yaml

from .. import tables
from ..errors import StoreError
from ..files import read_recorded, write_text
from ..paths import DataRoot
from ..settings import Settings
from ..stages import JUDGED, JUDGING, PARENT_STAGE, STAGE
from . import expansion, membership, sources
from .authoring import expand_texts, new_cohort
from .membership import Entry, Membership, in_store

CELL_AXES = {stage.name: stage.columns if stage.parent else ("combo_id", *stage.columns) for stage in STAGE.values()}


def entries_of(settings: Settings, cohort_id: str, essays: Sequence[str]) -> list[Entry]:
    """Return the rows of a cohort that holds exactly these essays, their drafts and all their evaluations.

    Raises:
        MembershipError: an essay or its draft is not in the store, or its metadata.json is broken.
    """
    data = settings.data
    entries: dict[str, Entry] = {}
    for gen_id in essays:
        for entry in _lineage(data, JUDGED, gen_id, cohort_id):
            entries[entry.gen_id] = entry
    evaluations = []
    for gen_id in in_store(data, JUDGING):
        recorded = read_recorded(data.generation(JUDGING, gen_id).metadata)
        parent = entries.get(str(recorded.get("parent_gen_id")))
        if parent is not None:
            evaluation = membership.from_store(data, JUDGING, gen_id, cohort_id)
            evaluations.append(evaluation._replace(combo_id=parent.combo_id))
    place = {gen_id: index for index, gen_id in enumerate(essays)}
    evaluations.sort(key=lambda one: (place[one.parent_gen_id], one.template_id, one.llm_model_id, one.replicate))
    return Membership([*entries.values(), *evaluations]).entries


def _lineage(data: DataRoot, stage: str, gen_id: str, cohort_id: str) -> list[Entry]:
    entry = membership.from_store(data, stage, gen_id, cohort_id)
    if stage not in PARENT_STAGE:
        return [entry]
    chain = _lineage(data, PARENT_STAGE[stage], entry.parent_gen_id, cohort_id)
    return [*chain, membership.of_parent(entry, chain[-1])._replace(combo_id=chain[0].combo_id)]


def cohort_from(settings: Settings, cohort_id: str, essays: Sequence[str], origin: str) -> tuple[Membership, bool]:
    """Write a cohort that holds exactly these essays and their evaluations.

    Args:
        settings: settings of the run.
        cohort_id: name of the new cohort.
        essays: gen_ids.
        origin: where the list comes from, for the comment in the spec.

    Returns:
        Its membership, and whether a spec declares it. Generations that no spec gives back (ids of an older
        tool or of a cohort's own; evaluations of some of the essays only) get a membership.csv alone,
        which is used as it is.

    Raises:
        ConfigError: the name cannot be one, or is taken.
        MembershipError: the store lacks what the list names.
    """
    cohort = new_cohort(settings, cohort_id)
    wanted = Membership(entries_of(settings, cohort_id, essays))
    for essay_model, spec_of in itertools.product(("auto", "never"), (_crossed_spec_of, _spec_of)):
        texts = spec_of(wanted, essay_model, origin)
        if texts and _gives_back(settings, cohort_id, texts, wanted):
            for name, text in texts.items():
                write_text(cohort.spec / name, text)
            expanded = expansion.expand_source(settings, sources.resolve(settings, cohort_id))
            expansion.write(settings, expanded)
            return expanded.membership, True
    membership.check(wanted.entries, cohort.membership)
    tables.write(cohort.membership, membership.COLUMNS, (entry._asdict() for entry in wanted))
    return wanted, False


def _gives_back(settings: Settings, cohort_id: str, texts: Mapping[str, str], wanted: Membership) -> bool:
    try:
        expanded = expand_texts(settings, cohort_id, texts)
    except StoreError:
        return False
    return expanded.membership.by_id.keys() == wanted.by_id.keys()


def _crossed_spec_of(wanted: Membership, essay_model: str, origin: str) -> dict[str, str] | None:
    """Return the files of a spec with a list of essays, crossed with templates and judges.

    A further judge is one more word in it. None if there are no evaluations.
    """
    evaluations = wanted.stage(JUDGING)
    if not evaluations:
        return None
    axes = [axis for stage in _up_to(JUDGED) for axis in CELL_AXES[stage]]
    levels = zip(*((one.template_id, one.llm_model_id, str(one.replicate)) for one in evaluations), strict=True)
    crossed = {axis: list(dict.fromkeys(values)) for axis, values in zip(CELL_AXES[JUDGING], levels, strict=True)}
    return _spec_files(wanted, wanted.stage(JUDGED), "essays", axes, crossed, essay_model, origin)


def _spec_of(wanted: Membership, essay_model: str, origin: str) -> dict[str, str] | None:
    """Return the files of a spec that lists every cell, None if the essays do not end at one stage."""
    leaves = [entry for entry in wanted if wanted.is_last(entry)]
    stages = {entry.stage for entry in leaves}
    if len(stages) != 1:
        return None
    axes = [axis for stage, names in CELL_AXES.items() if stage in _up_to(*stages) for axis in names]
    return _spec_files(wanted, leaves, "cells", axes, {}, essay_model, origin)


def _spec_files(
    wanted: Membership,
    listed: Iterable[Entry],
    name: str,
    axes: Sequence[str],
    crossed: Mapping[str, list[str]],
    essay_model: str,
    origin: str,
) -> dict[str, str]:
    rows = [dict(zip(axes, _cells(wanted.lineage(one)), strict=True)) for one in listed]
    content: dict[str, object] = {"axes": dict(crossed)} if crossed else {}
    content |= {
        "rules": {"tuples": {name: {"axes": list(axes), "items": f"@file:items/{name}.csv"}}},
        "output": {"field_order": [*axes, *crossed]},
        "ids": {"scope": "content", "essay_model": essay_model},
    }
    head = f"# Exactly the essays that {origin} selected, and the evaluations that they had.\n"
    return {
        "config.yaml": head + yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=110),
        f"items/{name}.csv": tables.render(axes, rows),
    }


def _up_to(stage: str) -> list[str]:
    chain = [stage]
    while chain[0] in PARENT_STAGE:
        chain.insert(0, PARENT_STAGE[chain[0]])
    return chain


def _cells(lineage: Sequence[Entry]) -> list[object]:
    own = [[entry.template_id, entry.llm_model_id, entry.replicate] for entry in lineage]
    return [lineage[0].combo_id, *(cell for cells in own for cell in cells)]
