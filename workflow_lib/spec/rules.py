"""The axes of a cohort spec, and what each kind of rule does to them.

An axis is a list of levels that rows run through. It starts as one column; a tie lets several columns hold
the same value, a pair or a tuple makes one axis out of several. Rules never look at rows.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import SpecError
from .files import Entries, Level, known_names, show

BALANCES = {"left": (0,), "right": (1,), "both": (0, 1)}


@dataclass(frozen=True)
class Part:
    """Columns that always hold one and the same value.

    Attributes:
        names: what a file's header may call it.
        columns: the row columns that it fills.
    """

    names: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Axis:
    """One factor of the product.

    Attributes:
        names: what later rules may call it.
        parts: one for a plain or a tied axis, more for a pair, a tuple or a file with several columns.
        levels: distinct; each has one value per part.
    """

    names: tuple[str, ...]
    parts: tuple[Part, ...]
    levels: tuple[tuple[str, ...], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The row columns that this axis fills, in order."""
        return tuple(column for part in self.parts for column in part.columns)

    def cells(self) -> list[tuple[str, ...]]:
        """Return every level spread over `columns`."""
        widths = [len(part.columns) for part in self.parts]
        if all(width == 1 for width in widths):
            return list(self.levels)
        return [
            tuple(value for value, width in zip(level, widths, strict=True) for _ in range(width))
            for level in self.levels
        ]


def plain_axis(name: str, levels: Iterable[str]) -> Axis:
    """Return an axis of one column."""
    return Axis((name,), (Part((name,), (name,)),), tuple((level,) for level in dict.fromkeys(levels)))


def wide_axis(name: str, columns: tuple[str, ...], levels: Iterable[tuple[str, ...]]) -> Axis:
    """Return an axis whose levels fill several columns, as an ``@file:`` with several columns gives it."""
    return Axis((name,), tuple(Part((c,), (c,)) for c in columns), tuple(dict.fromkeys(levels)))


class Design:
    """The axes in their present order, while rules are applied to them.

    Attributes:
        axes: in the order in which rows run through them, the last one fastest.
        unused: (place, level, axis) for each level that a subset names and its axis does not have.
    """

    def __init__(self, file: Path):
        self.file = file
        self.axes: list[Axis] = []
        self.unused: list[tuple[str, tuple[str, ...], Axis]] = []
        self._replaced: dict[str, str] = {}

    def size(self) -> int:
        """Return how many rows the axes make."""
        return math.prod(len(axis.levels) for axis in self.axes)

    def add(self, axis: Axis, place: str) -> None:
        """Append an axis; its name and columns must be new.

        Raises:
            SpecError: an earlier axis has that name or fills that column.
        """
        for name in dict.fromkeys((*axis.names, *axis.columns)):
            self._check_free(name, place)
        self.axes.append(axis)
        self._replaced |= {column: axis.names[0] for column in axis.columns if column not in axis.names}

    def find(self, name: str, place: str) -> Axis:
        """Return the axis that goes by a name.

        Raises:
            SpecError: there is none, or it has become part of another axis.
        """
        for axis in self.axes:
            if name in axis.names:
                return axis
        if name in self._replaced:
            owner = self._replaced[name]
            raise SpecError(
                self.file,
                place,
                f"the axis '{name}' is part of '{owner}' by now",
                f"name '{owner}', or move this rule before it (rules run in the order they are written)",
            )
        known = [known for axis in self.axes for known in axis.names]
        raise SpecError(self.file, place, f"there is no axis '{name}'", known_names(name, known))

    def find_plain(self, name: str, place: str, user: str) -> Axis:
        """Return the axis that goes by a name if its levels are single values.

        Raises:
            SpecError: as `find`, or its levels have several columns.
        """
        axis = self.find(name, place)
        if len(axis.parts) > 1:
            raise SpecError(
                self.file,
                place,
                f"'{name}' has several columns ({', '.join(axis.columns)}), which {user} cannot take",
                "name single axes here; a pair can take it as left or right",
            )
        return axis

    def replace(self, old: list[Axis], new: Axis) -> None:
        """Put one axis where the first of the axes stood that it replaces."""
        position = min(self.axes.index(axis) for axis in old)
        self.axes = [axis for axis in self.axes if axis not in old]
        self.axes.insert(position, new)
        gone = {name for axis in old for name in axis.names} - set(new.names)
        self._replaced |= dict.fromkeys(gone, new.names[0])

    def check_name(self, name: str, place: str, own: Iterable[str] = ()) -> None:
        """Check that a rule may give its name to the axis that it makes.

        Args:
            own: names of the axes it replaces, which it may take over.

        Raises:
            SpecError: the name belongs to something else.
        """
        if name not in own:
            self._check_free(name, place)

    def _check_free(self, name: str, place: str) -> None:
        taken = name in self._replaced or any(name in (*axis.names, *axis.columns) for axis in self.axes)
        if taken:
            raise SpecError(
                self.file, place, f"the name '{name}' is taken by another axis or rule", "choose another name"
            )


