"""Choosing essays by their scores: rankings, candidate lists, cohorts made of them [SPEC 10]."""

import itertools
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import yaml

from .. import catalogs as catalogs_module
from .. import cohorts, tables
from ..cohorts import membership
from ..cohorts.membership import Entry, Membership
from ..errors import ConfigError, DayDreamError, MembershipError, StoreError, nearest
from ..files import read_recorded, read_text, write_text
from ..paths import PARENT_STAGE, Cohort, DataRoot, is_safe_id
from ..settings import Settings

if TYPE_CHECKING:
    from ..results.scores import Judgement

CANDIDATES = "top_essay_candidates.csv"
SELECTED_ESSAYS = "selected_essays.txt"
CANDIDATE_COLUMNS = (
    "selected",
    "gen_id",
    "score",
    "judges",
    "evaluations",
    "combo_id",
    "draft_template",
    "draft_model",
    "generation_template",
    "generation_model",
    "generation_response_path",
)
YES = ("true", "1", "yes", "y", "x")
CELL_AXES = {
    "draft": ("combo_id", "draft_template", "draft_llm", "draft_replicate"),
    "essay": ("essay_template", "essay_llm", "essay_replicate"),
    "evaluation": ("evaluation_template", "evaluation_llm", "evaluation_replicate"),
}


@dataclass(frozen=True)
class Ranked:
    """One essay with a score.

    Attributes:
        gen_id: of the essay.
        essay, draft: as membership or the store tells; None where the chain is broken.
        score: the mean that it is ranked by.
        by_judge: judge -> what of its scores counts.
        evaluations: how many scores there are.
    """

    gen_id: str
    essay: Entry | None
    draft: Entry | None
    score: float
    by_judge: Mapping[str, float]
    evaluations: int


@dataclass(frozen=True)
class Promising:
    """One essay that ranks high by one template, and how it stands with another; None if not scored."""

    ranked: Ranked
    target_score: float | None


def judgements(settings: Settings, within: Membership | None) -> list["Judgement"]:
    """Return the evaluations of a cohort, or of the whole store."""
    # pandas comes with it, which takes longer to load than most commands run
    from ..results import scores

    if within is not None:
        return scores.of_cohort(settings, within)
    return scores.of_store(settings, in_store(settings.data, "evaluation"))


def in_store(data: DataRoot, stage: str) -> list[str]:
    """Return the gen_ids of a stage that the store has a folder for, sorted."""
    folder = data.gens / stage
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if is_safe_id(path.name) and path.is_dir())


def top(found: Iterable["Judgement"], template: str | None = None, judges: Sequence[str] = ()) -> list[Ranked]:
    """Return essays by the mean of all their scores, best first, ties by gen_id.

    Args:
        found: evaluations.
        template: evaluation template that counts; None for all.
        judges: model ids that count; empty for all.
    """
    return _rank(found, template, judges, _plain_mean)


def best(found: Iterable["Judgement"], template: str, judges: Sequence[str] = ()) -> list[Ranked]:
    """Return essays by one template: each judge's best score, averaged over judges; best first.

    Args:
        found: evaluations.
        template: evaluation template.
        judges: model ids that count; empty for all.
    """
    return _rank(found, template, judges, _mean_of_best)


def check_names(
    settings: Settings, found: Iterable["Judgement"], template: str | None, judges: Sequence[str] = ()
) -> None:
    """Raise ConfigError for an evaluation template or judge that neither a catalog nor an evaluation names."""
    catalogs = catalogs_module.load(settings.data)
    found = list(found)
    templates = {*catalogs.templates["evaluation"], *(one.evaluation.template_id for one in found)}
    if template is not None and template not in templates:
        raise ConfigError(f"unknown evaluation template '{template}'", nearest(template, templates))
    models = {*catalogs.models, *(one.evaluation.llm_model_id for one in found)}
    for judge in judges:
        if judge not in models:
            raise ConfigError(f"unknown judge '{judge}'", nearest(judge, models))


def within_span(ranked: Sequence[Ranked], span: float) -> list[Ranked]:
    """Return those whose score is at most `span` below the best one; 0 keeps the best alone, with ties."""
    # the scores are means: what is equal on paper may differ in the last bit
    return [one for one in ranked if one.score >= ranked[0].score - span - 1e-9]


