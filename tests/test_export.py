"""The export: one row per evaluation, cells that fit the files of the store, a dictionary that fits the table."""

import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pyarrow.parquet
import pytest

from tests.project import SOURCE, read_csv
from tests.small_cohort import COHORT, make_project, run_all
from tests.stores import Store
from workflow_lib.cli import main
from workflow_lib.generations.state import States
from workflow_lib.results import coverage, export, scores

EXAMPLE = SOURCE / "docs" / "examples" / "plot_export.py"
HOSTILE = '=HYPERLINK("https://example.org"),\n\u202e<b>, it\'s'


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def exported(store: Store, formats=export.FORMATS) -> tuple[list[dict[str, str]], Path]:
    """Return the rows of the CSV file, and the folder of the export."""
    folder = store.root / "out"
    judgements = scores.of_cohort(store.settings, store.membership)
    export.write(folder, export.rows(States(store.settings), judgements), formats)
    return read_csv(folder / "evaluations.csv"), folder


def parquet(folder: Path) -> list[dict]:
    return pyarrow.parquet.read_table(folder / "evaluations.parquet").to_pylist()


def test_row_has_the_lineage_and_what_the_files_say(store):
    draft = store.draft("d-other", "w2", replicate=2, combo=1, raw="One two\nthree.")
    essay = store.essay(draft, "e-other", "w1", replicate=3, raw="Four words are here.")
    recorded = {
        "truncated": False,
        "finish_reason": "stop",
        "started_at": "2025-03-01T12:00:00.250+01:00",
        "cost_usd": 0.25,
    }
    one = store.evaluation(essay, "ten", "j2", 4, score=8, recorded=recorded)
    [row], _ = exported(store)
    wanted = {
        "gen_id": one.gen_id,
        "parent_gen_id": essay.gen_id,
        "draft_gen_id": draft.gen_id,
        "origin_cohort_id": "small",
        "combo_id": store.combos[1],
        "description_level": "paragraph",
        "concept_count": "2",
        "concept_ids": "c1; c3",
        "concept_names": "First; Third",
        "draft_template": "d-other",
        "draft_model": "w2",
        "draft_model_name": "org/writer-2",
        "draft_model_offline": "false",
        "draft_replicate": "2",
        "generation_template": "e-other",
        "generation_model": "w1",
        "essay_replicate": "3",
        "evaluation_template": "ten",
        "evaluation_llm_model": "j2",
        "evaluation_replicate": "4",
        "score": "8.0",
        "scale_max": "10.0",
        "score_normalised": "0.8",
        "outcome": "scored",
        "error": "",
        "stale": "false",
        "stale_lineage": "false",
        "stale_reasons": "",
        "edited": "false",
        "evaluation_truncated": "false",
        "evaluation_cost_usd": "0.25",
        "evaluation_prompt_tokens": "100",
        "evaluation_completion_tokens": "20",
        "evaluation_seconds": "0.5",
        "evaluation_started_at": "2025-03-01T11:00:00.250+00:00",
        "essay_words": "4",
        "essay_chars": "20",
        "essay_prompt_chars": str(len(store.files(essay).prompt.read_text())),
        "draft_words": "3",
        "draft_cost_usd": "0.001",
    }
    assert {name: row[name] for name in wanted} == wanted
    paths = [name for name in row if name.endswith("_path")]
    assert len(paths) == 9 and all((store.root / row[name]).is_file() for name in paths)
    assert (store.root / row["generation_response_path"]).read_text() == "Four words are here."


def test_every_evaluation_has_its_row_and_its_reason(store):
    essay = store.essay(store.draft())
    by_state = {
        "scored": store.evaluation(essay, replicate=1),
        "unparsable": store.evaluation(essay, replicate=2, state="raw", failure=("parse", "no_score_last_lines")),
        "failed_call": store.evaluation(essay, replicate=3, state="failed", failure=("call", "timeout")),
        "not_run": store.evaluation(essay, replicate=4, state="absent"),
    }
    table, _ = exported(store)
    found = {row["gen_id"]: row for row in table}
    assert list(found) == sorted(found) and len(found) == 4
    for outcome, entry in by_state.items():
        row = found[entry.gen_id]
        assert row["outcome"] == outcome
        assert bool(row["score"]) == bool(row["score_normalised"]) == (outcome == "scored") == (not row["error"])
    assert found[by_state["failed_call"].gen_id]["error"] == "timeout"
    assert found[by_state["not_run"].gen_id]["evaluation_cost_usd"] == ""


