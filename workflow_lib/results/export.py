"""One long table for analysts: a row per evaluation with everything to join on, and what its columns mean."""

import io
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from .. import tables
from ..cohorts.membership import Membership
from ..files import encode, write_bytes
from ..generations.state import States
from ..settings import Settings
from . import coverage, scores
from .export_columns import COLUMNS, FLAG, NUMBER, TEXT, TIME, WHOLE, Cell
from .export_rows import Row, Store
from .scores import Judgement

CSV = "csv"
PARQUET = "parquet"
FORMATS = (CSV, PARQUET)
TABLE = "evaluations"
DICTIONARY = "data_dictionary.csv"
DICTIONARY_COLUMNS = ("column", "type", "unit", "meaning", "source")

_NAMES = tuple(column.name for column in COLUMNS)


def judgements_of(settings: Settings, membership: Membership | None, states: States) -> list[Judgement]:
    """Return the evaluations to export, sorted by gen_id.

    Args:
        settings: settings of the run.
        membership: the generations of some cohorts, or None for every evaluation of the store.
        states: their states, as `rows` is to use them.
    """
    if membership is not None:
        return scores.of_cohort(settings, membership, states)
    # pandas: needed only on this path
    from . import cross

    return scores.of_store(settings, cross.evaluations(settings), states)


def rows(states: States, judgements: Sequence[Judgement]) -> list[list[Cell]]:
    """Return the cells of the table under `COLUMNS`, a row per evaluation, also of those without a score.

    Args:
        states: the states of the generations.
        judgements: the evaluations, in the order of the rows.
    """
    store = Store(states.settings.data)
    found = coverage.outcomes(states, judgements)
    pairs = zip(judgements, found, strict=True)
    return [[column.of(row) for column in COLUMNS] for row in (Row(store, *pair) for pair in pairs)]


def write(folder: Path, table: Sequence[Sequence[Cell]], formats: Collection[str]) -> list[Path]:
    """Write the table and its data dictionary; the same rows give the same bytes.

    Args:
        folder: made if needed; files of these names are replaced.
        table: as `rows` returns it.
        formats: some of `FORMATS`.

    Returns:
        The files written.
    """
    written = []
    if CSV in formats:
        written.append(folder / f"{TABLE}.csv")
        cells = (dict(zip(_NAMES, map(_csv_cell, row), strict=True)) for row in table)
        tables.write(written[-1], _NAMES, cells)
    if PARQUET in formats:
        written.append(folder / f"{TABLE}.parquet")
        write_bytes(written[-1], _parquet(table))
    written.append(folder / DICTIONARY)
    tables.write(written[-1], DICTIONARY_COLUMNS, dictionary())
    return written


def dictionary() -> list[dict[str, str]]:
    """Return the data dictionary: a row per column, in order (`DICTIONARY_COLUMNS`)."""
    return [
        {
            "column": column.name,
            "type": column.type,
            "unit": column.unit,
            "meaning": column.meaning,
            "source": column.source,
        }
        for column in COLUMNS
    ]


def _csv_cell(value: Cell) -> Cell:
    if isinstance(value, bool):
        return "true" if value else "false"
    return tables.spreadsheet_safe(value) if isinstance(value, str) else value


def _parquet(table: Sequence[Sequence[Cell]]) -> bytes:
    # not needed, and not loaded, for CSV
    import pyarrow
    import pyarrow.parquet

    types: Mapping[str, pyarrow.DataType] = {
        TEXT: pyarrow.string(),
        WHOLE: pyarrow.int64(),
        NUMBER: pyarrow.float64(),
        FLAG: pyarrow.bool_(),
        TIME: pyarrow.timestamp("ms", tz="UTC"),
    }
    fields, arrays = [], []
    for number, column in enumerate(COLUMNS):
        cells = [row[number] for row in table]
        if column.type == TEXT:
            # an endpoint's words may hold half a character, which no text format can keep
            cells = [cell if cell is None else encode(str(cell)).decode() for cell in cells]
        if column.type == TIME:
            cells = [None if cell is None else datetime.fromisoformat(str(cell)) for cell in cells]  # type: ignore[misc]
        about = {"meaning": column.meaning, "unit": column.unit, "source": column.source}
        fields.append(pyarrow.field(column.name, types[column.type], metadata=about))
        arrays.append(pyarrow.array(cells, types[column.type]))
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(arrays, schema=pyarrow.schema(fields)), out, compression="zstd")
    return out.getvalue()
