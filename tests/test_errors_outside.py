"""What a user sees of a mistake: one message in the terminal, the right exit code, and nothing half-written."""

import json
import re
from pathlib import Path

import pytest

from tests.project import TWO_BY_TWO, Project
from tests.tiny_root import bytes_of
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow

DRAFTS_ONLY = """
combos: {concepts: [default-mode-network, combinatorial-creativity], k: 2}
axes:
  draft_template: [analytical-memo-v2]
  draft_llm: [gpt-6-luna]
output: {field_order: [combo_id, draft_template, draft_llm]}
"""
PAID_JUDGE = TWO_BY_TWO.replace("[sim-judge-a, sim-judge-b]", "[sim-judge-a, sonnet-4]")
KEY = "sk-or-v1-this-is-not-a-key"


def complaint(project: Project, *arguments: str, **others) -> str:
    """Run snakemake, which must end with 1 and a readable message; returns what it printed."""
    output = project.snakemake(*arguments, code=1, **others)
    assert "Traceback" not in output
    assert not re.search(r"^\s+File \"", output, re.MULTILINE)
    assert "\N{INVISIBLE SEPARATOR}" not in output
    assert "Hint: " in output or "What to do:" in output
    return output


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def everywhere(folder: Path, secret: str) -> list[str]:
    """Return the files below a folder that hold a text."""
    return [name for name, content in bytes_of(folder).items() if secret.encode() in content]


# catalogs and templates


def test_a_missing_template_file_stops_before_any_call(project: Project):
    path = project.data / "1_raw" / "templates" / "evaluation" / "novelty.txt"
    path.unlink()
    output = complaint(project)
    assert "data/1_raw/templates/evaluation/novelty.txt: no such template file" in output
    assert project.files("*") == []
    assert not (project.cohort_folder / "membership.csv").exists()


def test_all_undefined_variables_are_named_before_any_call(project: Project):
    path = project.data / "1_raw" / "templates" / "essay" / "structured-analysis-v2.txt"
    path.write_text("{{ drft }} {{ draft_block }} {{ other }}")
    output = complaint(project, "evaluations")
    assert "essay/structured-analysis-v2.txt: undefined variables drft, other" in output
    assert "a template of stage essay has draft_block, links_block" in output
    assert project.files("*") == []


def test_a_template_that_is_no_jinja_is_reported_with_its_line(project: Project):
    path = project.data / "1_raw" / "templates" / "draft" / "analytical-memo-v2.txt"
    path.write_text("fine\nfine\n{% for x in %}\n")
    assert "draft/analytical-memo-v2.txt: line 3: not valid Jinja2" in complaint(project, "drafts")
    assert project.files("*") == []


def test_a_template_edited_after_the_expansion_is_reported_before_any_call(project: Project):
    project.snakemake("cohort")
    path = project.data / "1_raw" / "templates" / "draft" / "analytical-memo-v2.txt"
    path.write_text("{{ concept }} {{ content }}")
    output = complaint(project, "evaluations")
    assert "undefined variables concept, content" in output
    raws = {path.parent.name for path in project.files("raw.txt")}
    broken = {row["gen_id"] for row in project.members("draft") if row["template_id"] == "analytical-memo-v2"}
    assert not raws & broken


@pytest.mark.parametrize(
    ("table", "line", "words"),
    [
        (
            "evaluation_templates",
            "novelty,Again,x,in_last_line,llm,true,9",
            "column template_id: 'novelty' appears twice",
        ),
        ("llm_models", "../evil,x,,,,,,,,,,,,", "column id: '../evil' cannot be an id"),
        ("concepts_metadata", "new-one,New,perhaps", "column active: 'perhaps' is neither true nor false"),
    ],
)
def test_a_bad_row_of_a_catalog_is_reported_with_file_line_and_column(project: Project, table, line, words):
    path = project.data / "1_raw" / f"{table}.csv"
    path.write_text(path.read_text().rstrip("\n") + f"\n{line}\n")
    number = len(path.read_text().splitlines())
    assert f"data/1_raw/{table}.csv: line {number}, {words}" in complaint(project)
    assert not (project.cohort_folder / "membership.csv").exists()


