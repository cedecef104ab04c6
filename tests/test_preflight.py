"""Mistakes that would spoil a call are reported before the first one, by every command alike."""

import json
from pathlib import Path

import pytest

from tests import provoked, tiny_root, wrong_inputs
from tests.project import Project
from tests.scripted_server import ScriptedServer, completion
from tests.small_cohort import run_all
from tests.wrong_inputs import COHORT, INPUTS, cell, make, setting, text
from workflow_lib import cohorts
from workflow_lib.catalogs import combos
from workflow_lib.cohorts.membership import Membership
from workflow_lib.generations import preflight
from workflow_lib.generations.preflight import PreflightError, refuse, warnings
from workflow_lib.inspect import mistakes, scope


def look(settings):
    return mistakes.of_scope(settings, scope.declared(settings))


def blocking(settings) -> list[str]:
    return [str(finding) for finding in look(settings) if finding.blocks]


def one_line(printed: str) -> str:
    return " ".join(printed.split())


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> dict[str, str]:
    """The message for each wrong input when it is alone."""
    return dict(wrong_inputs.messages(tmp_path_factory.mktemp("said")))


def test_cohort_that_the_other_tests_spoil_is_fine_before(tmp_path):
    assert look(make(tmp_path, [])) == []


@pytest.mark.parametrize(
    ("what", "parts"),
    [
        ("a description file is empty", ["descriptions-paragraph/moat.txt", "is empty", "remove the file"]),
        ("a description file has the name of no concept", ["lopo.txt", "no concept has the id 'lopo'", "'loop'?"]),
        ("an attribute that concepts do not have", ["titled.txt: line 2", "'title'", "name and content"]),
        (
            "an evaluation template does not use `response`",
            ["unseen.txt: does not use `response`: the model would not see the essay", "waive of line 3"],
        ),
        ("an evaluation template asks for no score line", ["silent.txt", "SCORE: <0-9>", "line 4"]),
        ("a `scale_max` that the parser cannot give", ["line 5, column scale_max", "at most 9", "score_0_100"]),
        ("a mistyped parser", ["evaluation_templates.csv: line 6, column parser", "'in_last_line'?"]),
        ("a parser of another stage", ["line 7, column parser", "one of drafts and essays"]),
        ("an unknown endpoint", ["llm_models.csv: line 2, column endpoint", "'openrouter'?"]),
        ("an unknown pool", ["llm_models.csv: line 5, column pool", "'slow'?"]),
        ("a budget, and a model without a price", ["line 3, columns input_usd", "0 is a price"]),
        ("a name in `budget_per_model` that no model has", ["budget_per_model", "'judg'", "'judge'?"]),
        ("a pattern of `template_filter` that matches nothing", ["template_filter.essay", "'structured'?"]),
        ("a name in `results.allowlist` that no column has", ["results.allowlist", "'judge_novelty'?"]),
    ],
)
def test_message_names_place_and_remedy(said, what, parts):
    assert [part for part in parts if part not in said[what]] == [], said[what]


@pytest.mark.slow
def test_every_command_reports_every_wrong_input_and_makes_no_call(tmp_path, said):
    project = wrong_inputs.project(tmp_path, INPUTS.values())
    with ScriptedServer(completion()) as server:
        env = {"DD_LLM_BASE_URL": server.url}
        project.snakemake("cohort", env=env)
        assert set(said.values()) <= found_by_check(project)
        printed = one_line(project.daydream("plan", code=1, env=env))
        assert [what for what, message in said.items() if one_line(message) not in printed] == [], printed
        for arguments in (("-n",), (), ("--config", "batch=50")):
            printed = one_line(project.snakemake(*arguments, code=1, env=env))
            assert [what for what, message in said.items() if one_line(message) not in printed] == [], printed
        assert server.requests == []
    assert not (project.data / "gens").exists()