@dataclass(frozen=True)
class Subset:
    """Keeps some levels of an axis, in the axis's order; `place` is where it stands in the config."""

    place: str
    axis: str
    levels: tuple[Level, ...]

    def apply(self, design: Design) -> None:
        """Narrow the axis; a level that it does not have is noted in `design.unused`."""
        axis = design.find(self.axis, self.place)
        present = set(axis.levels)
        wanted: set[tuple[str, ...]] = set()
        for index, level in enumerate(self.levels):
            values = (level,) if isinstance(level, str) else level
            place = f"{self.place}[{index}]"
            if len(values) != len(axis.parts) or isinstance(level, str) != (len(axis.parts) == 1):
                raise SpecError(design.file, place, f"{show(level)} is not a level of '{self.axis}'", _shape_hint(axis))
            if values not in present:
                design.unused.append((place, values, axis))
            wanted.add(values)
        kept = tuple(level for level in axis.levels if level in wanted)
        if not kept:
            raise SpecError(
                design.file,
                self.place,
                f"no level of '{self.axis}' is left",
                level_hint(next(iter(sorted(wanted)), ("",)), axis),
            )
        design.replace([axis], Axis(axis.names, axis.parts, kept))


@dataclass(frozen=True)
class Tie:
    """Lets several axes move together through the levels that all of them have."""

    place: str
    name: str
    axes: tuple[str, ...]

    def apply(self, design: Design) -> None:
        """Replace the axes by one that fills all their columns and goes by all their names."""
        tied: list[Axis] = []
        for name in self.axes:
            axis = design.find_plain(name, self.place, "a tie")
            if axis not in tied:
                tied.append(axis)
        names = tuple(dict.fromkeys(name for axis in tied for name in axis.names))
        design.check_name(self.name, self.place, own=names)
        common = set.intersection(*(set(axis.levels) for axis in tied))
        levels = tuple(level for level in tied[0].levels if level in common)
        if not levels:
            listed = "; ".join(f"{axis.names[0]}: {_shown_levels(axis)}" for axis in tied)
            raise SpecError(
                design.file,
                self.place,
                f"the axes {', '.join(self.axes)} have no level in common",
                f"tie axes that share levels ({listed})",
            )
        names = tuple(dict.fromkeys((self.name, *names)))
        columns = tuple(column for axis in tied for column in axis.columns)
        design.replace(tied, Axis(names, (Part(names, columns),), levels))


