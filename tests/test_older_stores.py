"""Stores that earlier versions wrote are read, completed without a call, and give the same tables."""

import tarfile
from pathlib import Path

import pytest

from tests.project import SOURCE, read_csv, snakemake

STORES = SOURCE / "tests" / "stores"

# table -> columns whose meaning has changed since; CHANGELOG.md says how
CHANGED = {
    "aggregated_scores": {"stale"},
    "evaluation_scores": {"stale"},
    "coverage": {"scored", "other_model"},
}
# tables whose figures are computed otherwise since
REPLACED = {"comparisons", "judge_agreement"}
# costs were those of all answers of a cohort; now of those that were bought in its name
BOUGHT_ALL_OF_ITS_OWN = "main"
# the scores of an answer by another model counted then
AS_THEN = ("accept_failures=true", "results={accept_other_models: true}")
# an essay whose texts version 0.1.0 did not bring back: what its evaluations are made from was unknown
RESTORED = "e_12t070tsb0db0dma"


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
    said = snakemake(store, "--cores", "4", "--config", *AS_THEN)

    assert attempts(store) == before
    assert "gateway.invalid" not in said
    tables = sorted(path.relative_to(expected) for path in expected.rglob("*.csv"))
    assert len(tables) > 50
    differing = {}
    for table in tables:
        shares_costs = table.stem == "costs" and BOUGHT_ALL_OF_ITS_OWN not in table.parts
        if table.stem not in REPLACED and not shares_costs:
            then, now = read_csv(expected / table), read_csv(store / table)
            kept = [name for name in (then[0] if then else ()) if name not in CHANGED.get(table.stem, set())]
            if columns(then, kept) != columns(now, kept):
                differing[str(table)] = [
                    (one, other)
                    for one, other in zip(columns(then, kept), columns(now, kept), strict=False)
                    if one != other
                ][:3]
    assert differing == {}

    for table in expected.rglob("aggregated_scores.csv"):
        for then, now in zip(read_csv(table), read_csv(store / table.relative_to(expected)), strict=True):
            known = "false" if then["parent_gen_id"] == RESTORED else then["stale"]
            # what was called stale then is the lineage's
            assert now["stale_lineage"] == known, then["gen_id"]


def columns(rows: list[dict[str, str]], names: list[str]) -> list[dict[str, str | None]]:
    return [{name: row.get(name) for name in names} for row in rows]