@pytest.mark.full
@pytest.mark.parametrize("what", INPUTS)
def test_every_wrong_input_alone_stops_every_command(tmp_path, said, what):
    project = wrong_inputs.project(tmp_path, [INPUTS[what]])
    with ScriptedServer(completion()) as server:
        env = {"DD_LLM_BASE_URL": server.url}
        project.snakemake("cohort", env=env)
        assert found_by_check(project) == {said[what]}
        assert one_line(said[what]) in one_line(project.daydream("plan", code=1, env=env))
        assert one_line(said[what]) in one_line(project.snakemake("-n", code=1, env=env))
        assert one_line(said[what]) in one_line(project.snakemake(code=1, env=env))
        assert server.requests == []


@pytest.mark.full
def test_more_generations_than_allowed_stop_every_command(tmp_path):
    message = wrong_inputs.explosion(tmp_path / "said")
    project = wrong_inputs.project(tmp_path, [setting("max_generations", 20)])
    with ScriptedServer(completion()) as server:
        env = {"DD_LLM_BASE_URL": server.url}
        (finding,) = json.loads(project.daydream("check", "--json", code=1))["findings"]
        assert f"{finding['message']}\nHint: {finding['remedy']}" == message
        assert one_line(message) in one_line(project.daydream("plan", code=2, env=env))
        for arguments in (("cohort",), (), ("--config", "batch=50")):
            assert one_line(message) in one_line(project.snakemake(*arguments, code=1, env=env))
        refused = project.daydream("new-cohort", "big", "--k", "2", code=2)
        assert "cohort big: this expansion adds" in refused and "more than max_generations = 20" in refused
        assert server.requests == []
    assert not (project.cohort_folder / "membership.csv").exists()
    assert not (project.data / "cohorts" / "big").exists()


@pytest.mark.full
@pytest.mark.parametrize("mode", [(), ("--config", "batch=50")], ids=["plain", "batch"])
def test_a_missing_key_stops_the_run(tmp_path, mode):
    project = wrong_inputs.project(tmp_path, [])
    with ScriptedServer(completion()) as server:
        config = project.folder / "config" / "config.yaml"
        config.write_text(f"{config.read_text()}endpoints: {{openrouter: {{base_url: '{server.url}'}}}}\n")
        printed = one_line(project.snakemake(*mode, code=1))
        assert server.requests == []
    assert one_line(provoked.missing_key(tmp_path / "said")) in printed
    assert printed.count("OPENROUTER_API_KEY is not set") == 1 and "Traceback" not in printed


def found_by_check(project: Project) -> set[str]:
    """Return the mistakes that `daydream check` finds, as the other commands tell them."""
    findings = json.loads(project.daydream("check", "--json", code=1))["findings"]
    return {f"{one['path']}: {one['message']}\nHint: {one['remedy']}" for one in findings if one["kind"] == "mistake"}


@pytest.mark.slow
def test_a_finished_cohort_keeps_its_tables_and_is_warned(tmp_path, said):
    project = wrong_inputs.project(tmp_path, [])
    models = project.data / "1_raw" / "llm_models.csv"
    hosted = models.read_text()
    offline = hosted.replace("openrouter", "offline")
    for name, stand_in in {
        "writer": "writer-a",
        "novelist": "writer-b",
        "judge": "judge-a",
        "critic": "judge-b",
    }.items():
        offline = offline.replace(f"vendor/{name},", f"sim-{stand_in},")
    models.write_text(offline)
    tiny_root.expand(tiny_root.load(tmp_path), COHORT)
    run_all(tiny_root.load(tmp_path), COHORT)
    models.write_text(hosted)
    # a changed parser is another matter: the answers are parsed again, free
    spoils = {
        what: spoil for what, spoil in INPUTS.items() if "a mistyped parser" != what != "a parser of another stage"
    }
    make(tmp_path, spoils.values())
    with ScriptedServer(completion()) as server:
        printed = one_line(project.snakemake("results", env={"DD_LLM_BASE_URL": server.url}))
        assert server.requests == []
    assert [what for what in spoils if f"Warning: {one_line(said[what])}" not in printed] == []
    assert len(project.scores(COHORT)) == len(project.members("evaluation"))
    assert "Warning: " in project.daydream("plan")
    checked = json.loads(project.daydream("check", "--json", code=None))
    assert "mistake" not in checked["counts"]
    assert {said[what] for what in spoils} <= set(checked["warnings"])


