"""The commands that look and change nothing: plan, status, prompts, compile; and how all commands fail."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.project import SOURCE, TWO_BY_TWO, clean_environment
from tests.small_cohort import declare, expand, make_project, run_all
from workflow_lib import cli


@pytest.fixture
def settings(own_folder: Path):
    return make_project(own_folder)


def read_json(capsys):
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "workflow_lib", "--help"],
        cwd=SOURCE,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("usage: daydream")


@pytest.mark.parametrize("name", cli.command_names())
def test_every_command_explains_itself(name, capsys):
    assert cli.main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: daydream {name}")
    assert "--data-root" in shown and "--debug" in shown


def test_wrong_usage_ends_with_2(settings, capsys):
    assert cli.main(["plan", "--no-such-option"]) == 2
    assert cli.main([]) == 2
    assert cli.main(["status", "--cohort", "minni"]) == 2
    captured = capsys.readouterr()
    assert "there is no cohort 'minni'" in captured.err and "did you mean 'mini'?" in captured.err
    assert "Traceback" not in captured.err


def test_debug_shows_the_traceback(settings):
    from workflow_lib.errors import ConfigError

    with pytest.raises(ConfigError):
        cli.main(["status", "--cohort", "minni", "--debug"])


def test_plan_json_has_the_promised_shape(settings, capsys):
    assert cli.main(["plan", "--json"]) == 0
    plan = read_json(capsys)
    line = plan["stages"]["evaluation"]["sim-judge-a"]
    assert (line["rows"], line["done"], line["to_do"]) == (4, 0, 4)
    assert {"prompt_tokens", "completion_tokens", "cost_ceiling_usd", "cost_expected_usd"} <= set(line)
    assert line["prompt_tokens"] > 0 and line["cost_ceiling_usd"] == 0.0
    assert plan["pools"].keys() == {"offline"}
    assert plan["stale"] == {"count": 0, "cost_expected_usd": 0.0}


def test_plan_with_spec_shows_the_difference(settings, capsys, tmp_path):
    edited = tmp_path / "edited" / "config.yaml"
    edited.parent.mkdir()
    edited.write_text(
        TWO_BY_TWO.replace("[novelty]", "[novelty, creativity]").replace(
            "output:", "rules:\n  subsets:\n    evaluation_llm: [sim-judge-a, sim-judge-x]\noutput:"
        )
    )
    assert cli.main(["plan", "--spec", str(edited.parent), "--json"]) == 0
    captured = capsys.readouterr()
    plan = json.loads(captured.out)
    assert (plan["added"], plan["dropped"], plan["reused"]) == (4, 4, 0)
    assert plan["cells_per_rule"] == [{"rule": "rules.subsets.evaluation_llm", "before": 16, "after": 8}]
    assert plan["difference"]["calls"] == 4
    assert "sim-judge-x" in captured.err, "a level that a subset names and the axis lacks is a warning"
    assert cli.main(["plan", "--spec", str(edited)]) == 0
    assert "rules.subsets.evaluation_llm" in capsys.readouterr().out


def test_plan_compares_a_spec_with_the_cohort_that_it_lies_in(settings, capsys):
    narrow = TWO_BY_TWO.replace("[sim-judge-a, sim-judge-b]", "[sim-judge-a]")
    declare(settings, narrow, "narrow")
    expand(settings, "narrow")
    own = declare(settings, narrow.replace("[novelty]", "[novelty, creativity]"), "narrow")
    for path in (own, own.parent):
        assert cli.main(["plan", "--spec", str(path), "--json"]) == 0
        plan = read_json(capsys)
        assert (plan["cohort"], plan["added"], plan["dropped"]) == ("narrow", 4, 0)
    assert cli.main(["plan", "--spec", str(own), "--cohort", "mini", "--json"]) == 0
    plan = read_json(capsys)
    assert (plan["cohort"], plan["added"], plan["dropped"]) == ("mini", 4, 4)


def test_plan_prints_a_warning_once(settings, capsys):
    rules = "rules:\n  subsets:\n    evaluation_llm: [sim-judge-a, sim-judge-x]\noutput:"
    declare(settings, TWO_BY_TWO.replace("output:", rules))
    for arguments in (["plan"], ["plan", "--spec", str(settings.data.cohort("mini").spec)]):
        assert cli.main(arguments) == 0
        assert capsys.readouterr().err.count("sim-judge-x") == 1


def test_plan_for_people_says_unknown_where_no_price_is(settings, capsys):
    catalog = settings.data.catalog("llm_models")
    catalog.write_text(
        catalog.read_text().replace(
            'deterministic stand-in, richer prose",offline,,true,false,0,0',
            'deterministic stand-in, richer prose",offline,,true,false,,',
        )
    )
    assert cli.main(["plan"]) == 0
    shown = capsys.readouterr().out
    assert "unknown" in shown and "To do: 12 calls, 2 to copy" in shown


def test_status_ends_with_1_until_all_is_done(settings, capsys):
    assert cli.main(["status"]) == 1
    run_all(settings)
    capsys.readouterr()
    assert cli.main(["status"]) == 0
    assert "Spent: 0.0000 USD for 12 answers." in capsys.readouterr().out
    assert cli.main(["status", "--json"]) == 0
    assert read_json(capsys)["stages"]["essay"] == {"rows": 4, "done": 4, "raw_only": 0, "missing": 0, "failed": 0}


def test_status_before_the_first_expansion(settings, capsys):
    declare(settings, TWO_BY_TWO, "new")
    assert cli.main(["status", "--cohort", "new", "--json"]) == 1
    assert read_json(capsys)["stages"]["draft"]["missing"] == 2
    assert not settings.data.cohort("new").membership.exists()


def test_markup_in_a_failure_is_only_text(settings, capsys):
    from workflow_lib import cohorts
    from workflow_lib.files import write_json

    entry = cohorts.load_membership(settings, "mini").stage("draft")[0]
    files = settings.data.generation("draft", entry.gen_id)
    write_json(files.failure, {"step": "call", "reason": "bad_request", "message": "[red]x[/nothing] :bomb:"})
    assert cli.main(["status"]) == 1
    assert "[red]x[/nothing] :bomb:" in capsys.readouterr().out


def test_prompts_are_what_would_be_sent(settings, capsys, tmp_path):
    out = tmp_path / "prompts"
    assert cli.main(["prompts", "--out", str(out)]) == 0
    printed = capsys.readouterr().err
    assert "2 prompts rendered" in printed and "10 waiting" in printed and "2 copied" in printed
    run_all(settings)
    assert not any((out / "essay").glob("*"))
    assert cli.main(["prompts", "--out", str(out)]) == 0
    written = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.txt")}
    assert len(written) == 12
    for name, text in written.items():
        stage, gen_id = name.removesuffix(".txt").split("/")
        assert text == settings.data.generation(stage, gen_id).prompt.read_bytes()


def test_prompts_of_a_cohort_that_was_never_expanded(settings, capsys):
    declare(settings, TWO_BY_TWO.replace("default-mode-network", "mind-wandering"), "new")
    before = settings.data.combo_mappings.read_bytes()
    assert cli.main(["prompts", "--cohort", "new"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("----- draft d_") == 2
    assert captured.out.lower().count("mind wandering") >= 2
    assert settings.data.combo_mappings.read_bytes() == before


def test_compile_previews_rows(settings, capsys, tmp_path):
    path = declare(settings, TWO_BY_TWO, "new")
    assert cli.main(["compile", str(path.parent)]) == 0
    captured = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(captured.out)))
    assert len(rows) == 8
    assert rows[0]["combo_id"].startswith("combo_v1_") and rows[0]["draft_template"] == "creative-synthesis-v10"
    assert "8 rows" in captured.err
    out = tmp_path / "rows.csv"
    assert cli.main(["compile", str(path), "--out", str(out), "--limit", "3", "--seed", "1"]) == 0
    limited = out.read_text().splitlines()
    assert len(limited) == 4
    assert cli.main(["compile", str(path), "--limit", "3", "--seed", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == limited
    assert not settings.data.cohort("new").membership.exists()


def test_compile_counts_rule_by_rule_and_needs_no_catalogs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(
        "axes: {a: [1, 2, 3], b: [x, y]}\nrules: {subsets: {a: [1, 3, 7]}}\noutput: {field_order: [b, a]}\n"
    )
    assert cli.main(["compile", "config.yaml"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "b,a\nx,1\ny,1\nx,3\ny,3\n"
    assert "rules.subsets.a: 6 -> 4" in captured.err
    assert "'a' has no level" in captured.err


def test_broken_spec_is_one_message(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("axes: {a: [true]}\noutput: {field_order: [a]}\n")
    assert cli.main(["compile", "config.yaml"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("daydream compile: config.yaml")


def test_file_that_cannot_be_written_is_one_message(settings, capsys, tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    assert cli.main(["prompts", "--out", str(tmp_path / "taken")]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("daydream prompts: ") and "Not a directory" in captured.err


@pytest.mark.slow
def test_reader_that_has_seen_enough_is_no_error(settings, tmp_path):
    done = subprocess.run(
        f"{sys.executable} -m workflow_lib prompts | head -n 1",
        shell=True,
        cwd=tmp_path,
        env=clean_environment() | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("----- draft d_")
    assert "Traceback" not in done.stderr and "Broken pipe" not in done.stderr


@pytest.mark.parametrize("arguments", [("compile", "nowhere"), ("plan", "--spec", "nowhere")])
def test_spec_that_is_not_there_is_one_message(settings, capsys, arguments):
    assert cli.main(list(arguments)) == 1
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.slow
def test_offline_server_command_serves(settings, tmp_path):
    server = subprocess.Popen(
        [sys.executable, "-m", "workflow_lib", "serve-offline", "--latency", "0"],
        cwd=tmp_path,
        env=clean_environment() | {"PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = server.stdout.readline().split()[-1]
        request = {"model": "sim-judge-a", "messages": [{"role": "user", "content": "Score this."}], "seed": 1}
        answer = requests.post(f"{url}/chat/completions", json=request, timeout=10).json()
        assert answer["choices"][0]["message"]["content"]
    finally:
        server.terminate()
        assert server.wait(10) == 0


def test_data_root_option_wins(settings, capsys, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (elsewhere / "config").mkdir()
    (elsewhere / "config" / "config.yaml").write_text("cohort: mini\n")
    assert cli.main(["status", "--json"]) == 2
    capsys.readouterr()
    assert cli.main(["status", "--json", "--data-root", str(settings.data.root)]) == 1
    assert read_json(capsys)["stages"]["draft"]["rows"] == 2
