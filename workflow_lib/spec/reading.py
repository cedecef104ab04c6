"""Reading a spec: from its config document, and the files that it names, to a checked `Spec`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..catalogs import LEVELS
from ..errors import SpecError
from ..stages import COMBO_NAMES
from .files import (
    CONFIG_SUFFIXES,
    REFERENCE,
    Entries,
    Level,
    as_entry,
    as_level,
    find_reference,
    known_names,
    load_document,
    read_items,
    show,
)
from .rules import BALANCES, Relation, Rule, Subset, Tie

COMBO_AXIS = COMBO_NAMES[0]
TOP_KEYS = ("axes", "rules", "output", "combos", "ids", "notes", "experiment_id")
SECTIONS = ("subsets", "ties", "pairs", "tuples")


@dataclass(frozen=True)
class Spec:
    """A cohort spec, read and checked.

    Attributes:
        path: the config file.
        axes: name -> its levels in order, as listed under `axes` (a level is text, or for a file with
            several columns one text per column). Axes known only from tuples are not among them.
        headers: axis name -> column names, for axes from a file with several columns.
        rules: in the order in which they run.
        field_order: the columns that come first in a row.
        seed: shuffles the rows; None keeps the product's order.
        combos: the convenience mapping {concepts, k, level} as written, to be resolved by `with_axis`.
        ids, notes, experiment_id: settings of the cohort that may stand in its spec; None if absent.
        files: every file that was read, the config first.
    """

    path: Path
    axes: Mapping[str, tuple[Level, ...]]
    headers: Mapping[str, tuple[str, ...]]
    rules: tuple[Rule, ...]
    field_order: tuple[str, ...]
    seed: int | None = None
    combos: Mapping[str, Any] | None = None
    ids: Mapping[str, Any] | None = None
    notes: Any = None
    experiment_id: str | None = None
    files: tuple[Path, ...] = field(default=())


def find_config(path: Path) -> Path:
    if path.is_dir():
        found = [path / f"config{suffix}" for suffix in CONFIG_SUFFIXES]
        found = [candidate for candidate in found if candidate.is_file()]
        if len(found) > 1:
            names = " and ".join(candidate.name for candidate in found)
            raise SpecError(path, "", f"the folder holds both {names}", "keep one of them")
        if not found:
            raise SpecError(
                path,
                "",
                "the spec folder has no config.yaml",
                "write one (or config.json) with axes and output",
            )
        return found[0]
    if not path.exists():
        raise SpecError(path, "", "there is no such spec", "give a spec folder or its config.yaml")
    if path.suffix.lower() not in CONFIG_SUFFIXES:
        raise SpecError(
            path,
            "",
            f"a spec cannot be read from a '{path.suffix}' file",
            f"use {', '.join(CONFIG_SUFFIXES)}",
        )
    return path


class Reader:
    """Turns one config document into a `Spec`, remembering the files it reads on the way."""

    def __init__(self, path: Path):
        self.path = path
        self.files = [path]

    def read(self) -> Spec:
        document = load_document(self.path)
        if not isinstance(document, dict):
            found = "nothing" if document is None else show(document)
            raise self._error("", f"the file holds {found}, not a mapping", "write axes:, rules: and output:")
        self._check_keys(document, TOP_KEYS, "")
        axes, headers = self._axes(document.get("axes"))
        rules = self._rules(document.get("rules"))
        field_order, seed = self._output(document.get("output"))
        combos = self._combos(document, axes, headers, rules)
        return Spec(
            path=self.path,
            axes=axes,
            headers=headers,
            rules=rules,
            field_order=field_order,
            seed=seed,
            combos=combos,
            ids=self._ids(document.get("ids")),
            notes=self._notes(document.get("notes")),
            experiment_id=self._experiment_id(document.get("experiment_id")),
            files=tuple(dict.fromkeys(self.files)),
        )

    def _error(self, place: str, reason: str, hint: str) -> SpecError:
        return SpecError(self.path, place, reason, hint)

    def _check_keys(self, mapping: dict[Any, Any], allowed: tuple[str, ...], place: str) -> None:
        for key in mapping:
            if key not in allowed:
                where = f"{place}.{key}" if place else str(key)
                raise self._error(where, f"unknown key '{key}'", known_names(str(key), list(allowed)))

    def _mapping(self, value: Any, place: str, form: str) -> dict[Any, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._error(place, f"{show(value)} is not a mapping", f"write it as {form}")
        return value

    def _name(self, value: Any, place: str, what: str) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self._error(place, f"{show(value)} is not the name of {what}", "a name is text; quote it")
        return value.strip()

    def _names(self, value: Any, place: str, least: int) -> tuple[str, ...]:
        if not isinstance(value, list) or len(value) < least:
            raise self._error(
                place,
                f"{show(value)} is not a list of axes" + (f" (at least {least})" if least > 1 else ""),
                "write the names in brackets: [a, b]",
            )
        names: list[str] = []
        for index, item in enumerate(value):
            name = self._name(item, f"{place}[{index}]", "an axis")
            if name in names:
                raise self._error(f"{place}[{index}]", f"'{name}' is named twice", "name each axis once")
            names.append(name)
        return tuple(names)

    def _items(self, reference: str, place: str) -> Entries:
        path = find_reference(reference, self.path, place)
        self.files.append(path)
        return read_items(path)

    def _axes(self, value: Any) -> tuple[dict[str, tuple[Level, ...]], dict[str, tuple[str, ...]]]:
        axes: dict[str, tuple[Level, ...]] = {}
        headers: dict[str, tuple[str, ...]] = {}
        for key, levels in self._mapping(value, "axes", "axes: {name: [levels]}").items():
            place = f"axes.{key}"
            name = self._name(key, place, "an axis")
            if name in axes:
                raise self._error(place, f"the axis '{name}' is given twice", "join the two")
            if isinstance(levels, str) and levels.strip().startswith(REFERENCE):
                items = self._items(levels.strip(), place)
                axes[name] = self._file_levels(items, place)
                if items.header is not None and len(items.header) > 1:
                    headers[name] = items.header
                continue
            if not isinstance(levels, list) or not levels:
                raise self._error(
                    place,
                    f"{show(levels)} is not a list of levels",
                    f'write {name}: [level, ...], or {name}: "{REFERENCE}items/levels.csv"',
                )
            texts = [as_level(level, self.path, f"{place}[{index}]") for index, level in enumerate(levels)]
            axes[name] = tuple(dict.fromkeys(texts))
        return axes, headers

    def _file_levels(self, items: Entries, place: str) -> tuple[Level, ...]:
        if items.header is not None and len(items.header) > 1:
            return tuple(dict.fromkeys(items.rows))  # type: ignore[arg-type]
        levels: dict[Level, None] = {}
        for row, where in zip(items.rows, items.places, strict=True):
            if len(row) != 1 or not isinstance(row[0], str):
                raise SpecError(
                    items.file,
                    where,
                    f"{show(list(row))} has several values, but nothing names their columns ({place})",
                    "use a .csv with a header, or a list of mappings",
                )
            levels[row[0]] = None
        return tuple(levels)

    def _rules(self, value: Any) -> tuple[Rule, ...]:
        readers: dict[str, Callable[[str, Any, str], Rule]] = {
            "subsets": self._subset,
            "ties": self._tie,
            "pairs": self._pair,
            "tuples": self._tuple,
        }
        sections = self._mapping(value, "rules", "rules: {subsets: ..., ties: ..., pairs: ..., tuples: ...}")
        rules: list[Rule] = []
        for section, entries in sections.items():
            if section not in readers:
                raise self._error(
                    f"rules.{section}",
                    f"unknown rules section '{section}'",
                    known_names(str(section), list(SECTIONS)),
                )
            for key, entry in self._mapping(entries, f"rules.{section}", "a mapping by name").items():
                place = f"rules.{section}.{key}"
                name = self._name(key, place, "an axis" if section == "subsets" else "a rule")
                rules.append(readers[section](name, entry, place))
        return tuple(rules)

    def _subset(self, axis: str, value: Any, place: str) -> Subset:
        if not isinstance(value, list):
            raise self._error(place, f"{show(value)} is not a list of levels", f"write {axis}: [level, ...]")
        levels = as_entry(value, self.path, place)
        return Subset(place, axis, levels)

    def _tie(self, name: str, value: Any, place: str) -> Tie:
        if isinstance(value, dict):
            if "to" in value:
                raise self._error(f"{place}.to", "a tie has no 'to'", "the tie's own name is the name of the tied axis")
            self._check_keys(value, ("axes",), place)
            return Tie(place, name, self._names(value.get("axes"), f"{place}.axes", 2))
        return Tie(place, name, self._names(value, place, 2))

    def _pair(self, name: str, value: Any, place: str) -> Relation:
        form = f"{name}: {{left: axis, right: axis, allowed: [[l, r], ...]}}"
        value = self._full_mapping(value, place, form, ("left", "right", "allowed"), ("balance",))
        left = self._name(value["left"], f"{place}.left", "an axis")
        right = self._name(value["right"], f"{place}.right", "an axis")
        if left == right:
            raise self._error(f"{place}.right", f"left and right are both '{left}'", "name two axes")
        balance: tuple[int, ...] = ()
        if "balance" in value:
            if not isinstance(value["balance"], str) or value["balance"] not in BALANCES:
                raise self._error(
                    f"{place}.balance",
                    f"{show(value['balance'])} is no kind of balance",
                    known_names(str(value["balance"]), list(BALANCES)),
                )
            balance = BALANCES[value["balance"]]
        entries = self._entries(value["allowed"], f"{place}.allowed")
        return Relation(place, name, (left, right), entries, nested=True, balance=balance)

    def _tuple(self, name: str, value: Any, place: str) -> Relation:
        if isinstance(value, dict) and "expand" in value:
            raise self._error(
                f"{place}.expand", "a tuple has no 'expand'", "remove it: tuples always become columns again"
            )
        form = f"{name}: {{axes: [a, b], items: [[x, y], ...]}}"
        value = self._full_mapping(value, place, form, ("axes", "items"))
        axes = self._names(value["axes"], f"{place}.axes", 1)
        return Relation(place, name, axes, self._entries(value["items"], f"{place}.items"), nested=False)

    def _full_mapping(
        self, value: Any, place: str, form: str, required: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        mapping = self._mapping(value, place, form)
        self._check_keys(mapping, required + optional, place)
        for key in required:
            if key not in mapping:
                raise self._error(place, f"'{key}' is missing", f"write it as {form}")
        return mapping

    def _entries(self, value: Any, place: str) -> Entries:
        if isinstance(value, str) and value.strip().startswith(REFERENCE):
            items = self._items(value.strip(), place)
            if items.file.suffix.lower() == ".txt":
                raise SpecError(
                    items.file, "", f"a .txt file has one level per line, {place} needs several", "use a .csv"
                )
            return items
        if not isinstance(value, list) or not value:
            raise self._error(
                place,
                f"{show(value)} is not a list of lists",
                f'write [[a, b], ...], or "{REFERENCE}items/list.csv"',
            )
        places = tuple(f"{place}[{index}]" for index in range(len(value)))
        found = tuple(as_entry(item, self.path, where) for item, where in zip(value, places, strict=True))
        return Entries(self.path, found, places)

    def _output(self, value: Any) -> tuple[tuple[str, ...], int | None]:
        form = "output: {field_order: [column, ...]}"
        value = self._full_mapping(value, "output", form, ("field_order",), ("seed",))
        seed = value.get("seed")
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
            raise self._error("output.seed", f"{show(seed)} is not a whole number", "write seed: 7, say")
        names = value["field_order"]
        if not isinstance(names, list) or not names:
            raise self._error("output.field_order", f"{show(names)} is not a list of columns", f"write it as {form}")
        return self._names(names, "output.field_order", 1), seed

    def _combos(
        self,
        document: dict[str, Any],
        axes: dict[str, tuple[Level, ...]],
        headers: dict[str, tuple[str, ...]],
        rules: tuple[Rule, ...],
    ) -> dict[str, Any] | None:
        if "combos" not in document:
            return None
        value = document["combos"]
        form = "combos: {concepts: all, k: 2, level: paragraph}"
        if not isinstance(value, dict):
            raise self._error("combos", f"{show(value)} is not a mapping", f"write it as {form}")
        self._check_keys(value, ("concepts", "k", "level"), "combos")
        tuple_axes = [name for rule in rules if isinstance(rule, Relation) and not rule.nested for name in rule.axes]
        columns = {*axes, *tuple_axes, *(column for header in headers.values() for column in header)}
        for name in COMBO_NAMES:
            if name in columns:
                raise self._error(
                    "combos",
                    f"combos and an axis '{name}' are both given",
                    f"keep combos or '{name}', not both",
                )
        self._check_concepts(value.get("concepts", "all"), form)
        sizes = value["k"] if isinstance(value.get("k"), list) else [value.get("k", 1)]
        for size in sizes or [None]:
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise self._error("combos.k", f"{show(value['k'])} is no number of concepts", "write k: 2 or k: [2, 3]")
        if "level" in value and value["level"] not in LEVELS:
            raise self._error(
                "combos.level",
                f"{show(value['level'])} is no level of description",
                known_names(str(value["level"]), list(LEVELS)),
            )
        return value

    def _check_concepts(self, value: Any, form: str) -> None:
        if value == "all":
            return
        if not isinstance(value, list) or not value:
            raise self._error(
                "combos.concepts",
                f"{show(value)} is neither 'all' nor a list of concepts",
                f"write it as {form}",
            )
        for index, concept in enumerate(value):
            self._name(concept, f"combos.concepts[{index}]", "a concept")

    def _ids(self, value: Any) -> dict[str, Any] | None:
        if value is None:
            return None
        ids = self._mapping(value, "ids", "ids: {scope: content}")
        for key, setting in ids.items():
            as_level(setting, self.path, f"ids.{key}")
        return ids

    def _notes(self, value: Any) -> Any:
        if isinstance(value, list):
            return [as_level(line, self.path, f"notes[{index}]") for index, line in enumerate(value)]
        return None if value is None else as_level(value, self.path, "notes")

    def _experiment_id(self, value: Any) -> str | None:
        return None if value is None else as_level(value, self.path, "experiment_id")
