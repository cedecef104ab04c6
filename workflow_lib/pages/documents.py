"""What a page shows of a cohort: its essays, and drafts that no essay was made of, with their scores."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from .. import parsers
from ..calls.attempts import ANSWER
from ..calls.journal import Journal
from ..catalogs import Catalogs
from ..cohorts.membership import Entry, Membership
from ..errors import DayDreamError
from ..files import read_recorded, sha256_text
from ..generations import normalised
from ..paths import DataRoot
from ..stages import FIRST, JUDGED, JUDGING, STAGE
from ..statistics.scale import MIN_UNITS, POINTS
from . import texts
from .numbers import Mean, mean_of
from .reports import Reports

FOLDERS = {stage: STAGE[stage].folder for stage in (JUDGED, FIRST)}


class Score(NamedTuple):
    """One row of aggregated_scores.csv.

    Attributes:
        score: None where the judge's answer gave none.
        points: the score in points of 9, as all means are; None if it does not count.
        error: why there is none.
        stale, stale_lineage: ``true``, ``false`` or ``unknown``, of the judgement itself and of its lineage.
        cost_usd: of the answer; None where unknown.
    """

    gen_id: str
    judge: str
    template: str
    replicate: int
    score: float | None
    points: float | None
    error: str
    stale: str
    stale_lineage: str
    cost_usd: float | None


class Adjusted(NamedTuple):
    """An essay's row of adjusted_scores.csv, in points of 9.

    Attributes:
        estimate: adjusted for its judges, and drawn towards the mean of all.
        low, high: its 95 % interval; None where the table has none, or where it rests on two essays only.
        rank, rank_low, rank_high: its place among comparable essays; None as for the interval.
        component: essays of different ones cannot be compared.
        who: judges and templates that it was judged by.
    """

    estimate: float
    low: float | None
    high: float | None
    rank: int
    rank_low: int | None
    rank_high: int | None
    component: int
    who: str


class Used(NamedTuple):
    """A text as something else was made from it.

    Attributes:
        text: None where it cannot be had any more.
        is_present: whether it is the text that stands in parsed.txt now.
    """

    text: str | None
    is_present: bool


@dataclass
class Document:
    """An essay, or a draft without essays.

    Attributes:
        entry: its row of membership.
        draft: the draft it was made from; itself for a draft.
        text: the text that was judged, else what parsed.txt holds now; None if there is none.
        is_present: whether `text` is the present content of parsed.txt.
        scores: of all evaluations of the cohort on it, by template, judge and replicate.
        cost_usd: of the answers that made it, draft and essay; None where one is unknown.
        adjusted: what it is ranked by; None without a score that counts.
    """

    entry: Entry
    draft: Entry
    text: str | None
    is_present: bool
    scores: list[Score]
    cost_usd: float | None
    adjusted: Adjusted | None = None

    @property
    def gen_id(self) -> str:
        return self.entry.gen_id

    @property
    def href(self) -> str:
        """The document's page, relative to index.html."""
        return f"{FOLDERS[self.entry.stage]}/{self.gen_id}.html"

    @cached_property
    def mean(self) -> Mean:
        """Mean of the valid scores, as points."""
        return mean_of([score.points for score in self.scores if score.points is not None])

    @cached_property
    def title(self) -> str:
        return texts.first_words(self.text or "") or "No text"

    @property
    def stale_lineage(self) -> str:
        """The worst of its scores' lineages."""
        found = {score.stale_lineage for score in self.scores}
        return next((state for state in ("true", "unknown", "false") if state in found), "")


class Store:
    """The texts of a data root, with what was used where the present text is another one."""

    def __init__(self, data: DataRoot, catalogs: Catalogs):
        self.data = data
        self.catalogs = catalogs

    def recorded(self, entry: Entry) -> Mapping[str, object]:
        """Return raw_metadata.json of a generation, {} where there is none."""
        return read_recorded(self.data.generation(entry.stage, entry.gen_id).raw_metadata)

    def parsed(self, entry: Entry) -> str | None:
        """Return the present parsed text, None if there is none."""
        return texts.read(self.data.generation(entry.stage, entry.gen_id).parsed)

    def used(self, entry: Entry, user: Mapping[str, object]) -> Used:
        """Return the text of `entry` that a generation was made from.

        Args:
            entry: the parent.
            user: the child's raw_metadata.json; its parent_sha256 and parent_attempt say which text it was.
        """
        present = self.parsed(entry)
        sha = user.get("parent_sha256")
        if not sha or (present is not None and sha256_text(present) == sha):
            return Used(present, True)
        return Used(self._of_attempt(entry, user.get("parent_attempt"), str(sha)), False)

    def _of_attempt(self, entry: Entry, number: object, sha: str) -> str | None:
        template = self.catalogs.templates[entry.stage].get(entry.template_id)
        if not isinstance(number, int) or template is None:
            return None
        journal = Journal(self.data.generation(entry.stage, entry.gen_id))
        answer = read_recorded(journal.path(number, ANSWER)).get("answer")
        if not isinstance(answer, str):
            return None
        try:
            text = parsers.parse(entry.stage, template.parser, normalised(answer))
        except DayDreamError:
            return None
        return text if sha256_text(text) == sha else None