def test_a_missing_catalog_is_reported(project: Project):
    (project.data / "1_raw" / "llm_models.csv").unlink()
    assert "data/1_raw/llm_models.csv: no such file" in complaint(project, "cohort")


def test_a_bad_catalog_is_reported_by_a_dry_run_too(project: Project):
    project.snakemake("cohort")
    path = project.data / "1_raw" / "llm_models.csv"
    path.write_bytes(path.read_bytes() + b"caf\xe9,x\n")
    before = bytes_of(project.data)
    assert "llm_models.csv: line" in complaint(project, "cohort")
    assert bytes_of(project.data) == before


# keys and endpoints


def test_a_missing_key_stops_before_the_first_call_and_is_named(tmp_path):
    project = Project(tmp_path, PAID_JUDGE)
    project.snakemake("cohort")
    with OfflineServer() as server:
        output = complaint(project, "evaluations", env={"DD_OFFLINE_BASE_URL": server.url})
    assert "the environment variable OPENROUTER_API_KEY is not set" in output
    assert server.requests == []
    assert project.files("*") == []


def test_a_run_that_is_to_be_quiet_still_reports_why_it_failed(tmp_path):
    project = Project(tmp_path, PAID_JUDGE)
    output = complaint(project, "--quiet", "all")
    assert output.count("the environment variable OPENROUTER_API_KEY is not set") == 1
    assert "Bought" not in output and ", and kept" not in output
    assert "rule " not in output and "Traceback" not in output


def test_a_dry_run_needs_no_key(tmp_path):
    project = Project(tmp_path, PAID_JUDGE)
    project.snakemake("cohort")
    assert "evaluation_raw" in project.snakemake("-n", "evaluations")


def test_a_refused_key_is_reported_once_per_generation_and_shown_nowhere(tmp_path):
    project = Project(tmp_path, DRAFTS_ONLY)
    with OfflineServer(require_key="the right one") as server:
        environment = {"DD_LLM_BASE_URL": server.url, "OPENROUTER_API_KEY": KEY}
        output = complaint(project, env=environment)
    assert "401" in output and "set OPENROUTER_API_KEY to a valid key" in output
    assert len(server.requests) == 1
    assert KEY not in output
    assert everywhere(project.folder, KEY) == []
    (failure,) = project.files("failure.json")
    assert json.loads(failure.read_text())["reason"] == "unauthorized"


def test_a_key_that_is_taken_reaches_no_file(tmp_path):
    project = Project(tmp_path, DRAFTS_ONLY)
    (project.folder / ".env").write_text(f"OPENROUTER_API_KEY={KEY}\n")
    with OfflineServer(require_key=KEY) as server:
        output = project.snakemake("drafts", "--verbose", env={"DD_LLM_BASE_URL": server.url})
    assert [request["outcome"] for request in server.requests] == ["ok"]
    assert KEY not in output
    assert everywhere(project.folder, KEY) == [".env"]


def test_an_endpoint_that_is_not_there_is_reported_and_the_rest_goes_on(tmp_path):
    project = Project(tmp_path, PAID_JUDGE)
    project.configure("llm: {backoff_s: 0.01, max_tries: 2}\n")
    output = complaint(project, "evaluations", env={"DD_LLM_BASE_URL": "http://127.0.0.1:9/v1"})
    assert "http://127.0.0.1:9/v1/chat/completions: no connection" in output
    assert "check base_url and that the server is up" in output
    assert "unreachable" in output
    done = {path.parent.name for path in project.files("parsed.txt")}
    rows = project.members("evaluation")
    assert {row["gen_id"] for row in rows if row["llm_model_id"] == "sim-judge-a"} <= done
    assert not {row["gen_id"] for row in rows if row["llm_model_id"] == "sonnet-4"} & done


