"""Plans: what is counted as to do, and what it is said to cost."""

import csv
from pathlib import Path

import pytest

from tests.project import TWO_BY_TWO
from tests.small_cohort import declare, make_project, run_all
from workflow_lib import catalogs, cli, runs
from workflow_lib.calls.estimates import Estimates
from workflow_lib.calls.journal import Journal
from workflow_lib.catalogs import prices
from workflow_lib.errors import ConfigError, SpecError
from workflow_lib.files import read_json, write_json
from workflow_lib.inspect import planning, scope
from workflow_lib.settings import PoolSettings
from workflow_lib.stages import STAGE

# a hosted model, whose price the shipped catalog leaves to the package
HOSTED = TWO_BY_TWO.replace("[sim-writer-a]", "[sonnet-5.5]")


@pytest.fixture
def settings(tmp_path: Path):
    return make_project(tmp_path)


def test_selection_that_a_spec_leaves_unused_is_noted(settings, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    essay = run_all(settings).stage("essay")[0].gen_id
    (tmp_path / "list.txt").write_text(f"{essay}\n")
    note = "mini is declared by its spec; the selection is not used"
    for command in (["plan"], ["plan", "--spec", "data/cohorts/mini/spec"], ["cohort-update", "mini"]):
        assert cli.main([*command, "--selection", "list.txt"]) == 0
        assert capsys.readouterr().err.count(note) == 1, command
    assert cli.main(["plan", "--config", "selection=list.txt"]) == 0
    assert note in capsys.readouterr().err
    # the run says the same
    chosen = settings.model_copy(update={"selection": "list.txt"})
    assert [note in line for line in runs.notes(runs.Run(chosen), tmp_path)] == [True]
    assert cli.main(["plan", "--cohort", "curated", "--selection", "list.txt"]) == 0
    assert cli.main(["plan"]) == 0
    assert note not in capsys.readouterr().err


def plan_of(settings):
    return planning.Planner(settings, scope.declared(settings)).plan()


def totals(plan, stage: str) -> dict[str, int]:
    lines = plan.stages[stage].values()
    return {name: sum(getattr(line, name) for line in lines) for name in ("rows", "done", "to_do", "copies")}


def set_price(settings, model_id: str, price_in: str, price_out: str) -> None:
    path = settings.data.catalog("llm_models")
    with open(path, encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    for row in rows:
        if row["id"] == model_id:
            row |= {"input_usd_per_mtok": price_in, "output_usd_per_mtok": price_out}
    with open(path, "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def test_nothing_bought_means_everything_to_do(settings):
    plan = plan_of(settings)
    assert totals(plan, "draft") == {"rows": 2, "done": 0, "to_do": 2, "copies": 0}
    assert totals(plan, "essay") == {"rows": 4, "done": 0, "to_do": 4, "copies": 2}
    assert totals(plan, "evaluation") == {"rows": 8, "done": 0, "to_do": 8, "copies": 0}
    assert plan.estimated == 2 + 8


def test_finished_cohort_has_nothing_to_do(settings):
    run_all(settings)
    plan = plan_of(settings)
    for stage, rows in (("draft", 2), ("essay", 4), ("evaluation", 8)):
        assert totals(plan, stage) == {"rows": rows, "done": rows, "to_do": 0, "copies": 0}
    assert plan.stale == [] and plan.stale_usd == 0.0
    assert set(plan.pools.values()) == {0.0}


def test_plan_before_expansion_writes_nothing(settings):
    declare(settings, TWO_BY_TWO.replace("default-mode-network", "mind-wandering"), "later")
    before = sorted(settings.data.root.rglob("*"))
    registry = settings.data.combo_mappings.read_bytes()
    later = settings.model_copy(update={"cohort": "later"})
    assert totals(plan_of(later), "draft")["to_do"] == 2
    assert sorted(settings.data.root.rglob("*")) == before
    assert settings.data.combo_mappings.read_bytes() == registry


def test_draft_whose_children_are_done_is_not_bought(settings):
    membership = run_all(settings)
    draft = settings.data.generation("draft", membership.stage("draft")[0].gen_id)
    for path in (draft.raw, draft.parsed, *draft.attempts.iterdir()):
        path.unlink()
    assert totals(plan_of(settings), "draft")["to_do"] == 0


def test_ordered_draft_is_bought_though_its_children_are_done(settings):
    membership = run_all(settings)
    files = settings.data.generation("draft", membership.stage("draft")[0].gen_id)
    Journal(files).order("test")
    assert totals(plan_of(settings), "draft")["to_do"] == 0, "the answer in use is still there"
    files.raw.unlink()
    files.parsed.unlink()
    assert totals(plan_of(settings), "draft")["to_do"] == 1
    assert totals(plan_of(settings), "essay")["to_do"] == 0


def test_missing_evaluation_asks_for_its_missing_parent(settings):
    membership = run_all(settings)
    evaluation = membership.stage("evaluation")[0]
    essay = membership.parent(evaluation)
    for entry in (evaluation, essay):
        files = settings.data.generation(entry.stage, entry.gen_id)
        for path in (files.raw, files.parsed, *(files.attempts.iterdir() if files.attempts.exists() else ())):
            path.unlink()
    plan = plan_of(settings)
    assert totals(plan, "evaluation")["to_do"] == 1
    assert totals(plan, "essay")["to_do"] == 1


def test_attempt_without_raw_is_not_bought_but_an_order_is(settings):
    membership = run_all(settings)
    evaluation = membership.stage("evaluation")[0]
    files = settings.data.generation("evaluation", evaluation.gen_id)
    files.raw.unlink()
    files.parsed.unlink()
    assert totals(plan_of(settings), "evaluation")["to_do"] == 0
    Journal(files).order("test")
    assert totals(plan_of(settings), "evaluation")["to_do"] == 1


def test_answers_of_another_cohort_are_reusable(settings):
    run_all(settings)
    declare(settings, TWO_BY_TWO, "twin")
    twin = settings.model_copy(update={"cohort": "twin"})
    plan = plan_of(twin)
    assert sum(line.reusable for stage in plan.stages.values() for line in stage.values()) == 14


def test_cost_is_tokens_times_price(tmp_path):
    settings = make_project(tmp_path, HOSTED)
    set_price(settings, "sonnet-5.5", "2", "10")
    membership = scope.declared(settings).membership
    planner = planning.Planner(settings, scope.declared(settings))
    line = planner.plan().stages["draft"]["sonnet-5.5"]
    # nothing is recorded: characters / 4, and the default length of an answer
    chars = sum(planner._length(entry)[0] for entry in membership.stage("draft"))
    assert line.prompt_tokens == pytest.approx(chars / 4)
    assert line.completion_tokens == 2 * STAGE["draft"].answer_tokens
    assert line.cost_expected_usd == pytest.approx((chars / 4 * 2 + 2 * STAGE["draft"].answer_tokens * 10) / 1e6)
    size = sum(planner._length(entry)[1] for entry in membership.stage("draft"))
    assert line.cost_ceiling_usd == pytest.approx((size * 2 + 2 * 20480 * 10) / 1e6)


def test_unknown_price_is_unknown_not_zero(tmp_path):
    settings = make_project(tmp_path, HOSTED)
    set_price(settings, "sonnet-5.5", "2", "")
    line = plan_of(settings).stages["draft"]["sonnet-5.5"]
    assert line.cost_ceiling_usd is None and line.cost_expected_usd is None
    shown = planning.as_json(plan_of(settings))["stages"]["draft"]["sonnet-5.5"]
    assert shown["cost_expected_usd"] is None


def test_a_price_in_the_table_that_differs_from_the_package_is_a_warning(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = make_project(tmp_path, HOSTED)
    known = prices.price(catalogs.load(settings.data).models["sonnet-5.5"])
    for factor, warns in ((1.0, False), (1.09, False), (0.91, False), (1.11, True), (0.89, True), (0, True)):
        set_price(settings, "sonnet-5.5", str(known.input * factor), str(known.output))
        assert cli.main(["plan"]) == 0
        said = capsys.readouterr().err
        assert ("line 8, columns input_usd_per_mtok and output_usd_per_mtok: sonnet-5.5 has" in said) == warns, factor
        assert (f"{known.source} has {known.input:g} / {known.output:g}" in said) == warns


def test_the_plan_says_which_prices_it_used(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = make_project(tmp_path, HOSTED)
    known = prices.price(catalogs.load(settings.data).models["sonnet-5.5"])
    assert cli.main(["plan"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"of {known.source}, which knows changes up to {prices.newest_change()}: sonnet-5.5 " in shown
    assert f"sonnet-5.5 {known.input:g} / {known.output:g}" in shown
    assert planning.as_json(plan_of(settings))["prices"]["sonnet-5.5"]["price_source"] == known.source
    set_price(settings, "sonnet-5.5", "7", "8")
    assert cli.main(["plan"]) == 0
    assert "of llm_models.csv: sim-" in " ".join(capsys.readouterr().out.split())
    assert planning.as_json(plan_of(settings))["prices"]["sonnet-5.5"]["input_usd_per_mtok"] == 7
    set_price(settings, "sonnet-5.5", "7", "")
    assert cli.main(["plan"]) == 0
    assert "Price not known: sonnet-5.5." in capsys.readouterr().out
    assert planning.as_json(plan_of(settings))["prices"]["sonnet-5.5"]["price_source"] is None


def test_recorded_usage_calibrates_a_model(settings):
    membership = run_all(settings, stages=["draft"])
    for entry in membership.stage("draft"):
        files = settings.data.generation("draft", entry.gen_id)
        chars = len(files.prompt.read_text())
        recorded = read_json(files.raw_metadata)
        usage = {"prompt_tokens": chars // 2, "completion_tokens": 111}
        write_json(files.raw_metadata, recorded | {"usage": usage, "duration_s": 7.0})
    estimates = Estimates(settings.data, membership)
    assert estimates.prompt_tokens("sim-writer-a", 1000) == pytest.approx(500, abs=1)
    assert estimates.answer_tokens("draft", "sim-writer-a") == 111
    assert estimates.answer_tokens("draft", "sim-writer-b") == 111, "same stage, same kind"
    assert estimates.answer_tokens("draft", "sonnet-5.5") == STAGE["draft"].answer_tokens, (
        "offline never stands for real"
    )
    assert estimates.seconds("draft", "sim-writer-a") == 7.0
    assert estimates.prompt_tokens("sonnet-5.5", 1000) == 250


@pytest.mark.parametrize(
    ("limits", "calls", "expected"),
    [
        ({"max_concurrent": 2}, 4, 20.0),
        ({"max_concurrent": 64}, 4, 10.0),
        ({"max_concurrent": 2, "calls_per_minute": 1}, 4, 240.0),
        ({}, 4, 10.0),
        ({}, 0, 0.0),
    ],
    ids=["in-flight", "wide", "per-minute", "no-limit", "idle"],
)
def test_pool_time_is_the_longer_of_both_limits(settings, limits, calls, expected):
    pools = {**settings.pools, "paid": PoolSettings(**limits)}
    limited = settings.model_copy(update={"pools": pools})
    planner = planning.Planner(limited, scope.declared(limited))
    assert planner._pool_seconds("paid", [10.0] * calls) == expected


def test_stale_draft_is_counted_with_its_cost(tmp_path):
    settings = make_project(tmp_path)
    run_all(settings)
    set_price(settings, "sim-writer-a", "2", "10")
    template = settings.data.template("draft", "analytical-memo-v2")
    template.write_text(template.read_text() + "\nOne more sentence.\n")
    plan = plan_of(settings)
    assert len(plan.stale) == 1
    assert plan.stale_usd == pytest.approx(
        planning.Planner(settings, scope.declared(settings))
        .call(scope.declared(settings).membership.by_id[plan.stale[0]])
        .expected_usd
    )
    assert plan.stale_usd > 0
    assert totals(plan, "draft")["to_do"] == 0


def test_edited_spec_is_compared_before_anything_is_written(settings, tmp_path):
    run_all(settings)
    declare(settings, TWO_BY_TWO.replace("[sim-writer-a]", "[sim-writer-b]"), "other")
    edited = tmp_path / "edited.yaml"
    edited.write_text(
        TWO_BY_TWO.replace("[sim-judge-a, sim-judge-b]", "[sim-judge-a, sim-judge-c]").replace(
            "output:", "rules:\n  subsets:\n    draft_template: [analytical-memo-v2]\noutput:"
        )
    )
    before = settings.data.cohort("mini").membership.read_bytes()
    _, comparison = planning.compare(settings, edited)
    # one draft, its 2 essays and their 2 x 2 evaluations stay or come; the other lineage and judge b go
    assert [entry.stage for entry in comparison.added] == ["evaluation"] * 2
    assert len(comparison.dropped) == 1 + 2 + 4 + 2
    assert comparison.reused == []
    assert comparison.calls == 2
    assert comparison.rules == [("rules.subsets.draft_template", 8, 4)]
    assert settings.data.cohort("mini").membership.read_bytes() == before


def test_added_cells_that_the_store_has_are_reused(settings, tmp_path):
    wide = tmp_path / "wide.yaml"
    wide.write_text(TWO_BY_TWO)
    run_all(settings)
    narrow = TWO_BY_TWO.replace("[sim-judge-a, sim-judge-b]", "[sim-judge-a]")
    declare(settings, narrow, "narrow")
    chosen = settings.model_copy(update={"cohort": "narrow"})
    _, comparison = planning.compare(chosen, wide)
    assert len(comparison.added) == len(comparison.reused) == 4
    assert comparison.calls == 0 and comparison.expected_usd == 0.0


def test_spec_is_compared_with_one_cohort_only(settings, tmp_path):
    declare(settings, TWO_BY_TWO, "twin")
    both = settings.model_copy(update={"cohort": "mini,twin"})
    with pytest.raises(ConfigError, match="one cohort"):
        planning.compare(both, settings.data.cohort("mini").spec)


def test_broken_edited_spec_names_its_place(settings, tmp_path):
    edited = tmp_path / "edited.yaml"
    edited.write_text(TWO_BY_TWO.replace("novelty", "noveltyy"))
    with pytest.raises(SpecError, match=r"axes\.evaluation_template.*unknown evaluation template 'noveltyy'"):
        planning.compare(settings, edited)


def test_two_cohorts_count_shared_generations_once(settings):
    declare(settings, TWO_BY_TWO, "twin")
    both = settings.model_copy(update={"cohort": "mini,twin"})
    assert totals(plan_of(both), "evaluation")["rows"] == 8
