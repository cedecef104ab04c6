"""What the judges of one text said, where they disagree first."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from .documents import Score
from .exchanges import Exchange


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
        gist: how it begins, for one line.
        message: why it failed, empty if it did not.
        other_text: whether it judged another text than the one that the page shows.
        served: the model that gave it, where it is another one than was asked for.
        exchange: the call that it came from; None where nothing is on record.
        links: files of the store.
    """

    score: Score
    answer: str | None
    gist: str
    message: str
    other_text: bool
    served: str
    exchange: Exchange | None
    links: list[FileLink]


@dataclass(frozen=True)
class Group:
    """The judgements of one evaluation template, the furthest from their mean first.

    Attributes:
        template: its id.
        judgements: those with a score that counts by how far they are from the mean, then the others.
        apart: points of 9 between the kindest and the strictest judge's mean; None with fewer than two.
    """

    template: str
    judgements: list[Judgement]
    apart: float | None


def grouped(judgements: Sequence[Judgement]) -> list[Group]:
    """Return a group per evaluation template, the one on which the judges are furthest apart first."""
    found: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        found[judgement.score.template].append(judgement)
    groups = [_group(template, own) for template, own in found.items()]
    return sorted(groups, key=lambda group: (-(group.apart or 0), group.template))


def _group(template: str, judgements: Sequence[Judgement]) -> Group:
    points: dict[str, list[float]] = defaultdict(list)
    for judgement in judgements:
        if judgement.score.points is not None:
            points[judgement.score.judge].append(judgement.score.points)
    means = [fmean(own) for own in points.values()]
    middle = fmean(means) if means else 0.0

    def key(judgement: Judgement) -> tuple[bool, float, str, int]:
        own = judgement.score.points
        return (own is None, 0 if own is None else -abs(own - middle), judgement.score.judge, judgement.score.replicate)

    apart = max(means) - min(means) if len(means) > 1 else None
    return Group(template, sorted(judgements, key=key), apart)
