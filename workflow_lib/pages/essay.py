"""The page of one essay, or of a draft without essays: text, lineage, judgements, prompts, files."""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from .. import catalogs as catalogs_module
from .. import generations
from ..catalogs import combos as combos_module
from ..cohorts.membership import Entry
from ..errors import DayDreamError
from ..files import read_recorded, sha256_text, write_text
from ..paths import METADATA, PARSED, PROMPT, RAW, RAW_METADATA, SYSTEM, Generation
from ..settings import Settings
from ..stages import JUDGED, JUDGING, PARENT_STAGE
from . import carried, exchanges, html, judgements, texts, versions
from .documents import FOLDERS, Document, Score, Store
from .judgements import FileLink, Judgement
from .numbers import Mean, mean_of

SCRIPTS = ("lend.js", "dom.js", "words.js", "essay.js")
"""In the order in which they run."""
LINKED = (RAW, PARSED, PROMPT, SYSTEM, METADATA, RAW_METADATA)
"""Files of a generation that its text or judgement leads to."""
GIST = 110
"""Characters of a judgement's first line that are shown before it is opened."""
SHORTEST_ELISION = 200
"""Characters from which on a text that stands on the page already is left out of a prompt."""


@dataclass(frozen=True)
class Prompt:
    """A prompt.

    Attributes:
        parts: text, and None where a text stood that the page shows already.
        changes: how it differs from the one that would be sent today; empty if it does not, or that is unknown.
        exchange: the call that sent it, where the page shows it nowhere else.
    """

    label: str
    parts: list[str | None]
    elided: str
    links: list[FileLink]
    changes: list[versions.Part]
    exchange: exchanges.Exchange | None


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
        self._settings = settings
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
        self._combos: dict[str, list[tuple[str, str]]] = {}

    def write(self, folder: Path) -> Iterator[Path]:
        """Write a page per document below a folder; yields their paths."""
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
        judged = [self._judgement(score, document, page) for score in document.scores]
        files = self._data.generation(document.entry.stage, document.gen_id)
        return html.render(
            "essay.html.j2",
            scripts=SCRIPTS,
            styles=("essay.css",),
            cohort_id=self._cohort.cohort_id,
            is_offline=document.entry.llm_model_id in self._offline or document.draft.llm_model_id in self._offline,
            offline=self._offline,
            document=document,
            place=place + 1,
            total=len(self._documents),
            previous=self._neighbour(place - 1, page),
            next=self._neighbour(place + 1, page),
            body=None if document.text is None else texts.markdown(document.text, below=2),
            draft_text=draft,
            draft_body=self._draft_body(draft.text) if draft and draft.text is not None else None,
            draft_title=texts.first_words(draft.text or "") if draft else "",
            copies=copies,
            concepts=self._concept_texts(document.entry.combo_id),
            failure=self._failures.get(document.gen_id) or self._failures.get(document.draft.gen_id, ""),
            groups=judgements.grouped(judged),
            matrix=_matrix(document.scores),
            prompts=list(self._prompts(document, judged, page)),
            files=self._links(files, page),
            draft_files=self._links(self._draft_files(document), page) if is_essay else [],
            adjusted_link=self._table(self._cohort.analysis("adjusted_scores"), page),
            scores_link=self._table(self._cohort.aggregated_scores, page),
            costs_link=self._table(self._cohort.summary("text_costs"), page),
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
        answer = texts.read(files.raw)
        return Judgement(
            score,
            answer,
            texts.first_words(answer or "", GIST),
            self._failures.get(score.gen_id, "") if score.score is None else "",
            other,
            str(served) if served and served != asked else "",
            exchanges.of(files),
            self._links(files, page),
        )

    def _prompts(self, document: Document, judged: Sequence[Judgement], page: Path) -> Iterator[Prompt]:
        entry, draft = document.entry, document.draft
        may_differ = document.stale_lineage != "false"
        if entry.stage == JUDGED:
            yield from self._prompt(f"{draft.stage.capitalize()} prompt", [draft], None, page, may_differ)
            shown = self._store.used(draft, self._store.recorded(entry)).text
            yield from self._prompt(f"{entry.stage.capitalize()} prompt", [entry], shown, page, may_differ)
        else:
            yield from self._prompt(f"{entry.stage.capitalize()} prompt", [entry], None, page, may_differ)
        same: dict[str, list[Judgement]] = defaultdict(list)
        for judgement in judged:
            text = texts.read(self._data.generation(JUDGING, judgement.score.gen_id).prompt)
            if text:
                same[text].append(judgement)
        for group in same.values():
            judges = ", ".join(dict.fromkeys(judgement.score.judge for judgement in group))
            label = f"Evaluation prompt: {group[0].score.template}, to {judges}"
            entries = [self._entry_of(judgement.score, document) for judgement in group]
            differs = any(judgement.score.stale != "false" for judgement in group)
            yield from self._prompt(label, entries, document.text, page, differs)

    def _entry_of(self, score: Score, document: Document) -> Entry:
        above = document.entry
        return Entry(
            JUDGING, score.gen_id, "", above.gen_id, above.combo_id, score.template, score.judge, score.replicate
        )

    def _prompt(
        self, label: str, entries: Sequence[Entry], shown: str | None, page: Path, may_differ: bool
    ) -> Iterator[Prompt]:
        files = [self._data.generation(entry.stage, entry.gen_id) for entry in entries]
        text = texts.read(files[0].prompt)
        if not text:
            return
        links = [FileLink(one.gen_id, html.link(one.prompt, page)) for one in files if one.prompt.exists()]
        parent = PARENT_STAGE.get(entries[0].stage, "")
        exchange = exchanges.of(files[0]) if entries[0].stage != JUDGING else None
        changes = self._changes(entries[0], text, shown) if may_differ else []
        yield Prompt(label, _elided(text, shown), parent, links, changes, exchange)

    def _changes(self, entry: Entry, text: str, shown: str | None) -> list[versions.Part]:
        """Return how a prompt differs from the one of today, whatever has become of the text that stands in it."""
        try:
            today = generations.render(self._settings, entry).text
        except (DayDreamError, OSError):
            return []
        if today == text:
            return []
        present = None
        if entry.stage in PARENT_STAGE:
            present = texts.read(self._data.generation(PARENT_STAGE[entry.stage], entry.parent_gen_id).parsed)
        sign = f"[{PARENT_STAGE.get(entry.stage, '')}]"
        before = sign.join(part for part in _elided(text, shown, 1) if part is not None)
        after = sign.join(part for part in _elided(today, present, 1) if part is not None)
        return versions.difference(before, after)

    def _links(self, files: Generation, page: Path) -> list[FileLink]:
        try:
            names = os.listdir(files.folder)
        except OSError:
            return []
        way = html.link(files.folder, page)
        return [FileLink(name, f"{way}/{name}") for name in LINKED if name in names]


def _elided(text: str, shown: str | None, shortest: int = SHORTEST_ELISION) -> list[str | None]:
    """Return a text in parts, None for the text that the page shows already."""
    if shown and len(shown) >= shortest and shown in text:
        before, _, after = text.partition(shown)
        return [before, None, after]
    return [text]


def _matrix(scores: Sequence[Score]) -> tuple[list[str], list[tuple[str, list[Mean]]]]:
    """Return judges, and per evaluation template the mean score of each judge."""
    judges = sorted({score.judge for score in scores})
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for score in scores:
        if score.score is not None and score.points is not None:
            values[score.template, score.judge].append(score.score)
    templates = sorted({score.template for score in scores})
    return judges, [(name, [mean_of(values[name, judge]) for judge in judges]) for name in templates]