@dataclass(frozen=True)
class Relation:
    """A pair or a tuple: replaces axes by the combinations of their levels that are listed.

    Attributes:
        nested: whether an axis may itself be a pair or a tuple (pairs only).
        balance: the axes (by position) of which every level must occur equally often.
    """

    place: str
    name: str
    axes: tuple[str, ...]
    entries: Entries
    nested: bool
    balance: tuple[int, ...] = ()

    def apply(self, design: Design) -> None:
        """Replace the axes by one whose levels are the listed combinations, in written order."""
        axes = [
            design.find(name, self.place) if self.nested else design.find_plain(name, self.place, "a tuple")
            for name in self.axes
        ]
        if len({axis.names for axis in axes}) < len(axes):
            raise SpecError(
                design.file,
                self.place,
                f"{', '.join(self.axes)} name one axis twice",
                "tied axes move together already; name one of them",
            )
        design.check_name(self.name, self.place)
        known = [set(axis.levels) for axis in axes]
        order = self._header_order(axes)
        chosen: dict[tuple[tuple[str, ...], ...], None] = {}
        for entry, place in zip(self.entries.rows, self.entries.places, strict=True):
            levels = self._split(entry, place, axes, order)
            for level, axis, present in zip(levels, axes, known, strict=True):
                if level not in present:
                    raise SpecError(
                        self.entries.file,
                        self._at(place),
                        f"{text_of(level)} is not a level of the axis '{axis.names[0]}' here",
                        level_hint(level, axis),
                    )
            chosen[levels] = None
        for side in self.balance:
            self._check_balance(design, axes[side], Counter(levels[side] for levels in chosen))
        parts = tuple(part for axis in axes for part in axis.parts)
        design.replace(axes, Axis((self.name,), parts, tuple(sum(levels, ()) for levels in chosen)))

    def _at(self, place: str) -> str:
        # a place in an items file does not show which rule it breaks
        return place if place.startswith(self.place) else f"{place} ({self.place})"

    def _header_order(self, axes: list[Axis]) -> list[int] | None:
        """Return for each part of the axes its column in the file; None without a header."""
        header = self.entries.header
        if header is None:
            return None
        parts = [part for axis in axes for part in axis.parts]
        order = [index for part in parts for index, name in enumerate(header) if name in part.names]
        if sorted(order) != list(range(len(header))) or len(order) != len(parts):
            needed = ", ".join(part.names[0] for part in parts)
            in_table = self.entries.places[0].startswith("line")
            raise SpecError(
                self.entries.file,
                self._at("line 1" if in_table else self.entries.places[0]),
                f"the header is {', '.join(header)}; the axes of '{self.name}' are {needed}",
                f"the header must name exactly {needed}, in any order",
            )
        return order

    def _split(
        self, entry: tuple[Level, ...], place: str, axes: list[Axis], order: list[int] | None
    ) -> tuple[tuple[str, ...], ...]:
        """Return one entry as one level (a value per part) for each axis."""
        widths = [len(axis.parts) for axis in axes]
        if order is not None:
            entry = tuple(entry[index] for index in order)
        if len(entry) == sum(widths) and all(isinstance(level, str) for level in entry):
            values = iter(entry)
            return tuple(tuple(str(next(values)) for _ in range(width)) for width in widths)
        levels = tuple((level,) if isinstance(level, str) else level for level in entry)
        if [len(level) for level in levels] != widths:
            shape = ", ".join(
                name if len(axis.parts) == 1 else f"[{', '.join(axis.columns)}]"
                for name, axis in zip(self.axes, axes, strict=True)
            )
            raise SpecError(
                self.entries.file,
                self._at(place),
                f"{show(list(entry))} does not fit the axes",
                f"write one level per axis: [{shape}]",
            )
        return levels

    def _check_balance(self, design: Design, axis: Axis, counts: Counter[tuple[str, ...]]) -> None:
        numbers = [(counts[level], level) for level in axis.levels]
        (least, scarce), (most, frequent) = min(numbers), max(numbers)
        if least != most:
            raise SpecError(
                design.file,
                f"{self.place}.balance",
                f"the levels of '{axis.names[0]}' do not occur equally often: "
                f"{text_of(frequent)} {most} times, {text_of(scarce)} {least} times",
                "add or remove pairs, narrow the axis in a subset before, or drop balance",
            )


Rule = Subset | Tie | Relation


def text_of(level: tuple[str, ...]) -> str:
    """Return a level as messages show it."""
    return f"'{level[0]}'" if len(level) == 1 else f"[{', '.join(level)}]"


def _shown_levels(axis: Axis) -> str:
    shown = ", ".join(text_of(level) for level in axis.levels[:6])
    return shown + (f" and {len(axis.levels) - 6} more" if len(axis.levels) > 6 else "")


def level_hint(level: tuple[str, ...], axis: Axis) -> str:
    """Return a hint with the level of the axis that was probably meant, or with those it has."""
    if len(level) == 1:
        return known_names(level[0], [known[0] for known in axis.levels])
    return f"known: {_shown_levels(axis)}"


def _shape_hint(axis: Axis) -> str:
    if len(axis.parts) == 1:
        return "a level of this axis is one text"
    return f"a level of this axis is a list: [{', '.join(axis.columns)}]"
