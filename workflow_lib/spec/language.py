"""Cohort specs: a small language that says which rows of template, model and combo a cohort consists of.

docs/spec.md describes the language. `load` reads and checks, `rows_with_counts` expands; neither needs a catalog.
"""

import difflib
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, product
from operator import itemgetter
from pathlib import Path
from random import Random

from ..errors import SpecError
from ..stages import COLUMN_OF
from .files import as_level, known_names, show
from .reading import COMBO_AXIS, Reader, Spec, find_config
from .rules import Axis, Design, Relation, Rule, Subset, Tie, level_hint, plain_axis, text_of, wide_axis

MAX_ROWS = 2_000_000  # rows are held in memory; more than this is a slip in the axes, not an experiment


def load(path: str | Path) -> Spec:
    """Read and check a spec; it is read again only when one of its files has changed.

    Args:
        path: the spec folder, with a config.yaml or config.json in it, or the config file itself.

    Raises:
        SpecError: anything wrong with it that can be seen without the catalogs, naming file and place.
    """
    config = find_config(Path(path))
    known = _loaded.get(config.absolute())
    # the path as given stands in messages
    if known is None or known[1].path != config or known[0] != _signature(known[1].files):
        spec = _read(config)
        known = (_signature(spec.files), spec)
        _loaded[config.absolute()] = known
    return known[1]


_loaded: dict[Path, tuple[list[tuple[int, int] | None], Spec]] = {}


def _signature(files: Iterable[Path]) -> list[tuple[int, int] | None]:
    found: list[tuple[int, int] | None] = []
    for path in files:
        try:
            stat = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_mtime_ns, stat.st_size))
    return found


def _read(config: Path) -> Spec:
    spec = Reader(config).read()
    if spec.combos is None:
        _check_fields(spec, _compile(spec)[0])
    elif not any(COMBO_AXIS in _axes_named_by(rule) for rule in spec.rules):
        # the ids are not known yet, but nothing else depends on them
        preview = with_axis(spec, COMBO_AXIS, ["-"])
        _check_fields(preview, _compile(preview)[0])
    return spec


def rows_with_counts(spec: Spec, seed: int | None = None) -> tuple[list[dict[str, str]], list[tuple[str, int, int]]]:
    """Return the rows as `combos.rows` does, and for each rule (its place, rows before it, rows after it).

    Args:
        spec: from `load`; one with `combos` must have got their ids by `with_axis`.
        seed: wins over the spec's own.
    """
    if spec.combos is not None and COMBO_AXIS not in spec.axes:
        raise SpecError(
            spec.path,
            "combos",
            "the combos have no ids yet",
            "resolve them with the catalog first (with_axis)",
        )
    design, counts = _compile(spec)
    order = _check_fields(spec, design)
    if design.size() > MAX_ROWS:
        sizes = ", ".join(f"{axis.names[0]} {len(axis.levels):,}" for axis in design.axes)
        raise SpecError(
            spec.path,
            "axes",
            f"the axes make {design.size():,} rows, more than {MAX_ROWS:,} ({sizes})",
            "narrow the axes, or pair them, with rules",
        )
    columns = [column for axis in design.axes for column in axis.columns]
    picked = [columns.index(column) for column in order]
    flat = map(tuple, map(chain.from_iterable, product(*(axis.cells() for axis in design.axes))))
    if len(picked) == 1:
        table = [{order[0]: values[0]} for values in flat]
    else:
        pick = itemgetter(*picked)
        table = [dict(zip(order, pick(values), strict=True)) for values in flat]
    chosen = spec.seed if seed is None else seed
    if chosen is not None:
        Random(chosen).shuffle(table)
    return table, counts


def axes(spec: Spec) -> list[Axis]:
    """Return the axes that rows run through, after all rules; their product are the rows.

    Raises:
        SpecError: a rule that does not fit the axes.
    """
    return _compile(spec)[0].axes


def with_axis(spec: Spec, name: str, levels: Iterable[str]) -> Spec:
    """Return the spec with one more axis, which stands first.

    Raises:
        SpecError: the axis exists, or has no level.
    """
    if name in spec.axes:
        raise SpecError(spec.path, f"axes.{name}", f"the axis '{name}' exists already", "list it only once")
    unique = tuple(dict.fromkeys(as_level(level, spec.path, f"axes.{name}") for level in levels))
    if not unique:
        raise SpecError(spec.path, f"axes.{name}", "no levels", "check what the levels are taken from")
    return replace(spec, axes={name: unique, **spec.axes})


