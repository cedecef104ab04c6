"""All pages of a cohort."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .. import catalogs as catalogs_module
from ..catalogs import Catalogs
from ..catalogs import combos as combos_module
from ..cohorts.membership import Membership
from ..files import read_recorded, write_text
from ..settings import Settings
from ..stages import JUDGED, STAGES
from . import carried, charts, compare, curves, explore, findings, html, overview, reports, search, way_up
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
    state = overview.state_of(tables.completeness)
    concepts = concept_names(settings, catalogs, {document.entry.combo_id for document in documents})
    links = {document.gen_id: (document.href, document.title) for document in documents}
    plots = charts.of(tables, documents, links, scales)

    failed = {row["gen_id"]: f"{row['reason']}: {row['message']}" for row in tables.failures}
    essays = EssayPages(settings, cohort_id, store, documents, concepts, state.offline_models, failed)
    written = set(essays.write(folder))
    for path in cohort.figures:
        # every figure is there, also without a score: outputs of a rule have to exist
        write_text(path, charts.file(plots.get(path.stem)))
        written.add(path)
    _remove_others(folder, written)
    carried.copy(cohort.page, carried.of_cohort(cohort, tables.files))

    def table(path: Path) -> str:
        return html.link(carried.place(cohort.page, path), cohort.page)

    common: dict[str, Any] = {"cohort_id": cohort_id, "is_offline": bool(state.offline_models)}
    data = html.json_data(explore.page_data(cohort_id, documents, concepts, scales, state.offline_models))
    named = {"scores_link": table(cohort.aggregated_scores), "adjusted_link": table(cohort.analysis("adjusted_scores"))}
    write_text(folder / "compare.html", compare.page(documents, data, common | named))
    write_text(folder / "search.html", search.page(store, documents, common))
    manifest = read_recorded(cohort.manifest)
    page = html.render(
        "index.html.j2",
        scripts=explore.SCRIPTS,
        styles=("explore.css",),
        borrows=True,
        **common,
        notes=manifest.get("notes") or "",
        experiment_id=manifest.get("experiment_id") or "",
        state=state,
        findings=findings.of(tables, links),
        completeness=tables.completeness,
        failures=tables.failures,
        documents=documents,
        essays=sum(document.entry.stage == JUDGED for document in documents),
        has_scores=any(document.mean.n for document in documents),
        scored_essays=sum(bool(document.mean.n) for document in documents),
        judged_by=_judged_by(documents),
        components=len({document.adjusted.component for document in documents if document.adjusted}),
        concepts=concepts,
        ingredients=_ingredients(membership, catalogs),
        plots=plots,
        next_steps=overview.steps(tables.analysis("next_steps")),
        efficient=curves.efficient(tables.analysis("level_means")),
        tables=[(table(path), path.stem, path.parent.name) for path in tables.files],
        table_links={path.stem: table(path) for path in tables.files},
        membership_link=table(cohort.membership),
        way_up=way_up.begins(settings.data),
        cross_link=html.link(settings.data.cross_page, cohort.page),
        manifest_link=table(cohort.manifest) if cohort.manifest.exists() else "",
        data=data,
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


def _remove_others(folder: Path, written: set[Path]) -> None:
    """Remove pages and plots of earlier runs that this one did not write."""
    for name in (*FOLDERS.values(), "plots"):
        for path in sorted((folder / name).glob("*.*")):
            if path.suffix in (".html", ".svg") and path not in written:
                path.unlink()