def test_waived_checks_are_not_made(tmp_path):
    silent, unseen = "an evaluation template asks for no score line", "an evaluation template does not use `response`"
    settings = make(tmp_path, [INPUTS[silent], INPUTS[unseen]])
    assert len(blocking(settings)) == 2
    table = settings.data.catalog("evaluation_templates")
    rows = table.read_text().replace("scale_max", "scale_max,waive")
    rows = rows.replace("unseen,in_last_line,9", "unseen,in_last_line,9,response")
    table.write_text(rows.replace("silent,in_last_line,9", "silent,in_last_line,9,score response"))
    assert look(settings) == []


def test_only_open_calls_are_stopped(tmp_path):
    settings = make(tmp_path, [text("templates/essay/blind.txt", "Write.\n"), cell("llm_models", ",slow,", ",slwo,")])
    tiny_root.expand(settings, COHORT)
    within = scope.as_written(settings)
    known = combos.load(settings.data)

    def found_with(template: str, model: str) -> list[preflight.Finding]:
        is_open = [entry for entry in within.membership if (entry.template_id, entry.llm_model_id) == (template, model)]
        assert is_open
        return preflight.findings(settings, within.membership, known, Membership(is_open))

    found = found_with("structured", "writer")
    assert [finding.blocks for finding in found] == [False, False]
    refuse(found)
    assert ["blind.txt" in warnings(found)[0], "llm_models.csv" in warnings(found)[1]] == [True, True]
    found = found_with("structured", "critic")
    assert [finding.blocks for finding in found] == [True, False]
    with pytest.raises(PreflightError, match="pool 'slwo'"):
        refuse(found)


def test_concept_without_any_text_is_a_warning(tmp_path):
    settings = make(tmp_path, [])
    settings.data.concept("paragraph", "moat").unlink()
    (finding,) = look(settings)
    assert not finding.blocks
    assert "concepts_metadata.csv: line 2, column concept_id: 'moat' has no description file" in str(finding)


def test_parser_of_higher_scores_than_the_default_scale_is_a_warning(tmp_path):
    settings = make(tmp_path, [cell("evaluation_templates", "percent,in_last_line,9", "percent,score_0_100,")])
    (finding,) = look(settings)
    assert not finding.blocks
    assert "line 5, column scale_max: scale_max is 9, and parser score_0_100 gives up to 100" in str(finding)


def test_allowlist_without_a_column_of_this_cohort_is_a_warning(tmp_path):
    settings = make(tmp_path, [])
    settings = tiny_root.load(tmp_path, cohort=COHORT, results={"allowlist": ["writer_novelty"]})
    (finding,) = look(settings)
    assert not finding.blocks
    assert "none of its names is a score column of this cohort" in str(finding)


def test_zero_is_a_price(tmp_path):
    settings = make(
        tmp_path,
        [
            cell("llm_models", "vendor/novelist,openrouter,,1,10", "vendor/novelist,openrouter,,0,0"),
            setting("budget_usd", 1),
        ],
    )
    assert look(settings) == []


@pytest.mark.parametrize("usage", ["{{ response | upper }}", "{{ response[:40] }}", "{% set x = response %}{{ x }}"])
def test_a_text_that_is_used_in_another_form_is_used(tmp_path, usage):
    settings = make(tmp_path, [text("templates/evaluation/unseen.txt", f"{usage}\nSCORE: <0-9>\n")])
    assert look(settings) == []


def test_check_finds_a_spec_that_cannot_be_expanded(tmp_path):
    settings = make(tmp_path, [])
    tiny_root.declare(settings, SPEC_OF_NOBODY, "broken")
    (finding,), warnings = mistakes.of_all(settings)
    assert (finding.kind, finding.path) == ("broken_spec", "cohorts/broken/spec")
    assert "unknown model 'nobody'" in finding.message
    assert warnings == []


SPEC_OF_NOBODY = wrong_inputs.SPEC.replace("[judge]", "[nobody]")


def test_shipped_cohorts_have_nothing_wrong(tmp_path):
    settings = tiny_root.settings_module.load({"data_root": str(Path(__file__).parent.parent / "data")}, None, {})
    assert cohorts.existing(settings)
    assert mistakes.of_all(settings) == ([], [])