def scales_of(catalogs: Catalogs, rows: Iterable[Mapping[str, str]]) -> dict[str, float]:
    """Return the evaluation templates of a table -> the best score each gives; 9 where no catalog gives one."""
    known = catalogs.templates[JUDGING]
    return {
        name: known[name].scale_max if name in known else parsers.DEFAULT_SCALE
        for name in sorted({row["evaluation_template"] for row in rows})
    }


def collect(store: Store, membership: Membership, tables: Reports, scales: Mapping[str, float]) -> list[Document]:
    """Return a cohort's documents, the best first.

    Args:
        store: where the texts are.
        membership: all of the cohort.
        tables: of the cohort.
        scales: see `scales_of`.

    Returns:
        By adjusted score, falling, then gen_id; those without a score last.
    """
    scores: dict[str, list[Score]] = defaultdict(list)
    for row in tables.scores:
        factor = POINTS / scales[row["evaluation_template"]]
        scores[row["parent_gen_id"]].append(_score(row, factor if row["gen_id"] in tables.counted else None))
    board = tables.analysis("adjusted_scores")
    sizes = Counter(row["component"] for row in board)
    adjusted = {row["parent_gen_id"]: _adjusted(row, sizes[row["component"]] >= MIN_UNITS) for row in board}
    usd = {row["gen_id"]: float(row["cost_usd"]) for row in tables.summary("text_costs") if row["cost_usd"]}
    drafts_used = {entry.parent_gen_id for entry in membership.stage(JUDGED)}
    found = [
        _essay(store, membership, entry, scores[entry.gen_id], adjusted.get(entry.gen_id), usd.get(entry.gen_id))
        for entry in membership.stage(JUDGED)
    ]
    for entry in membership.stage(FIRST):
        if entry.gen_id not in drafts_used:
            found.append(Document(entry, entry, store.parsed(entry), True, [], usd.get(entry.gen_id)))
    return sorted(found, key=rank)


def drafts_of(documents: Iterable[Document]) -> list[Entry]:
    """Return the different drafts of documents, in the order in which they first appear."""
    return list({document.draft.gen_id: document.draft for document in documents}.values())


def rank(document: Document) -> tuple[float, str]:
    """Return the sort key of `collect`."""
    return (float("inf") if document.adjusted is None else -document.adjusted.estimate, document.gen_id)


def _adjusted(row: Mapping[str, str], with_intervals: bool) -> Adjusted:
    def number(name: str) -> float | None:
        return float(row[name]) if with_intervals and row[name] else None

    def place(name: str) -> int | None:
        return int(row[name]) if with_intervals and row[name] else None

    return Adjusted(
        float(row["estimate"]),
        number("ci_low"),
        number("ci_high"),
        int(row["rank"]),
        place("rank_low"),
        place("rank_high"),
        int(row["component"]),
        f"{row['judges']} by {row['rubrics']}",
    )


def _essay(
    store: Store,
    membership: Membership,
    entry: Entry,
    scores: list[Score],
    adjusted: Adjusted | None,
    cost_usd: float | None,
) -> Document:
    scores = sorted(scores, key=lambda score: (score.template, score.judge, score.replicate, score.gen_id))
    draft = membership.by_id[entry.parent_gen_id]
    used = Used(store.parsed(entry), True)
    # the first score decides what is shown; others that judged another text are marked on the page
    judged = next((score for score in scores if score.score is not None), None)
    if judged is not None and judged.stale == "true":
        found = store.used(entry, read_recorded(store.data.generation(JUDGING, judged.gen_id).raw_metadata))
        if found.text is not None:
            used = found
    return Document(entry, draft, used.text, used.is_present, scores, cost_usd, adjusted)


def _score(row: Mapping[str, str], factor: float | None) -> Score:
    score = float(row["score"]) if row["score"] else None
    return Score(
        row["gen_id"],
        row["evaluation_llm_model"],
        row["evaluation_template"],
        int(row["evaluation_replicate"] or 1),
        score,
        None if score is None or factor is None else score * factor,
        row["error"],
        row["stale"],
        row["stale_lineage"],
        float(row["cost_usd"]) if row["cost_usd"] else None,
    )
