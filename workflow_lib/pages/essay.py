"""The page of one essay, or of a draft without essays: text, lineage, judgements, prompts, files."""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from .. import catalogs as catalogs_module
from ..catalogs import combos as combos_module
from ..files import read_recorded, sha256_text, write_text
from ..paths import Generation
from ..settings import Settings
from ..stages import JUDGED, JUDGING
from . import carried, html, texts
from .documents import FOLDERS, Document, Score, Store
from .numbers import Mean, mean_of

SHORTEST_ELISION = 200
"""Characters from which on a text that stands on the page already is left out of a prompt."""


class FileLink(NamedTuple):
    """A file of the store or a page as a page links it."""

    name: str
    href: str


@dataclass(frozen=True)
class Judgement:
    """One evaluation as the page shows it.

    Attributes:
        score: its row of the table.
        answer: the judge's full answer; None if there is none.
        message: why it failed, empty if it did not.
        other_text: whether it judged another text than the one that the page shows.
        links: files of the store.
    """

    score: Score
    answer: str | None
    message: str
    other_text: bool
    served: str
    links: list[FileLink]


@dataclass(frozen=True)
class Prompt:
    """A prompt, in parts: text, and None where a text stood that the page shows already."""

    label: str
    parts: list[str | None]
    elided: str
    links: list[FileLink]


