"""Reading the files that a cohort spec consists of: its config and the ``@file:`` items."""

import csv
import io
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import documents
from ..errors import PlacedError, SpecError, nearest
from ..tables import SAVE_WITH_COMMAS, other_separator

MAX_BYTES = 20 * 1024 * 1024
REFERENCE = "@file:"
CONFIG_SUFFIXES = (".yaml", ".yml", ".json")
ITEM_SUFFIXES = (".csv", ".yaml", ".yml", ".json", ".txt")

Level = str | tuple[str, ...]
"""One level of an axis: its text, or for an axis of several columns one text per column."""
Entry = tuple[Level, ...]
"""One allowed pair or tuple: one level per axis."""


@dataclass(frozen=True)
class Entries:
    """The allowed pairs of a pair rule, or the items of a tuple rule or of an axis, with their origin.

    Attributes:
        file: the file in which they are written.
        rows: the entries in written order.
        places: where in `file` each of them is, same length as `rows`.
        header: the column names that a file gave; None if they go by position.
    """

    file: Path
    rows: tuple[Entry, ...]
    places: tuple[str, ...]
    header: tuple[str, ...] | None = None


def show(value: object) -> str:
    """Return a short form of whatever a user wrote; nested and long values are cut."""
    return reprlib.repr(value)


def known_names(name: str, known: list[str]) -> str:
    """Return a hint with the nearest known name and with what is known."""
    hint = nearest(name, known)
    if not hint.startswith("did you mean") or len(known) > 12:
        return hint
    return f"{hint} allowed: {', '.join(known)}"


def as_level(value: object, file: Path, place: str) -> str:
    """Return a level as text: stripped, an integer in decimal, null as the empty string.

    Raises:
        SpecError: a boolean, a float, a date or anything nested.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, bool):
        raise SpecError(
            file,
            place,
            f"{str(value).lower()} is a boolean, and a level is text",
            'put it in quotes, as you mean it: "yes", "on", "true" ...',
        )
    if isinstance(value, float):
        raise SpecError(
            file,
            place,
            f"{value!r} is a decimal number, and a level is text",
            f'put it in quotes: "{value!r}"',
        )
    raise SpecError(file, place, f"{show(value)} is not text", "a level is text or a whole number; quote it")


def as_entry(value: object, file: Path, place: str) -> Entry:
    """Return one pair or tuple as levels; an inner list stands for a level of an earlier pair or tuple.

    Raises:
        SpecError: not a list, or a level that is not text.
    """
    if not isinstance(value, list):
        raise SpecError(file, place, f"{show(value)} is not a list of levels", "write one level per axis: [a, b]")
    entry: list[Level] = []
    for index, item in enumerate(value):
        where = f"{place}[{index}]"
        if isinstance(item, list):
            entry.append(tuple(as_level(part, file, f"{where}[{k}]") for k, part in enumerate(item)))
        else:
            entry.append(as_level(item, file, where))
    return tuple(entry)


def find_reference(reference: str, config: Path, place: str) -> Path:
    """Return the file that an ``@file:`` value names, which must lie in the folder of the config.

    Args:
        reference: the value as written, with its ``@file:``.
        config: the spec's config file.
        place: where in the config the value stands.

    Raises:
        SpecError: no path, an absolute one, one that leaves the folder (also through a link), or no file.
    """
    name = reference.removeprefix(REFERENCE).strip()
    folder = config.parent
    hint = f"write the path relative to {folder}, for example {REFERENCE}items/levels.csv"
    if not name or "\0" in name:
        raise SpecError(config, place, f"{show(reference)} names no file", hint)
    path = folder / name
    try:
        leaves = Path(name).is_absolute() or not path.resolve().is_relative_to(folder.resolve())
        is_file = not leaves and path.is_file()
    except (OSError, RuntimeError) as error:
        raise SpecError(config, place, f"'{name}' cannot be followed ({error})", hint) from None
    if leaves:
        raise SpecError(config, place, f"'{name}' leaves the spec folder", f"copy the file into {folder} and {hint}")
    if not is_file:
        raise SpecError(config, place, f"there is no file '{name}' in {folder}", hint)
    return path


def read_items(path: Path) -> Entries:
    """Return the items of an ``@file:`` file; every cell is stripped text.

    Read by suffix: .csv (header, then rows), .txt (one per line), .yaml and .json (a list of levels, of
    lists of levels, or of mappings with the same keys, which act as header).

    Raises:
        SpecError: unreadable, no rows, an empty cell, or rows of unequal length.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        items = _read_csv(path)
    elif suffix == ".txt":
        items = _read_lines(path)
    elif suffix in ITEM_SUFFIXES:
        items = _read_list(path)
    else:
        raise SpecError(
            path, "", f"items cannot be read from a '{path.suffix}' file", f"use {', '.join(ITEM_SUFFIXES)}"
        )
    if not items.rows:
        raise SpecError(path, "", "the file has no rows", "add at least one, or drop the reference to it")
    return items


def load_document(path: Path) -> Any:
    """Return the content of a .yaml or .json file, safe-loaded.

    Raises:
        SpecError: unreadable or malformed, with line and column; a key given twice, nested too deeply.
    """
    text = _read_text(path)
    parse = documents.parse_json if path.suffix.lower() == ".json" else documents.parse_yaml
    try:
        return parse(path, text)
    except PlacedError as error:
        raise SpecError(error.file, error.place, error.reason, error.hint) from None