def test_an_endpoint_that_is_not_configured_is_reported(tmp_path):
    project = Project(tmp_path, DRAFTS_ONLY)
    edit(project.data / "1_raw" / "llm_models.csv", "very cheap drafts and trial runs,openrouter", "cheap,openruter")
    output = complaint(project, "drafts")
    assert "llm_models.csv: line 10, column endpoint: endpoint 'openruter' is not configured" in output


def test_a_budget_without_a_price_is_reported_before_the_first_call(tmp_path):
    project = Project(tmp_path, DRAFTS_ONLY)
    project.configure("budget_usd: 1\n")
    edit(project.data / "1_raw" / "llm_models.csv", "openai/gpt-6-luna,", "openai/gpt-6-lunar,")
    with OfflineServer() as server:
        output = complaint(project, "drafts", env={"DD_LLM_BASE_URL": server.url})
    assert "the price of model gpt-6-luna is not known" in output
    assert server.requests == []


# specs


MISTAKES = [
    ("[novelty]", "[noveltie]", "axes.evaluation_template[0]", "unknown evaluation template 'noveltie'"),
    ("  k: 2", "  k: 3", "combos.k", "3 is not a number of concepts"),
    ("axes:", "rules: {subset: {}}\naxes:", "rules.subset", "unknown rules section 'subset'"),
    ("  draft_llm: [sim-writer-a]", "  draft_llm: [sim-writer-a", "line", "YAML"),
]


@pytest.mark.full
def test_a_mistake_in_a_spec_changes_nothing_and_is_reported_every_time(project: Project):
    project.snakemake("cohort")
    spec = project.cohort_folder / "spec" / "config.yaml"
    for number, (old, new, place, words) in enumerate(MISTAKES):
        spec.write_text(TWO_BY_TWO)
        edit(spec, old, new)
        before = bytes_of(project.data)
        # all of them at the first target, one at the other as well
        for arguments in (("cohort",), ())[: 2 if number == 0 else 1]:
            output = complaint(project, *arguments)
            assert "data/cohorts/mini/spec/config.yaml: " in output
            assert place in output and words in output
            assert bytes_of(project.data) == before
    spec.write_text(TWO_BY_TWO)
    project.snakemake("cohort")
    assert len(project.members()) == 14


def test_a_slip_in_a_file_of_a_spec_is_reported_with_its_line(project: Project):
    items = project.cohort_folder / "spec" / "items" / "judges.csv"
    items.parent.mkdir()
    items.write_text("evaluation_llm\nsim-judge-a\nsim-judge-b,x\n")
    project.declare(TWO_BY_TWO.replace("[sim-judge-a, sim-judge-b]", "'@file:items/judges.csv'"))
    output = complaint(project, "cohort")
    assert "spec/items/judges.csv: line 3" in output


def test_a_frozen_setting_that_changed_is_reported_with_a_way_out(project: Project):
    project.snakemake("cohort")
    before = bytes_of(project.data)
    output = complaint(project, "cohort", "--config", "ids={scope: cohort}")
    assert "ids of this cohort is" in output and "declare a new cohort" in output
    assert bytes_of(project.data) == before
    project.snakemake("cohort")
    assert bytes_of(project.data) == before


def test_a_membership_edited_by_hand_is_reported_and_kept(project: Project):
    project.snakemake("cohort")
    path = project.cohort_folder / "membership.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[2:]]))
    before = bytes_of(project.data)
    output = complaint(project, "evaluations")
    assert "data/cohorts/mini/membership.csv: " in output
    assert "is not in this cohort" in output and "line " in output
    assert bytes_of(project.data) == before
    spec = project.cohort_folder / "spec" / "config.yaml"
    spec.write_text(TWO_BY_TWO.replace("[novelty]", "[creativity]"))
    assert "was edited by hand" in complaint(project, "cohort")
    assert path.read_bytes() == before["cohorts/mini/membership.csv"]


