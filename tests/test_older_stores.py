"""Stores that earlier versions wrote are read, completed without a call, and give the same tables."""

import tarfile
from pathlib import Path

import pytest

from tests.project import SOURCE, read_csv, snakemake

STORES = SOURCE / "tests" / "stores"

# table -> columns whose meaning has changed since; CHANGELOG.md says how
CHANGED: dict[str, set[str]] = {}
# tables whose rows have another meaning since
REPLACED: set[str] = set()


def unpack(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as found:
        found.extractall(folder, filter="data")
    return folder


def attempts(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.glob("data/gens/*/*/attempts/[0-9]*.json"))
    }


@pytest.mark.slow
def test_a_store_of_version_0_1_0_is_completed_without_a_call_to_the_same_tables(tmp_path: Path):
    store = unpack(STORES / "v0.1.0.tar.gz", tmp_path / "store")
    expected = unpack(STORES / "v0.1.0-expected.tar.gz", tmp_path / "expected")
    before = attempts(store)

    # seven parse failures stand; the server that answered is gone, so a call would fail and be seen
    said = snakemake(store, "--cores", "4", "--config", "accept_failures=true")

    assert attempts(store) == before
    assert "gateway.invalid" not in said
    tables = sorted(path.relative_to(expected) for path in expected.rglob("*.csv"))
    assert len(tables) > 50
    differing = {}
    for table in tables:
        if table.stem not in REPLACED:
            then, now = read_csv(expected / table), read_csv(store / table)
            kept = [name for name in (then[0] if then else ()) if name not in CHANGED.get(table.stem, set())]
            if columns(then, kept) != columns(now, kept):
                differing[str(table)] = [
                    (one, other)
                    for one, other in zip(columns(then, kept), columns(now, kept), strict=False)
                    if one != other
                ][:3]
    assert differing == {}


def columns(rows: list[dict[str, str]], names: list[str]) -> list[dict[str, str | None]]:
    return [{name: row.get(name) for name in names} for row in rows]
