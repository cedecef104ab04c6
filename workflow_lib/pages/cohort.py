"""All pages of a cohort."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import catalogs as catalogs_module
from ..catalogs import Catalogs
from ..catalogs import combos as combos_module
from ..cohorts.membership import Membership
from ..files import read_recorded, write_text
from ..settings import Settings
from ..stages import JUDGED, STAGES
from . import carried, charts, findings, html, overview, reports, search, texts
from .documents import FOLDERS, Document, Store, collect, scales_of
from .essay import EssayPages
from .overview import distinct


def write(settings: Settings, cohort_id: str, membership: Membership) -> Path:
    """Write all pages of a cohort; see `pages.write_cohort`."""
    cohort = settings.data.cohort(cohort_id)
    folder = cohort.page.parent
    tables = reports.read(cohort)
    catalogs = catalogs_module.load(settings.data)
    store = Store(settings.data, catalogs)
    scales = scales_of(catalogs, tables.scores)
    documents = collect(store, membership, tables, scales)
    state = overview.state_of(settings, membership, catalogs)
    concepts = concept_names(settings, catalogs, {document.entry.combo_id for document in documents})
    plots = charts.of(tables, documents)

    failed = {row["gen_id"]: f"{row['reason']}: {row['message']}" for row in tables.failures}
    essays = EssayPages(settings, cohort_id, store, documents, concepts, state.offline_models, failed)
    written = set(essays.write(folder))
    drawn = {f"{name}.svg": charts.standalone(plot) for name, plot in plots.items() if plot is not None}
    for path in cohort.figures:
        # every figure is there, also without a score: outputs of a rule have to exist
        write_text(path, drawn.get(path.name, charts.NOTHING))
        written.add(path)
    _remove_others(folder, written)
    carried.copy(cohort.page, carried.of_cohort(cohort, tables.files))

    def table(path: Path) -> str:
        return html.link(carried.place(cohort.page, path), cohort.page)

    common: dict[str, Any] = {"cohort_id": cohort_id, "is_offline": bool(state.offline_models)}
    write_text(folder / "compare.html", _compare(documents, common))
    manifest = read_recorded(cohort.manifest)
    page = html.render(
        "index.html.j2",
        scripts=("search.js", "app.js"),
        **common,
        notes=manifest.get("notes") or "",
        experiment_id=manifest.get("experiment_id") or "",
        state=state,
        findings=findings.of(tables, {document.gen_id: (document.href, document.title) for document in documents}),
        completeness=tables.completeness,
        failures=tables.failures,
        documents=documents,
        essays=sum(document.entry.stage == JUDGED for document in documents),
        has_scores=any(document.mean.n for document in documents),
        judged_by=_judged_by(documents),
        components=len({document.adjusted.component for document in documents if document.adjusted}),
        concepts=concepts,
        ingredients=_ingredients(membership, catalogs),
        plots=plots,
        next_steps=tables.analysis("next_steps"),
        agreement=charts.agreement_matrices(tables.analysis("judge_agreement")),
        tables=[(table(path), path.stem, path.parent.name) for path in tables.files],
        table_links={path.stem: table(path) for path in tables.files},
        membership_link=table(cohort.membership),
        manifest_link=table(cohort.manifest) if cohort.manifest.exists() else "",
        data=html.json_data(page_data(cohort_id, documents, concepts, scales, state.offline_models)),
        index=html.json_data(search.build([document.text or "" for document in documents])),
    )
    write_text(cohort.page, page)
    return cohort.page


def concept_names(settings: Settings, catalogs: Catalogs, combo_ids: Iterable[str]) -> dict[str, list[str]]:
    """Return combo -> names of its concepts in the order of rendering; its own id where it is not registered."""
    known = combos_module.load(settings.data)
    names = {}
    for combo_id in sorted(combo_ids):
        ids = known[combo_id].concept_ids if combo_id in known else ()
        names[combo_id] = [
            catalogs.concepts[concept].name if concept in catalogs.concepts else concept for concept in ids
        ] or [combo_id]
    return names


def page_data(
    cohort_id: str,
    documents: Sequence[Document],
    concepts: Mapping[str, Sequence[str]],
    scales: Mapping[str, float],
    offline_models: Sequence[str],
) -> dict[str, Any]:
    """Return what the page's script works on: lists in the order of `documents`, names as numbers.

    ``levels`` has the names of each factor; ``documents`` has a list per property, factors as positions in
    their level lists (-1 for none); ``scores`` has a flat list per document: column, score, column, score...,
    where a column is a pair (judge, evaluation template) of ``columns``; -1 as score means that there is none.
    """
    scores = [score for document in documents for score in document.scores]
    values = {
        "combo": [document.entry.combo_id for document in documents],
        "draft_template": [document.draft.template_id for document in documents],
        "essay_template": [_essay_value(document, document.entry.template_id) for document in documents],
        "draft_model": [document.draft.llm_model_id for document in documents],
        "model": [document.entry.llm_model_id or document.draft.llm_model_id for document in documents],
    }
    levels = {factor: distinct(found) for factor, found in values.items()}
    levels["judge"] = distinct(score.judge for score in scores)
    levels["evaluation_template"] = distinct(score.template for score in scores)
    place = {factor: {name: number for number, name in enumerate(names)} for factor, names in levels.items()}
    columns = sorted({(place["judge"][score.judge], place["evaluation_template"][score.template]) for score in scores})
    column = {pair: number for number, pair in enumerate(columns)}
    return {
        "cohort": cohort_id,
        "levels": levels,
        "concepts": [list(concepts[combo_id]) for combo_id in levels["combo"]],
        "offline": list(offline_models),
        "scale_max": [scales[name] for name in levels["evaluation_template"]],
        "columns": columns,
        "documents": {
            "gen_id": [document.gen_id for document in documents],
            "folder": [FOLDERS[document.entry.stage] for document in documents],
            "title": [document.title for document in documents],
            "excerpt": [texts.excerpt(document.text or "", document.title) for document in documents],
            "replicate": [document.entry.replicate for document in documents],
            "draft_replicate": [document.draft.replicate for document in documents],
            "cost": [document.cost_usd for document in documents],
            "adjusted": [_adjusted(document) for document in documents],
            "stale": [int(document.stale_lineage == "true") for document in documents],
            **{factor: [place[factor].get(name, -1) for name in found] for factor, found in values.items()},
        },
        "scores": [
            [
                number
                for score in document.scores
                for number in (
                    column[place["judge"][score.judge], place["evaluation_template"][score.template]],
                    -1 if score.score is None or score.points is None else _plain(score.score),
                )
            ]
            for document in documents
        ],
    }


def _adjusted(document: Document) -> list[float | int | None] | None:
    """Return estimate, ends of its interval, rank, ends of its interval, and component."""
    found = document.adjusted
    if found is None:
        return None
    scores = [_rounded(value, 3) for value in (found.estimate, found.low, found.high)]
    return [*scores, found.rank, found.rank_low, found.rank_high, found.component]


def _essay_value(document: Document, value: str) -> str:
    return value if document.entry.stage == JUDGED else ""


def _plain(score: float) -> float | int:
    # fewer bytes, same value: 7 for 7.0
    return int(score) if score == int(score) else score


def _ingredients(membership: Membership, catalogs: Catalogs) -> list[tuple[str, list[str], list[str], int]]:
    """Return (stage, templates, models, most replicates) for each stage that the cohort has."""
    found = []
    for stage in STAGES:
        entries = membership.stage(stage)
        if entries:
            found.append(
                (
                    stage,
                    list(distinct(entry.template_id for entry in entries)),
                    list(distinct(entry.llm_model_id for entry in entries)),
                    max(entry.replicate for entry in entries),
                )
            )
    return found


def _judged_by(documents: Sequence[Document]) -> list[tuple[str, int]]:
    """Return (judges and templates, how many essays) where not all essays had the same, else []."""
    counts = Counter(document.adjusted.who for document in documents if document.adjusted)
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])) if len(counts) > 1 else []


def _compare(documents: Sequence[Document], common: Mapping[str, Any]) -> str:
    listed = [
        [document.gen_id, FOLDERS[document.entry.stage], document.title, _rounded(document.mean.mean)]
        for document in documents
    ]
    return html.render("compare.html.j2", scripts=("compare.js",), frames=True, **common, data=html.json_data(listed))


def _rounded(value: float | None, decimals: int = 2) -> float | None:
    return None if value is None else round(value, decimals)


def _remove_others(folder: Path, written: set[Path]) -> None:
    """Remove pages and plots of earlier runs that this one did not write."""
    for name in (*FOLDERS.values(), "plots"):
        for path in sorted((folder / name).glob("*.*")):
            if path.suffix in (".html", ".svg") and path not in written:
                path.unlink()