def unused_levels(spec: Spec) -> list[str]:
    """Return one readable line for each level that a subset names and its axis does not have.

    They are no error, since a subset only says what to keep; but they may be slips of the pen. At most
    20 lines, the last of which then counts the rest.
    """
    unused = _compile(spec)[0].unused
    lines = [
        f"{place}: '{axis.names[0]}' has no level {text_of(level)}; {level_hint(level, axis)}"
        for place, level, axis in unused[:20]
    ]
    return lines if len(unused) <= 20 else [*lines[:19], f"and {len(unused) - 19} more"]


def _compile(spec: Spec) -> tuple[Design, list[tuple[str, int, int]]]:
    design = Design(spec.path)
    for name, levels in spec.axes.items():
        header = spec.headers.get(name)
        # levels of an axis are all of one kind, which the reader has seen to
        axis = wide_axis(name, header, levels) if header else plain_axis(name, levels)  # type: ignore[arg-type]
        design.add(axis, f"axes.{name}")
    _add_tuple_axes(spec, design)
    if not design.axes:
        raise SpecError(spec.path, "axes", "there is no axis", "list at least one axis with its levels")
    counts = []
    for rule in spec.rules:
        before = design.size()
        rule.apply(design)
        counts.append((rule.place, before, design.size()))
    return design, counts


def _add_tuple_axes(spec: Spec, design: Design) -> None:
    """Axes known only from tuples come after the listed ones, with the levels of their items."""
    made: set[str] = set()
    for rule in spec.rules:
        if isinstance(rule, Relation) and not rule.nested:
            present = {name for axis in design.axes for name in axis.names}
            for index, name in enumerate(rule.axes):
                place = f"{rule.place}.axes[{index}]"
                if name in spec.axes:
                    raise SpecError(
                        spec.path,
                        place,
                        f"the tuple axis '{name}' is also listed under axes",
                        "remove it there: its levels come from the items (a tied axis can be named by its tie)",
                    )
                if name not in made and name not in present:
                    design.add(plain_axis(name, _item_levels(rule, index)), place)
        if isinstance(rule, Relation) or (isinstance(rule, Tie) and rule.name not in rule.axes):
            made.add(rule.name)


def _item_levels(rule: Relation, index: int) -> list[str]:
    header = rule.entries.header
    if header is not None:
        if rule.axes[index] not in header:
            raise SpecError(
                rule.entries.file,
                "line 1",
                f"the header is {', '.join(header)} and lacks '{rule.axes[index]}' ({rule.place})",
                f"the header must name exactly {', '.join(rule.axes)}, in any order",
            )
        index = header.index(rule.axes[index])
    levels = []
    for entry, place in zip(rule.entries.rows, rule.entries.places, strict=True):
        if len(entry) != len(header or rule.axes) or not all(isinstance(level, str) for level in entry):
            raise SpecError(
                rule.entries.file,
                place,
                f"{show(list(entry))} does not fit the axes of {rule.place}",
                f"write one level per axis: [{', '.join(rule.axes)}]",
            )
        levels.append(str(entry[index]))
    return levels


def _check_fields(spec: Spec, design: Design) -> list[str]:
    """Return all columns in output order; field_order must name existing ones."""
    columns = [column for axis in design.axes for column in axis.columns]
    for index, name in enumerate(spec.field_order):
        if name not in columns:
            if misnamed := _misnamed(name, columns):
                hint = f"rename it: '{name}', as output.field_order[{index}] has it"
                raise SpecError(spec.path, f"axes.{misnamed}", f"'{misnamed}' is no column of a cohort", hint)
            raise SpecError(
                spec.path,
                f"output.field_order[{index}]",
                f"there is no column '{name}'",
                known_names(name, columns),
            )
    return [*spec.field_order, *(column for column in columns if column not in spec.field_order)]


def _misnamed(name: str, columns: Iterable[str]) -> str | None:
    """Return the column that was meant to be the one that `name` rightly names; None if there is no such."""
    unknown = [column for column in columns if column not in COLUMN_OF]
    close = difflib.get_close_matches(name, unknown, n=1) if name in COLUMN_OF else []
    return close[0] if close else None


def _axes_named_by(rule: Rule) -> tuple[str, ...]:
    return (rule.axis,) if isinstance(rule, Subset) else rule.axes
