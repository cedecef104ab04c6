"""The append-only registry of combos, combo_mappings.csv."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .. import ids
from ..errors import CatalogError, StoreError, nearest
from ..files import write_bytes
from ..locks import locked
from ..paths import DataRoot
from ..tables import appended, counting_number, header_of, read_rows
from .tables import LEVELS, Catalogs

COLUMNS = ("combo_id", "version", "concept_id", "description_level", "k_max", "created_at")


@dataclass(frozen=True)
class Combo:
    """A set of concepts at a description level; `concept_ids` in the order of rendering."""

    combo_id: str
    concept_ids: tuple[str, ...]
    level: str
    k_max: int

    @property
    def meaning(self) -> tuple[frozenset[str], str, int]:
        """What the id stands for; two combos with one id must agree in it."""
        return frozenset(self.concept_ids), self.level, self.k_max


_cache: dict[Path, tuple[tuple[int, int], dict[str, Combo]]] = {}


def load(data: DataRoot) -> Mapping[str, Combo]:
    """Return the registered combos by id, in file order; none if there is no registry yet.

    Raises:
        CatalogError: a row that cannot be read, or one combo with two levels or sizes.
    """
    path = data.combo_mappings.absolute()
    try:
        stat = path.stat()
    except FileNotFoundError:
        return {}
    signature = (stat.st_mtime_ns, stat.st_size)
    known = _cache.get(path)
    if not known or known[0] != signature:
        known = (signature, _read(path))
        _cache[path] = known
    return known[1]


def enumerate_combos(catalogs: Catalogs, concept_ids: Sequence[str], sizes: Iterable[int], level: str) -> list[Combo]:
    """Return every subset of the concepts of each size; concepts in catalog order, smaller sizes first.

    A combo's k_max is the number of its concepts, so that widening the sizes changes no id.
    """
    chosen = set(concept_ids)
    ordered = [concept_id for concept_id in catalogs.concepts if concept_id in chosen]
    return [
        Combo(ids.combo_id(subset, level, size), subset, level, size)
        for size in dict.fromkeys(sizes)
        for subset in itertools.combinations(ordered, size)
    ]


def register(data: DataRoot, combos: Iterable[Combo]) -> None:
    """Append the combos that the registry lacks; existing rows are not touched.

    Raises:
        StoreError: a known id that stands for other concepts, another level or size.
    """
    wanted = {combo.combo_id: combo for combo in combos}
    if not wanted:
        return
    path = data.combo_mappings
    with locked(data.coordination / "combo_mappings.lock"):
        known = load(data)
        for combo_id in wanted.keys() & known.keys():
            if known[combo_id].meaning != wanted[combo_id].meaning:
                raise StoreError(
                    f"{path}: {combo_id} exists already, with other contents than the spec's",
                    "its rows were edited: undo that, or remove them, and `snakemake cohort` writes them anew",
                )
        missing = [combo for combo_id, combo in wanted.items() if combo_id not in known]
        if missing:
            _append(path, missing)


def check(combo: Combo, catalogs: Catalogs, path: Path) -> None:
    """Raise CatalogError if a combo names a concept or level that does not exist."""
    for concept_id in combo.concept_ids:
        if concept_id not in catalogs.concepts:
            raise CatalogError(
                path,
                combo.combo_id,
                f"unknown concept '{concept_id}'",
                nearest(concept_id, catalogs.concepts),
            )


def _read(path: Path) -> dict[str, Combo]:
    rows: dict[str, list[tuple[str, str, int]]] = {}
    for row in read_rows(path, ("combo_id", "concept_id", "description_level", "k_max")):
        place = f"line {row.line}"
        if row["description_level"] not in LEVELS:
            raise CatalogError(path, place, f"description_level '{row['description_level']}' is none of {LEVELS}")
        k_max = counting_number(row["k_max"])
        if k_max is None:
            raise CatalogError(path, place, f"k_max '{row['k_max'][:20]}' is not a whole number of 1 or more")
        entry = (row["concept_id"], row["description_level"], k_max)
        seen = rows.setdefault(row["combo_id"], [])
        if seen and seen[0][1:] != entry[1:]:
            raise CatalogError(path, place, f"{row['combo_id']} appears with two levels or sizes")
        if entry not in seen:
            seen.append(entry)
    return {
        combo_id: Combo(combo_id, tuple(concept for concept, _, _ in entries), entries[0][1], entries[0][2])
        for combo_id, entries in rows.items()
    }


def _append(path: Path, combos: Iterable[Combo]) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    rows = (
        dict(zip(COLUMNS, (combo.combo_id, "v1", concept, combo.level, combo.k_max, now), strict=True))
        for combo in combos
        for concept in combo.concept_ids
    )
    # by rename: whoever reads it meanwhile, without the lock, sees whole combos only
    write_bytes(path.resolve(), appended(path, header_of(path) or COLUMNS, rows), durable=True)
