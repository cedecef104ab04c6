"""How many generations the axes of a spec make, counted without making a row of them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..catalogs import Catalogs
from ..paths import Cohort
from ..settings import Settings
from ..spec import Axis
from ..stages import COLUMN_OF, PARENTS, STAGE, Stage
from .counts import refuse_more_than
from .membership import read_ids
from .rows import NO_MODEL

# a second or two
QUICKLY_MADE = 50_000


@dataclass(frozen=True)
class _Axis:
    """Columns by their first names, and the levels that they take together."""

    columns: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]

    def distinct(self, columns: frozenset[str]) -> int:
        """Return how many different values some of the columns take together; 1 if the axis has none of them."""
        places = [place for place, column in enumerate(self.columns) if column in columns]
        return len({tuple(level[place] for place in places) for level in self.levels})

    def values(self, column: str) -> Iterator[str]:
        """Yield the values of one column."""
        place = self.columns.index(column)
        yield from (level[place] for level in self.levels)


@dataclass(frozen=True)
class _Part:
    """A part of the design in which the same columns tell generations apart.

    Attributes:
        axes: all of the design, some of them narrowed.
        telling: the columns that tell the generations of a stage, and of those before it, apart.
        times: replicates that no column names.
    """

    axes: tuple[_Axis, ...]
    telling: frozenset[str]
    times: int

    @property
    def size(self) -> int:
        return self.times * math.prod(axis.distinct(self.telling) for axis in self.axes)

    def next_stage(self, stage: Stage, catalogs: Catalogs) -> "Iterator[_Part]":
        """Yield what one more stage makes of it: its copies, which no model or replicate tells apart, and the rest."""
        named = {column for axis in self.axes for column in axis.columns}
        known = catalogs.templates[stage.name]
        copies = {name for name, template in known.items() if stage.may_copy and template.copies}
        yield replace(self._with_templates(stage, copies, wanted=True), telling=self.telling | {stage.template_column})
        rest = self._with_templates(stage, copies, wanted=False)
        own = {stage.template_column, stage.model_column, stage.replicate_column}
        if stage.models == PARENTS and any(value.lower() in NO_MODEL for value in rest._values(stage.model_column)):
            # a row without a model may stand for the same essay as one that names the draft's
            own.discard(stage.model_column)
        times = 1 if stage.replicate_column in named else catalogs.replicates.get(stage.name, 1)
        yield replace(rest, telling=self.telling | own, times=self.times * times)

    def _values(self, column: str) -> Iterator[str]:
        for axis in self.axes:
            if column in axis.columns:
                yield from axis.values(column)

    def _with_templates(self, stage: Stage, templates: set[str], *, wanted: bool) -> "_Part":
        """Return the part whose template is one of some, or is not."""
        column = stage.template_column
        axes = []
        for axis in self.axes:
            if column in axis.columns:
                pairs = zip(axis.levels, axis.values(column), strict=True)
                axis = replace(axis, levels=tuple(level for level, value in pairs if (value in templates) == wanted))
            axes.append(axis)
        return replace(self, axes=tuple(axes))


def of_axes(axes: Sequence[Axis], catalogs: Catalogs) -> dict[str, int]:
    """Return stage -> how many generations the axes of a spec make at least.

    It is the exact number, except where rows leave an essay's model out: such a row may stand for the same essay as
    one that names the draft's model. Columns that no cohort has count for nothing.
    """
    own = tuple(_Axis(tuple(COLUMN_OF.get(name, "") for name in axis.columns), tuple(axis.cells())) for axis in axes)
    parts = [_Part(own, frozenset({"combo_id"}), 1)]
    named = {column for axis in own for column in axis.columns}
    counts: dict[str, int] = dict.fromkeys(STAGE, 0)
    for stage in STAGE.values():
        if stage.template_column not in named:
            break
        parts = [part for each in parts for part in each.next_stage(stage, catalogs) if part.size]
        counts[stage.name] = sum(part.size for part in parts)
    return counts


def refuse_explosion(settings: Settings, cohort: Cohort, axes: Sequence[Axis], catalogs: Catalogs) -> None:
    """Raise ConfigError, before a row is made, if a spec adds more than `max_generations` and far too many to make.

    Fewer are made and counted one by one (`counts.refuse_explosion`), which says exactly how many of them are new.
    """
    counts: Mapping[str, int] = of_axes(axes, catalogs)
    present = len(read_ids(cohort.membership)) if sum(counts.values()) > QUICKLY_MADE else 0
    if sum(counts.values()) - present > QUICKLY_MADE:
        refuse_more_than(settings, f"cohort {cohort.cohort_id}: its axes make at least", counts, present)