def _read_text(path: Path) -> str:
    try:
        if not path.is_file():
            raise SpecError(path, "", "there is no such file", "check the path")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SpecError(
                path,
                "",
                f"{size:,} bytes are too many for a spec (limit {MAX_BYTES:,})",
                "is it the right file?",
            )
        content = path.read_bytes()
    except OSError as error:
        raise SpecError(path, "", f"cannot be read ({error.strerror})", "check its permissions") from None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SpecError(path, "", "the file is UTF-16 text", "save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SpecError(path, f"byte {error.start}", "not UTF-8 text", "save it as UTF-8") from None
    if "\0" in text:
        raise SpecError(path, f"byte {content.index(0)}", "a binary file, not text", "save it as UTF-8 text")
    return text


def _empty_cell(path: Path, place: str) -> SpecError:
    return SpecError(path, place, "an empty cell", "fill it in or remove the row")


def _read_csv(path: Path) -> Entries:
    records = list(_csv_records(path, _read_text(path)))
    while len(records) > 1 and _is_blank(records[-1][1]):
        records.pop()
    if not records or _is_blank(records[0][1]):
        raise SpecError(path, "line 1", "there is no header", "the first line names the columns")
    header = tuple(cell.strip() for cell in records[0][1])
    if other := other_separator(header):
        raise SpecError(path, "line 1", f"its cells are separated by {other}, not by commas", SAVE_WITH_COMMAS)
    for index, name in enumerate(header):
        if not name:
            raise SpecError(path, f"line 1 column {index + 1}", "a column without a name", "name every column")
        if name in header[:index]:
            raise SpecError(path, f"line 1 column {name}", f"the column '{name}' is given twice", "rename one")
    rows = []
    for line, record in records[1:]:
        cells = tuple(cell.strip() for cell in record)
        if len(cells) > 1 and len(cells) != len(header):
            raise SpecError(
                path,
                f"line {line}",
                f"{len(cells)} cells, but the header has {len(header)}",
                "give every row one cell per column; a cell with a comma needs quotes",
            )
        for name, cell in zip(header, cells or ("",), strict=False):
            if not cell:
                raise _empty_cell(path, f"line {line} column {name}")
        if len(cells) < len(header):
            raise _empty_cell(path, f"line {line} column {header[len(cells)]}")
        rows.append(cells)
    return Entries(path, tuple(rows), tuple(f"line {line}" for line, _ in records[1:]), header)


def _csv_records(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for record in reader:
            yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise SpecError(path, f"line {line}", f"not valid CSV ({error})", "check the quotes there") from None


def _is_blank(record: list[str]) -> bool:
    return not record or (len(record) == 1 and record[0] != "" and not record[0].strip())


def _read_lines(path: Path) -> Entries:
    lines = [line.strip() for line in io.StringIO(_read_text(path), newline=None)]
    while lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, start=1):
        if not line:
            raise SpecError(path, f"line {number}", "an empty line among the levels", "fill it in or remove it")
    places = tuple(f"line {number}" for number in range(1, len(lines) + 1))
    return Entries(path, tuple((line,) for line in lines), places)


def _read_list(path: Path) -> Entries:
    content = load_document(path)
    if content is None:
        content = []
    if not isinstance(content, list):
        raise SpecError(path, "", f"the file holds {show(content)}, not a list", "write a list of levels")
    places = tuple(f"[{index}]" for index in range(len(content)))
    if content and all(isinstance(item, dict) for item in content):
        return _read_mappings(path, content, places)
    rows = tuple(
        as_entry(item, path, place) if isinstance(item, list) else (as_level(item, path, place),)
        for item, place in zip(content, places, strict=True)
    )
    for row, place, item in zip(rows, places, content, strict=True):
        if isinstance(item, list) != isinstance(content[0], list) or len(row) != len(rows[0]):
            raise SpecError(path, place, f"{show(item)} does not have the shape of the first item", "make them alike")
        if not row:
            raise _empty_cell(path, place)
        for index, level in enumerate(row):
            if not level or (isinstance(level, tuple) and not all(level)):
                raise _empty_cell(path, f"{place}[{index}]" if isinstance(item, list) else place)
    return Entries(path, rows, places)


def _read_mappings(path: Path, content: list[dict[Any, Any]], places: tuple[str, ...]) -> Entries:
    header = tuple(as_level(key, path, "[0]") for key in content[0])
    rows = []
    for item, place in zip(content, places, strict=True):
        if set(item) != set(content[0]):
            raise SpecError(path, place, f"keys {show(list(item))} differ from the first item's", "use the same keys")
        row = tuple(as_level(item[key], path, f"{place}.{key}") for key in content[0])
        for name, cell in zip(header, row, strict=True):
            if not cell:
                raise _empty_cell(path, f"{place}.{name}")
        rows.append(row)
    if not header or not all(header) or len(set(header)) != len(header):
        raise SpecError(path, "[0]", "the keys do not name different columns", "name every column once")
    return Entries(path, tuple(rows), places, header)