class EssayPages:
    """Writes the pages of a cohort's documents; renders each draft and concept once."""

    def __init__(
        self,
        settings: Settings,
        cohort_id: str,
        store: Store,
        documents: Sequence[Document],
        concepts: Mapping[str, Sequence[str]],
        offline_models: Sequence[str],
        failures: Mapping[str, str],
    ):
        self._data = settings.data
        self._cohort = settings.data.cohort(cohort_id)
        self._store = store
        self._documents = documents
        self._concepts = concepts
        self._offline = frozenset(offline_models)
        # gen_id -> why it failed; a failure that something later has overtaken is not among them
        self._failures = failures
        self._catalogs = store.catalogs
        self._rendered: dict[str, Markup] = {}
        self.bodies: dict[str, Markup] = {}
        self._combos: dict[str, list[tuple[str, str]]] = {}

    def write(self, folder: Path) -> Iterator[Path]:
        """Write a page per document below a folder; yields their paths, and leaves the texts' markup in `bodies`."""
        for place, document in enumerate(self._documents):
            path = folder / document.href
            write_text(path, self._page(place, document, path))
            yield path

    def _page(self, place: int, document: Document, page: Path) -> str:
        is_essay = document.entry.stage == JUDGED
        template = self._catalogs.templates[document.entry.stage].get(document.entry.template_id)
        copies = is_essay and template is not None and template.copies
        recorded = self._store.recorded(document.entry)
        draft = self._store.used(document.draft, recorded) if is_essay and not copies else None
        judgements = [self._judgement(score, document, page) for score in document.scores]
        files = self._data.generation(document.entry.stage, document.gen_id)
        if document.text is not None:
            self.bodies[document.gen_id] = texts.markdown(document.text, below=2)
        return html.render(
            "essay.html.j2",
            scripts=("essay.js",),
            cohort_id=self._cohort.cohort_id,
            is_offline=document.entry.llm_model_id in self._offline or document.draft.llm_model_id in self._offline,
            offline=self._offline,
            document=document,
            place=place + 1,
            total=len(self._documents),
            previous=self._neighbour(place - 1, page),
            next=self._neighbour(place + 1, page),
            body=self.bodies.get(document.gen_id),
            draft_text=draft,
            draft_body=self._draft_body(draft.text) if draft and draft.text is not None else None,
            draft_title=texts.first_words(draft.text or "") if draft else "",
            copies=copies,
            concepts=self._concept_texts(document.entry.combo_id),
            failure=self._failures.get(document.gen_id) or self._failures.get(document.draft.gen_id, ""),
            judgements=judgements,
            by_template=_by_template(judgements),
            matrix=_matrix(document.scores),
            prompts=list(self._prompts(document, judgements, page)),
            files=self._links(files, page),
            draft_files=self._links(self._draft_files(document), page) if is_essay else [],
            adjusted_link=self._table(self._cohort.analysis("adjusted_scores"), page),
            scores_link=self._table(self._cohort.aggregated_scores, page),
            costs_link=self._table(self._cohort.summary("costs"), page),
        )

    def _table(self, path: Path, page: Path) -> str:
        return html.link(carried.place(self._cohort.page, path), page)

    def _draft_files(self, document: Document) -> Generation:
        return self._data.generation(document.draft.stage, document.draft.gen_id)

    def _neighbour(self, place: int, page: Path) -> FileLink | None:
        if not 0 <= place < len(self._documents):
            return None
        other = self._documents[place]
        target = page.parent.parent / FOLDERS[other.entry.stage] / f"{other.gen_id}.html"
        return FileLink(other.title, html.link(target, page))

    def _draft_body(self, text: str) -> Markup:
        key = sha256_text(text)
        if key not in self._rendered:
            self._rendered[key] = texts.markdown(text, below=2)
        return self._rendered[key]

    def _concept_texts(self, combo_id: str) -> list[tuple[str, str]]:
        if combo_id not in self._combos:
            combo = combos_module.load(self._data).get(combo_id)
            known = [self._catalogs.concepts.get(name) for name in combo.concept_ids] if combo else []
            self._combos[combo_id] = [
                (concept.name, catalogs_module.concept_text(self._data, combo.level, concept))
                for concept in known
                if combo and concept
            ] or [(name, "") for name in self._concepts[combo_id]]
        return self._combos[combo_id]

    def _judgement(self, score: Score, document: Document, page: Path) -> Judgement:
        files = self._data.generation(JUDGING, score.gen_id)
        recorded = read_recorded(files.raw_metadata)
        other = False
        if document.text is not None and score.stale == "true":
            used = recorded.get("parent_sha256")
            other = bool(used) and used != sha256_text(document.text)
        served, asked = recorded.get("served_model"), recorded.get("model")
        return Judgement(
            score,
            texts.read(files.raw),
            self._failures.get(score.gen_id, "") if score.score is None else "",
            other,
            str(served) if served and served != asked else "",
            self._links(files, page),
        )

    def _prompts(self, document: Document, judgements: Sequence[Judgement], page: Path) -> Iterator[Prompt]:
        entry, draft = document.entry, document.draft
        draft_text = None
        if entry.stage == JUDGED:
            draft_files = self._draft_files(document)
            yield from self._prompt(f"{draft.stage.capitalize()} prompt", [draft_files], None, "", page)
            draft_text = self._store.used(draft, self._store.recorded(entry)).text
        own = self._data.generation(entry.stage, entry.gen_id)
        yield from self._prompt(f"{entry.stage.capitalize()} prompt", [own], draft_text, draft.stage, page)
        same: dict[str, list[Judgement]] = defaultdict(list)
        for judgement in judgements:
            text = texts.read(self._data.generation(JUDGING, judgement.score.gen_id).prompt)
            if text:
                same[text].append(judgement)
        for group in same.values():
            judges = ", ".join(dict.fromkeys(judgement.score.judge for judgement in group))
            label = f"Evaluation prompt: {group[0].score.template}, to {judges}"
            files = [self._data.generation(JUDGING, judgement.score.gen_id) for judgement in group]
            yield from self._prompt(label, files, document.text, entry.stage, page)

    def _prompt(
        self, label: str, files: Sequence[Generation], shown: str | None, elided: str, page: Path
    ) -> Iterator[Prompt]:
        text = texts.read(files[0].prompt)
        if not text:
            return
        parts: list[str | None] = [text]
        if shown and len(shown) >= SHORTEST_ELISION and shown in text:
            before, _, after = text.partition(shown)
            parts = [before, None, after]
        links = [FileLink(one.gen_id, html.link(one.prompt, page)) for one in files if one.prompt.exists()]
        yield Prompt(label, parts, elided, links)

    def _links(self, files: Generation, page: Path) -> list[FileLink]:
        try:
            names = os.listdir(files.folder)
        except OSError:
            return []
        found = (files.raw, files.parsed, files.prompt, files.system, files.metadata, files.raw_metadata)
        return [FileLink(path.name, html.link(path, page)) for path in found if path.name in names]


def _by_template(judgements: Sequence[Judgement]) -> list[tuple[str, list[Judgement]]]:
    groups: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        groups[judgement.score.template].append(judgement)
    return list(groups.items())


def _matrix(scores: Sequence[Score]) -> tuple[list[str], list[tuple[str, list[Mean]]]]:
    """Return judges, and per evaluation template the mean score of each judge."""
    judges = sorted({score.judge for score in scores})
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for score in scores:
        if score.score is not None and score.points is not None:
            values[score.template, score.judge].append(score.score)
    templates = sorted({score.template for score in scores})
    return judges, [(name, [mean_of(values[name, judge]) for judge in judges]) for name in templates]