def promising(found: Iterable["Judgement"], baseline: str, target: str, judges: Sequence[str] = ()) -> list[Promising]:
    """Return essays ranked by the template `baseline`, each with its score by `target`, if it has one."""
    found = list(found)
    known = {one.gen_id: one.score for one in best(found, target, judges)}
    return [Promising(one, known.get(one.gen_id)) for one in best(found, baseline, judges)]


def write_candidates(path: Path, data: DataRoot, ranked: Iterable[Ranked], *, overwrite: bool) -> None:
    """Write a list of candidates for people to edit: all are selected to begin with.

    Raises:
        DayDreamError: the file exists and may not be overwritten; it may have been edited by hand.
    """
    if path.exists() and not overwrite:
        raise DayDreamError(
            f"{path}: exists, and may have been edited by hand", "--overwrite replaces it, --out writes elsewhere"
        )
    tables.write(path, CANDIDATE_COLUMNS, (_candidate(data, one) for one in ranked))


def write_selection(path: Path, gen_ids: Iterable[str], directives: Sequence[str] = (), *, overwrite: bool) -> None:
    """Write a selection file: directives first, then one gen_id per line [SPEC 4.4].

    Raises:
        DayDreamError: the file exists and may not be overwritten.
    """
    if path.exists() and not overwrite:
        raise DayDreamError(f"{path}: exists, and may have been edited by hand", "--overwrite replaces it")
    lines = [*(f"# {directive}" for directive in directives), *gen_ids]
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_candidates(path: Path) -> list[str]:
    """Return the essays that a candidate list (.csv, column `selected`) or a selection (.txt) names, in order.

    Raises:
        MembershipError: no such file, no essay selected, or an id that cannot be one.
    """
    if path.suffix == ".txt":
        gen_ids = _lines(path)
    else:
        rows = tables.read_rows(path, ("selected", "gen_id"), MembershipError)
        gen_ids = [row["gen_id"] for row in rows if row["selected"].lower() in YES]
    for gen_id in gen_ids:
        if not is_safe_id(gen_id):
            raise MembershipError(path, gen_id, "cannot be a gen_id")
    if not gen_ids:
        raise MembershipError(path, "", "no essay is selected", "set `selected` to true for those that you want")
    return list(dict.fromkeys(gen_ids))


def _lines(path: Path) -> list[str]:
    try:
        lines = read_text(path).splitlines()
    except FileNotFoundError:
        raise MembershipError(path, "", "no such file") from None
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def entries_of(settings: Settings, cohort_id: str, essays: Sequence[str]) -> list[Entry]:
    """Return the rows of a cohort that holds exactly these essays, their drafts and all their evaluations.

    Raises:
        MembershipError: an essay or its draft is not in the store, or its metadata.json is broken.
    """
    data = settings.data
    entries: dict[str, Entry] = {}
    for gen_id in essays:
        essay = membership.from_store(data, "essay", gen_id, cohort_id)
        draft = membership.from_store(data, "draft", essay.parent_gen_id, cohort_id)
        entries[draft.gen_id] = draft
        model = essay.llm_model_id or draft.llm_model_id
        entries[gen_id] = essay._replace(combo_id=draft.combo_id, llm_model_id=model)
    evaluations = []
    for gen_id in in_store(data, "evaluation"):
        recorded = read_recorded(data.generation("evaluation", gen_id).metadata)
        parent = entries.get(str(recorded.get("parent_gen_id")))
        if parent is not None:
            evaluation = membership.from_store(data, "evaluation", gen_id, cohort_id)
            evaluations.append(evaluation._replace(combo_id=parent.combo_id))
    place = {gen_id: index for index, gen_id in enumerate(essays)}
    evaluations.sort(key=lambda one: (place[one.parent_gen_id], one.template_id, one.llm_model_id, one.replicate))
    return Membership([*entries.values(), *evaluations]).entries


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
            expansion = cohorts.expand_source(settings, cohorts.resolve(settings, cohort_id))
            cohorts.write(settings, expansion)
            return expansion.membership, True
    membership.check(wanted.entries, cohort.membership)
    tables.write(cohort.membership, membership.COLUMNS, (entry._asdict() for entry in wanted))
    return wanted, False