# names and targets


def test_a_gen_id_of_another_cohort_names_both(project: Project):
    project.snakemake("cohort")
    project.declare(TWO_BY_TWO.replace("[novelty]", "[creativity]"), "other")
    project.snakemake("cohort", "--config", "cohort=other")
    gen_id = project.members("evaluation", "other")[0]["gen_id"]
    output = complaint(project, f"data/gens/evaluation/{gen_id}/parsed.txt")
    assert f"evaluation {gen_id} is not in cohort mini" in output
    assert "it is in: other; add --config cohort=other" in output
    output = complaint(project, f"data/gens/evaluation/{gen_id}/raw.txt")
    assert "it is in: other" in output
    assert project.files("*") == []


def test_a_gen_id_of_nowhere_says_so(project: Project):
    output = complaint(project, "data/gens/draft/d_nowhere/parsed.txt")
    assert "draft d_nowhere is not in cohort mini" in output
    assert "it is in no cohort" in output


def test_a_gen_id_of_an_older_tools_membership_is_found_there(project: Project):
    project.snakemake("cohort")
    older = project.data / "cohorts" / "older" / "membership.csv"
    older.parent.mkdir()
    older.write_text("stage,gen_id\ndraft,d_old\n")
    assert "it is in: older" in complaint(project, "data/gens/draft/d_old/parsed.txt")


def test_an_unknown_cohort_lists_those_there_are(project: Project):
    project.declare(TWO_BY_TWO, "pilot")
    output = complaint(project, "--config", "cohort=pilto")
    assert "there is no cohort 'pilto'" in output and "did you mean 'pilot'?" in output


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("cohort=007", "--config 'cohort=!!str NAME', or set DD_COHORT=NAME"),
        ("cohort=../evil", "'../evil' cannot be a cohort's name"),
        ("cohrt=mini", "unknown setting 'cohrt'"),
        ("ids={scpe: cohort}", "unknown setting 'ids.scpe'"),
        ("shard=4/3", "there is no slice 4 of 3"),
        ("fresh=essays", "fresh: unknown stage 'essays'"),
        ("budget_usd=much", "budget_usd: 'much' should be a valid number"),
    ],
)
def test_a_setting_that_cannot_be_used_is_reported(project: Project, argument, words):
    assert words in complaint(project, "--config", argument)
    assert not (project.cohort_folder / "membership.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "environment"), [(("--config", "cohort=!!str 007"), {}), ((), {"DD_COHORT": "007"})]
)
def test_a_numeric_name_works_as_the_message_says(project: Project, arguments, environment):
    project.declare(TWO_BY_TWO, "007")
    project.snakemake("cohort", *arguments, env=environment)
    assert len(project.members(cohort="007")) == 14


def test_a_config_that_cannot_be_read_is_reported(project: Project):
    (project.folder / "config" / "config.yaml").write_text("cohort: [open\n")
    assert "config/config.yaml: line 1 column 9: not valid YAML" in complaint(project)


def test_an_explosion_of_the_active_catalog_is_refused_with_its_counts(project: Project):
    output = complaint(project, "--config", "cohort=auto")
    assert re.search(r"makes [\d,]+ generations \([\d,]+ drafts, [\d,]+ essays, [\d,]+ evaluations\)", output)


# one bad generation among good ones


def test_one_failure_stops_nothing_else_and_is_in_the_table_at_the_end(project: Project):
    with OfflineServer(script={"sim-judge-b": ["400"]}) as server:
        output = complaint(project, env={"DD_OFFLINE_BASE_URL": server.url})
    assert "1 generation has a failure on record" in output
    assert "bad_request" in output and "What to do:" in output
    scores = project.scores()
    assert len(scores) == 8
    assert sum(bool(row["score"]) for row in scores) == 7
    project.snakemake()
    assert all(row["score"] for row in project.scores())
