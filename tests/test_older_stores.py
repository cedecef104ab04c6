"""Stores that earlier versions wrote are read, completed without a call, and give the same tables."""

import tarfile
import tomllib
from pathlib import Path

import pytest

from tests import small_cohort, tiny_root
from tests.project import SOURCE, read_csv, snakemake
from workflow_lib.calls import Caller
from workflow_lib.files import read_json

STORES = SOURCE / "tests" / "stores"

# table -> columns whose meaning has changed since; CHANGELOG.md says how
CHANGED = {
    "aggregated_scores": {"stale"},
    "evaluation_scores": {"stale"},
    "coverage": {"scored", "other_model"},
    # the id has the essay's model now
    "essay_tasks": {"essay_task_id"},
}
# tables whose figures are computed otherwise since
REPLACED = {"comparisons", "judge_agreement"}
# costs were those of all answers of a cohort; now of those that were bought in its name
BOUGHT_ALL_OF_ITS_OWN = "main"
OFFLINE = {"wa": "sim-writer-a", "ja": "sim-judge-a", "jb": "sim-judge-b"}
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


@pytest.mark.slow
def test_a_store_of_version_0_2_0_is_completed_without_a_call_to_the_same_tables(tmp_path: Path):
    store = unpack(STORES / "v0.2.0.tar.gz", tmp_path / "store")
    expected = unpack(STORES / "v0.2.0-expected.tar.gz", tmp_path / "expected")
    before = attempts(store)

    said = snakemake(store, "--cores", "4", "--config", "cohort=main,again")

    assert attempts(store) == before and len(before) == 443
    assert "gateway.invalid" not in said
    tables = sorted(path.relative_to(expected) for path in expected.rglob("*.csv"))
    assert len(tables) == 2 * (7 + 3 + 1)
    for table in tables:
        then, now = read_csv(expected / table), read_csv(store / table)
        assert now and columns(then, list(then[0])) == columns(now, list(then[0])), table
    deleted = store / "data" / "gens" / "essay" / "e_4x5qg7l4jbbuvjys"
    assert (deleted / "raw.txt").exists() and (deleted / "parsed.txt").exists()


def test_what_is_written_for_a_generation_has_the_files_and_fields_of_version_0_2_0(tmp_path: Path):
    store = unpack(STORES / "v0.2.0.tar.gz", tmp_path / "store")
    models = "id,model,endpoint,input_usd_per_mtok,output_usd_per_mtok\n"
    models += "".join(f"{name},{model},offline,0,0\n" for name, model in OFFLINE.items())
    settings = tiny_root.make(tmp_path / "now", llm_models=models)
    tiny_root.declare(settings)
    membership = tiny_root.expand(settings).membership
    caller = Caller(settings)
    for entry in membership:
        small_cohort.run_one(settings, caller, entry)
    # the first essay is no copy
    for stage, old in (("draft", "wa"), ("essay", "wa"), ("evaluation", "ja")):
        now = next(entry for entry in membership.stage(stage) if entry.llm_model_id == old)
        then = next(
            path.parent
            for path in sorted((store / "data" / "gens" / stage).glob("*/metadata.json"))
            if (read_json(path)["llm_model_id"], read_json(path)["mode"]) == (old, "llm")
            and (path.parent / "parsed.txt").exists()
        )
        folder = settings.data.generation(stage, now.gen_id).folder
        assert shape(then) <= shape(folder)


def shape(folder: Path) -> set[str]:
    """Return the files of a generation, and the fields of those in JSON; what only a batch adds is left out."""
    found = set()
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_file() and "." not in name[:1]:
            found.add(name)
            if path.suffix == ".json":
                found |= {f"{name}: {field}" for field in read_json(path)}
    return {one for one in found if "batch" not in one}


def test_the_version_is_that_of_the_newest_changes():
    with open(SOURCE / "pyproject.toml", "rb") as project:
        version = tomllib.load(project)["project"]["version"]
    headings = [line[3:] for line in (SOURCE / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")]
    assert headings[0] == version
    kept = {path.name for path in STORES.glob("v*.tar.gz")}
    assert kept == {f"v{one}{part}.tar.gz" for one in headings for part in ("", "-expected")}