def new_cohort(settings: Settings, cohort_id: str) -> Cohort:
    """Return the files of a cohort that is about to be declared.

    Raises:
        ConfigError: the name cannot be one, or is taken.
    """
    if not is_safe_id(cohort_id) or cohort_id == cohorts.AUTO:
        raise ConfigError(
            f"'{cohort_id}' cannot be a cohort's name",
            "names are letters, digits, '.', '_' and '-', and begin with a letter or digit; `auto` is taken",
        )
    cohort = settings.data.cohort(cohort_id)
    if cohort.spec.exists() or cohort.membership.exists():
        raise ConfigError(f"{cohort.folder}: this cohort exists already", "choose another name, or edit its spec")
    return cohort


def expand_texts(settings: Settings, cohort_id: str, texts: Mapping[str, str]) -> cohorts.Expansion:
    """Return what a spec, given as file name -> text, would expand to; nothing is left on disk."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():
            write_text(Path(folder) / name, text)
        return cohorts.expand_source(settings, cohorts.spec_source(settings, cohort_id, Path(folder)))


def _gives_back(settings: Settings, cohort_id: str, texts: Mapping[str, str], wanted: Membership) -> bool:
    try:
        expansion = expand_texts(settings, cohort_id, texts)
    except StoreError:
        return False
    return expansion.membership.by_id.keys() == wanted.by_id.keys()


def _crossed_spec_of(wanted: Membership, essay_model: str, origin: str) -> dict[str, str] | None:
    """Return the files of a spec with a list of essays, crossed with templates and judges.

    A further judge is one more word in it. None if there are no evaluations.
    """
    evaluations = wanted.stage("evaluation")
    if not evaluations:
        return None
    axes = [*CELL_AXES["draft"], *CELL_AXES["essay"]]
    levels = zip(*((one.template_id, one.llm_model_id, str(one.replicate)) for one in evaluations), strict=True)
    crossed = {axis: list(dict.fromkeys(values)) for axis, values in zip(CELL_AXES["evaluation"], levels, strict=True)}
    return _spec_files(wanted, wanted.stage("essay"), "essays", axes, crossed, essay_model, origin)


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


def _rank(
    found: Iterable["Judgement"],
    template: str | None,
    judges: Sequence[str],
    score_of: Callable[[Mapping[str, list[float]]], tuple[float, Mapping[str, float]]],
) -> list[Ranked]:
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    lineage: dict[str, tuple[Entry | None, Entry | None]] = {}
    for one in found:
        evaluation = one.evaluation
        if one.score is None or template not in (None, evaluation.template_id):
            continue
        if judges and evaluation.llm_model_id not in judges:
            continue
        scores[evaluation.parent_gen_id][evaluation.llm_model_id].append(one.score)
        lineage[evaluation.parent_gen_id] = (one.essay, one.draft)
    ranked = [
        Ranked(gen_id, *lineage[gen_id], *score_of(own), sum(len(given) for given in own.values()))
        for gen_id, own in scores.items()
    ]
    return sorted(ranked, key=lambda one: (-one.score, one.gen_id))


def _plain_mean(given: Mapping[str, list[float]]) -> tuple[float, Mapping[str, float]]:
    every = [score for scores in given.values() for score in scores]
    return fmean(every), {judge: fmean(scores) for judge, scores in sorted(given.items())}


def _mean_of_best(given: Mapping[str, list[float]]) -> tuple[float, Mapping[str, float]]:
    highest = {judge: max(scores) for judge, scores in sorted(given.items())}
    return fmean(highest.values()), highest


def describe(one: Ranked) -> dict[str, str]:
    """Return combo, templates and models of an essay, empty where the chain is broken."""
    essay, draft = one.essay, one.draft
    return {
        "combo_id": draft.combo_id if draft else "",
        "draft_template": draft.template_id if draft else "",
        "draft_model": draft.llm_model_id if draft else "",
        "generation_template": essay.template_id if essay else "",
        "generation_model": (essay.llm_model_id if essay else "") or (draft.llm_model_id if draft else ""),
    }


def _candidate(data: DataRoot, one: Ranked) -> dict[str, object]:
    return {
        "selected": "true",
        "gen_id": one.gen_id,
        "score": f"{one.score:.2f}",
        "judges": len(one.by_judge),
        "evaluations": one.evaluations,
        **describe(one),
        "generation_response_path": data.generation("essay", one.gen_id).parsed.relative_to(data.root).as_posix(),
    }