def test_both_formats_hold_the_same_cells(store):
    essay = store.essay(store.draft(), "e-copy")
    store.evaluation(essay, recorded={"started_at": "2025-03-01T12:00:00+00:00"})
    store.evaluation(essay, judge="j2", state="absent")
    table, folder = exported(store)
    assert len(table) == 2
    for text, typed in zip(table, parquet(folder), strict=True):
        assert text == {name: as_text(value) for name, value in typed.items()}


def as_text(value: object) -> str:
    """Return a typed cell as CSV shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    return "" if value is None else str(value)


def test_copied_essay_has_the_drafts_model_and_no_cost(store):
    store.evaluation(store.essay(store.draft(model="w2"), "e-copy"))
    [row], _ = exported(store)
    assert (row["generation_model"], row["essay_mode"], row["essay_cost_usd"]) == ("w2", "copy", "")
    assert row["evaluation_cost_usd"] == "0.001"


def test_old_store_without_newer_fields_is_exported(store):
    essay = store.essay(store.draft(old=True), old=True)
    store.evaluation(essay, old=True)
    [row], _ = exported(store)
    assert (row["score"], row["stale"], row["evaluation_attempt"], row["essay_seconds"]) == ("7.0", "unknown", "", "")
    assert row["essay_raw_chars"] == str(len(store.files(essay).raw.read_text()))


def test_broken_chain_keeps_the_names_that_are_known(store):
    draft = store.draft()
    essay = store.essay(draft)
    one = store.evaluation(essay)
    store.files(draft).metadata.unlink()
    store.files(essay).metadata.unlink()
    judgements = scores.of_store(store.settings, [one.gen_id])
    [cells] = export.rows(States(store.settings), judgements)
    row = dict(zip((column.name for column in export.COLUMNS), cells, strict=True))
    assert (row["parent_gen_id"], row["draft_gen_id"], row["draft_model"]) == (essay.gen_id, None, None)
    assert row["score"] == 7.0


def test_text_of_endpoints_is_safe_in_a_spreadsheet_and_exact_in_parquet(store):
    essay = store.essay(store.draft())
    one = store.evaluation(essay)
    fields = {"served_model": HOSTILE, "finish_reason": "half \ud800", "cost_usd": float("nan"), "attempt": 2**80}
    about = json.loads(store.files(one).raw_metadata.read_text()) | fields
    store.files(one).raw_metadata.write_text(json.dumps(about))
    [row], folder = exported(store)
    assert row["evaluation_served_model"] == f"'{HOSTILE}"
    [typed] = parquet(folder)
    assert typed["evaluation_served_model"] == HOSTILE
    assert typed["evaluation_finish_reason"] == row["evaluation_finish_reason"] == "half \ufffd"
    assert (typed["evaluation_cost_usd"], typed["evaluation_attempt"]) == (None, None)


def test_same_store_gives_the_same_bytes(store):
    store.evaluation(store.essay(store.draft()))
    _, folder = exported(store)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(first) == ["data_dictionary.csv", "evaluations.csv", "evaluations.parquet"]
    exported(store)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_empty_cohort_gives_a_header_and_types(store):
    table, folder = exported(store)
    assert table == [] and parquet(folder) == []
    schema = pyarrow.parquet.read_schema(folder / "evaluations.parquet")
    assert str(schema.field("score").type) == "double" and str(schema.field("essay_started_at").type).startswith("time")


def test_dictionary_describes_every_column(store):
    store.evaluation(store.essay(store.draft()))
    [row], folder = exported(store)
    dictionary = read_csv(folder / "data_dictionary.csv")
    assert [one["column"] for one in dictionary] == list(row)
    assert all(one["meaning"].endswith(".") and one["source"] and one["type"] for one in dictionary)
    assert {one["type"] for one in dictionary} == {export.TEXT, export.WHOLE, export.NUMBER, export.FLAG, export.TIME}
    schema = pyarrow.parquet.read_schema(folder / "evaluations.parquet")
    for one in dictionary:
        kept = schema.field(one["column"]).metadata
        assert {key: kept[key.encode()].decode() for key in ("meaning", "unit", "source")} == {
            key: one[key] for key in ("meaning", "unit", "source")
        }


def test_columns_named_as_in_the_scores_table_hold_the_same(store):
    essay = store.essay(store.draft())
    store.evaluation(essay, score=3)
    store.evaluation(essay, judge="j2", state="raw", failure=("parse", "out_of_range"))
    table, _ = exported(store)
    same = {column.name for column in export.COLUMNS} & set(scores.COLUMNS)
    assert len(same) >= 18
    frame = scores.frame(scores.of_cohort(store.settings, store.membership)).astype("string").fillna("")
    for row, cells in zip(frame.to_dict("records"), table, strict=True):
        assert {name: row[name] for name in same} == {name: cells[name] for name in same}


def test_page_names_columns_that_exist():
    text = (SOURCE / "docs" / "export.md").read_text()
    table = text.partition("| question | columns |")[2].partition("\n\n")[0]
    named = {name for name in re.findall(r"`([a-z_]+)`", table) if not name.startswith("_")}
    assert len(named) > 20 and named <= {column.name for column in export.COLUMNS}
    assert set(re.findall(r"`(_\w+)`", table)) == {"_name", "_provider", "_offline"}
    assert {"scored", "other_model"} <= set(coverage.OUTCOMES)


@pytest.fixture(scope="module")
def bought(tmp_path_factory) -> Path:
    """A project whose cohort is bought and parsed."""
    folder = tmp_path_factory.mktemp("bought")
    run_all(make_project(folder))
    return folder


def test_command_writes_a_cohort_or_the_whole_store(bought, monkeypatch, capsys):
    monkeypatch.chdir(bought)
    assert main(["export"]) == 0
    folder = bought / "data" / "cohorts" / COHORT / "export"
    assert "8 evaluations, 8 with a score" in capsys.readouterr().out
    assert main(["export", "--all", "--format", "csv"]) == 0
    whole = bought / "data" / "7_cross_experiment" / "export"
    assert sorted(path.name for path in whole.iterdir()) == ["data_dictionary.csv", "evaluations.csv"]
    assert (whole / "evaluations.csv").read_bytes() == (folder / "evaluations.csv").read_bytes()
    assert main(["export", "--out", "here"]) == 0
    assert (bought / "here" / "evaluations.parquet").read_bytes() == (folder / "evaluations.parquet").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "parqet"], "unknown format 'parqet'\nHint: did you mean 'parquet'?"),
        (["--cohort", "mini,other"], "are several cohorts\nHint: choose a folder for the table: --out DIR"),
        (["--cohort", "mini", "--all"], "not allowed with argument"),
    ],
)
def test_wrong_usage_is_reported(arguments, message, bought, monkeypatch, capsys):
    monkeypatch.chdir(bought)
    other = bought / "data" / "cohorts" / "other" / "spec" / "config.yaml"
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_text((bought / "data" / "cohorts" / COHORT / "spec" / "config.yaml").read_text())
    assert main(["export", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evaluations.csv", "evaluations.parquet"])
def test_example_draws_the_means_of_the_table(name, bought, tmp_path, monkeypatch):
    monkeypatch.chdir(bought)
    assert main(["export", "--out", str(tmp_path)]) == 0
    command = [sys.executable, str(EXAMPLE), str(tmp_path / name), "scores.svg"]
    environment = os.environ | {"MPLCONFIGDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first = (tmp_path / "scores.svg").read_bytes()
    drawn = first.decode()
    assert "Offline models: these scores mean nothing" in drawn
    table = read_csv(tmp_path / "evaluations.csv")
    lines = [line.split() for line in done.stdout.splitlines()[1:]]
    assert len(lines) == 4
    for template, judge, n, mean, _ in lines:
        assert template in drawn and judge in drawn
        own = [row for row in table if (row["draft_template"], row["evaluation_llm_model"]) == (template, judge)]
        shares = [float(row["score_normalised"]) for row in own]
        assert int(n) == len({row["draft_gen_id"] for row in own}) == 1
        assert float(mean) == pytest.approx(sum(shares) / len(shares), abs=0.0006)
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert (tmp_path / "scores.svg").read_bytes() == first
