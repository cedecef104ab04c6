"""CSV files: read with the place of every mistake, written the same on every machine."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import CatalogError, PlacedError
from .files import write_text

# The csv module refuses cells above 128 kB; texts of models never are in cells, so this is room enough.
csv.field_size_limit(16 * 1024 * 1024)

MAX_TABLE_BYTES = 512 * 1024 * 1024
MAX_COUNT = 1_000_000
SAVE_WITH_COMMAS = "save the table as CSV with commas: spreadsheets ask for the separator when they export"


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        cells: column -> stripped text; every column of the header is there.
        line: line of the file on which the row ends, from 1.
    """

    cells: Mapping[str, str]
    line: int

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def get(self, column: str, default: str = "") -> str:
        """Return a cell, or the default where the column is missing or the cell empty."""
        return self.cells.get(column) or default


def read_rows(path: Path, required: Sequence[str], error: type[PlacedError] = CatalogError) -> list[Row]:
    """Return the rows of a CSV file, cells stripped, blank lines left out.

    Args:
        path: UTF-8 text with a header row; a BOM is accepted.
        required: columns that must be there; others are kept.
        error: class of what is raised.

    Raises:
        PlacedError: no such file, not UTF-8, no header, a column missing or twice, a row with too many cells.
    """
    lines = csv.reader(io.StringIO(_text_of(path, error), newline=""), strict=True)
    rows = []
    try:
        header = [name.strip() for name in next(lines, [])]
        _check_header(path, header, required, error)
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                raise error(
                    path,
                    f"line {lines.line_num}",
                    f"{len(cells)} cells under {len(header)} columns",
                    "put a cell that has a comma in it between double quotes",
                )
            cells += [""] * (len(header) - len(cells))
            rows.append(Row(dict(zip(header, (cell.strip() for cell in cells), strict=True)), lines.line_num))
    except csv.Error as problem:
        raise error(
            path, f"line {lines.line_num}", f"not readable as CSV: {problem}", "look for a quote that is open"
        ) from None
    return rows


def counting_number(text: str) -> int | None:
    """Return the whole number from 1 to a million that a cell holds, None if it holds something else."""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_COUNT))):
        return None
    return int(text) if 1 <= int(text) <= MAX_COUNT else None


def _text_of(path: Path, error: type[PlacedError]) -> str:
    try:
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise error(path, "", f"larger than {MAX_TABLE_BYTES // 2**20} MB: this cannot be a table")
        content = path.read_bytes()
    except FileNotFoundError:
        raise error(path, "", "no such file", "create it, or check data_root") from None
    except OSError as problem:
        raise error(path, "", f"cannot be read: {problem.strerror}", "it must be a readable file") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content[: problem.start].count(b"\n") + 1
        raise error(path, f"line {line}", "not UTF-8 text", "export the table as UTF-8 CSV") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise error(path, f"line {line}", "holds a NUL byte: not a text file", "export the table as UTF-8 CSV")
    return text


def other_separator(header: Sequence[str]) -> str | None:
    """Return what separates the cells of a table whose header has been read as one cell; None if commas do."""
    if len(header) != 1:
        return None
    return next(
        (name for sign, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")) if sign in header[0]), None
    )


def _check_header(path: Path, header: list[str], required: Sequence[str], error: type[PlacedError]) -> None:
    if not any(header):
        raise error(path, "line 1", "no header row", f"it must name {', '.join(required)}")
    if other := other_separator(header):
        raise error(path, "line 1", f"its cells are separated by {other}, not by commas", SAVE_WITH_COMMAS)
    for column in required:
        if column not in header:
            raise error(path, "line 1", f"no column '{column}'", f"found: {', '.join(header)}")
    for column in header:
        if column and header.count(column) > 1:
            raise error(path, "line 1", f"column '{column}' appears twice", "rename one of them")


def spreadsheet_safe(text: str) -> str:
    """Return free text so that a spreadsheet does not run it as a formula (OWASP: CSV injection)."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def render(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Return CSV text with a header and ``\\n`` line ends; None becomes an empty cell."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if row.get(name) is None else row[name] for name in columns] for row in rows)
    return out.getvalue()


def header_of(path: Path) -> list[str]:
    """Return the columns that a table's header names, in its order; [] if there is no table or nothing in it."""
    if not path.exists():
        return []
    with open(path, encoding="utf-8-sig", newline="") as lines:
        return [name.strip() for name in next(csv.reader(lines), [])]


def appended(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> bytes:
    """Return the bytes of a table with further rows; what is there stays as it is, whatever its quotes or line ends.

    Args:
        path: the table; one that does not exist gets a header.
        columns: those of its header.
        rows: cells by column; what no column takes is left out.
    """
    text = render(columns, rows)
    old = path.read_bytes() if path.exists() else b""
    if not old:
        return text.encode()
    end = b"\r\n" if b"\r\n" in old else b"\n"
    new = text.split("\n", 1)[1].encode().replace(b"\n", end)
    return old + (b"" if old.endswith(b"\n") else end) + new


def write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Replace a CSV file by these rows in one step."""
    write_text(path, render(columns, rows))
