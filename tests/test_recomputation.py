"""Every figure of the statistical tables, computed a second time by code that shares nothing with the library."""

import math
import random
from collections import defaultdict

import pytest

from tests.project import read_csv
from tests.recomputation import adjusted, agreement, biases, comparisons, components, counts, judgements
from tests.stores import COHORT, Store
from workflow_lib.files import write_text
from workflow_lib.results import reports

POINTS = 9
MODELS = (
    "id,model,provider,endpoint\n"
    "w1,org/writer-1,org,openrouter\nw2,other/writer-2,,openrouter\n"
    "j1,third/judge-1,third,openrouter\nj2,org/judge-2,org,openrouter\nj3,fourth/judge-3,,openrouter\n"
)
MODEL = {
    "w1": "org/writer-1",
    "w2": "other/writer-2",
    "j1": "third/judge-1",
    "j2": "org/judge-2",
    "j3": "fourth/judge-3",
}
FAMILY = {name: model.split("/")[0] for name, model in MODEL.items()}
DRAFTS = [(template, model, 1) for template in ("d-plain", "d-other") for model in ("w1", "w2")]
DRAFTS += [("d-plain", "w1", 2), ("d-plain", "w2", 2)]
NAMES = {"essay_template": "generation_template", "essay_model": "generation_model"} | {
    "judge": "evaluation_llm_model",
    "rubric": "evaluation_template",
}


def build(folder, pipeline):
    """A cohort with two scales, replicates of all stages, copies, and evaluations that are missing or do not count."""
    store, dice = Store(folder), random.Random(7)
    write_text(store.data.catalog("llm_models"), MODELS)
    taste = defaultdict(lambda: dice.gauss(0, 0.6))
    for combo in range(3):
        for template, model, replicate in DRAFTS:
            # one draft is another model's
            served = (
                {"recorded": {"served_model": "elsewhere/else"}}
                if (combo, replicate) == (2, 2) and model == "w2"
                else {}
            )
            draft = store.draft(template, model, replicate, combo, raw=words(dice), **served)
            wanted = [("e-plain", model, 1), ("e-plain", model, 2), ("e-other", model, 1), ("e-copy", model, 1)]
            if not pipeline:
                other = "w2" if model == "w1" else "w1"
                wanted += [("e-plain", other, 1), ("e-other", other, 1)]
            for essay_template, writer, number in wanted:
                essay = store.essay(draft, essay_template, writer, number, raw=words(dice))
                good = 5 + taste[combo] + taste[template] + taste[model, combo] + taste[essay_template, writer]
                judge_it(store, dice, taste, essay, good + dice.gauss(0, 0.8))
    return store


def judge_it(store, dice, taste, essay, good):
    judges = (("j1", 0.6, ("novelty",)), ("j3", -0.8, ("novelty", "ten")), ("w1", 0.0, ("novelty", "ten")))
    for judge, severity, repeated in (*judges, ("j2", 0.2, ())):
        for rubric, top in (("novelty", 9), ("ten", 10)):
            for replicate in (1, 2) if rubric in repeated else (1,):
                if dice.random() < 0.15:
                    if dice.random() < 0.5:
                        failure = ("parse", "no_score_last_lines")
                        store.evaluation(essay, rubric, judge, replicate, state="raw", failure=failure)
                    continue
                seen = good + severity + taste[judge, rubric] + dice.gauss(0, 0.9)
                score = min(top, max(0, round(seen * top / 9)))
                other = {"recorded": {"served_model": "elsewhere/else"}} if dice.random() < 0.01 else {}
                store.evaluation(essay, rubric, judge, replicate, score, **other)


def words(dice):
    return " ".join(["word"] * dice.randint(40, 400))


@pytest.fixture(scope="module", params=["crossed", "pipelines"])
def cohort(request, tmp_path_factory):
    """Return what is recomputed from, a reader of the cohort's tables, and its data root."""
    store = build(tmp_path_factory.mktemp(request.param), request.param == "pipelines")
    edited = next(entry for entry in store.entries if entry.stage == "essay" and entry.template_id == "e-other")
    store.files(edited).raw.write_text("Somebody wrote this instead.")
    store.write_membership()
    reports.write(store.settings, COHORT, store.membership)
    rows = judgements.of_cohort(store.root, COHORT)
    assert edited.gen_id not in {row.essay for row in rows}
    folder = store.data.cohort(COHORT).reports
    return rows, lambda name, of="analysis": read_csv(folder / of / f"{name}.csv"), store.root


def same(found, expected, unit=1.0, decimals=3):
    """Fail unless a printed figure is the expected one, to its last digit; NaN and None are printed as nothing."""
    if expected is None or (isinstance(expected, float) and math.isnan(expected)):
        assert found == ""
    else:
        assert float(found) == pytest.approx(unit * expected, abs=0.5 * 10**-decimals + 1e-9)


@pytest.mark.slow
def test_comparisons_are_those_of_the_raw_files(cohort):
    rows, table, _ = cohort
    expected = comparisons.table(rows)
    found = {(row["factor"], row["pairing"], row["level_a"], row["level_b"]): row for row in table("comparisons")}
    assert {(NAMES.get(key[0], key[0]), *key[1:]) for key in expected} == {key for key in found if key[1]}
    for (factor, *rest), figures in expected.items():
        row = found[NAMES.get(factor, factor), *rest]
        for name in ("difference", "mean_a", "mean_b", "ci_low", "ci_high", "these_low", "these_high", "sd_combos"):
            same(row[name], figures.get(name), POINTS)
        for name in ("p", "these_p", "p_holm"):
            same(row[name], figures.get(name), decimals=4)
        assert (int(row["n_combos"]), int(row["n_cells"])) == (figures["n_combos"], figures["n_cells"])
        assert row["clear"] == ("" if "p_holm" not in figures else str(figures["p_holm"] < 0.05).lower())


@pytest.mark.slow
def test_adjusted_scores_are_those_of_the_raw_files(cohort):
    rows, table, _ = cohort
    expected, found = adjusted.table(rows), {row["parent_gen_id"]: row for row in table("adjusted_scores")}
    assert set(expected) == set(found)
    ranks = adjusted.rank_intervals(expected, seed=3)
    for essay, figures in expected.items():
        row = found[essay]
        for name in ("raw_mean", "adjusted_mean", "estimate", "ci_low", "ci_high"):
            same(row[name], figures[name], POINTS)
        same(row["shrinkage"], figures["shrinkage"])
        for name in ("rank", "n_scores", "n_judges", "component"):
            assert int(row[name]) == figures[name]
        assert row["top_group"] == str(figures["top_group"]).lower()
        # drawn anew: within Monte-Carlo error
        for name, rank in zip(("rank_low", "rank_high"), ranks[essay], strict=True):
            assert float(row[name]) == pytest.approx(rank, abs=max(2, 0.04 * len(expected)))


@pytest.mark.slow
def test_judges_are_those_of_the_raw_files(cohort):
    rows, table, _ = cohort
    in_points = ("mean", "severity", "spread", "replicate_sd")
    expected = agreement.of_judges(rows)
    found = {(row["evaluation_llm_model"], row["evaluation_template"]): row for row in table("judges")}
    assert set(expected) == set(found)
    for key, figures in expected.items():
        for name, value in figures.items():
            same(found[key][name], value, POINTS if name in in_points else 1)


@pytest.mark.slow
def test_agreement_is_that_of_the_raw_files(cohort):
    rows, table, _ = cohort
    names = ("measure", "evaluation_template", "judge_a", "judge_b")
    found = {tuple(row[name] for name in names): row for row in table("judge_agreement")}
    expected = agreement.table(rows)
    assert set(expected) == set(found)
    for key, (n, value) in expected.items():
        same(found[key]["value"], value, POINTS if key[0] == "bias" or key[0].endswith("_sd") else 1)
        assert int(found[key]["n"]) == n


@pytest.mark.slow
def test_intervals_by_resampling_essays_are_those_of_the_raw_files(cohort):
    rows, table, _ = cohort
    part = [row for row in rows if row.rubric == "novelty"]
    both = [row for row in part if row.judge in ("j1", "j3")]

    def lead(some):
        means = agreement.ratings(some).values()
        return POINTS * judgements.mean(own["j1"] - own["j3"] for own in means if len(own) == 2)

    def ranks(some):
        means = agreement.ratings(some).values()
        return agreement.spearman([(own["j1"], own["j3"]) for own in means if len(own) == 2])

    def alpha(some):
        return agreement.alpha([list(own.values()) for own in agreement.ratings(some).values()])

    found = {
        (row["measure"], row["evaluation_template"], row["judge_a"], row["judge_b"]): row
        for row in table("judge_agreement")
    }
    for key, statistic, some in (
        (("bias", "novelty", "j1", "j3"), lead, both),
        (("spearman", "novelty", "j1", "j3"), ranks, both),
        (("krippendorff_alpha_of_replicate_means", "novelty", "", ""), alpha, part),
    ):
        low, high = agreement.resampled(some, statistic, seed=11, samples=200)
        assert float(found[key]["ci_low"]) == pytest.approx(low, abs=0.2 * (high - low))
        assert float(found[key]["ci_high"]) == pytest.approx(high, abs=0.2 * (high - low))


@pytest.mark.slow
def test_components_and_decisions_are_those_of_the_raw_files(cohort):
    rows, table, _ = cohort
    found = {row["component"]: row for row in table("variance_components")}
    expected = components.estimate(rows)
    total = math.fsum(value for value in expected.values() if not math.isnan(value))
    rename = {"error": "replicate error"}
    for names, variance in expected.items():
        shown = " + ".join(rename.get(name, renamed(name)) for name in names)
        row = found.pop(shown)
        same(row["variance"], variance, POINTS**2)
        same(row["sd"], math.sqrt(variance), POINTS)
        same(row["share"], variance / total)
    # what the design does not have is empty, not 0
    assert all(row["variance"] == row["share"] == "" for row in found.values())

    panel = len({row.judge for row in rows}), len({row.rubric for row in rows})
    price = judgements.mean(row.cost for row in rows if row.cost is not None)
    essays = len({row.essay for row in rows})
    study = components.study(expected, panel)
    shown = table("decision_study")
    assert len(shown) == len(study)
    for row in shown:
        counts = tuple(int(row[name]) for name in ("judges", "evaluation_templates", "replicates"))
        for name, value in zip(
            ("reliability_fixed_templates", "reliability_random_templates"), study[counts], strict=True
        ):
            same(row[name], value)
        same(row["usd_cohort"], price * math.prod(counts) * essays, decimals=6)

    compared = comparisons.table(rows)
    family = {key: figures for key, figures in compared.items() if "p_holm" in figures}
    for row in table("detectable_differences"):
        own = [
            (one["sd_combos"], one["n_combos"])
            for key, one in family.items()
            if NAMES.get(key[0], key[0]) == row["factor"]
        ]
        if row["combos"] in ("3", "10", "100"):
            same(row["detectable_difference"], components.detectable(own, len(family), int(row["combos"])), POINTS)


@pytest.mark.slow
def test_next_steps_are_those_of_the_raw_files(cohort):
    rows, table, _ = cohort
    found = {(row["question"], row["change"]): row for row in table("next_steps")}
    parts, panel = components.estimate(rows), (len({row.judge for row in rows}), len({row.rubric for row in rows}))
    per_cell = judgements.grouped(rows, lambda row: (row.essay, row.judge, row.rubric)).values()
    now = (*panel, max(map(len, per_cell)))
    price = judgements.mean(row.cost for row in rows if row.cost is not None)
    essays = len({row.essay for row in rows})
    for change, judges, replicates in (
        ("one more judge", 1, 0),
        ("two more judges", 2, 0),
        ("one more replicate", 0, 1),
        ("five more replicates", 0, 5),
    ):
        then = (now[0] + judges, now[1], now[2] + replicates)
        row = found.pop(("more evaluations", change))
        same(row["now"], components.reliability(parts, panel, *now)[0])
        same(row["then"], components.reliability(parts, panel, *then)[0])
        same(row["usd"], (math.prod(then) - math.prod(now)) * essays * price, decimals=6)
    for (judge, rubric), figures in agreement.of_judges(rows).items():
        if rubric == "all":
            row = found.pop(("drop a judge", judge))
            same(row["now"], figures["alpha"])
            same(row["then"], figures["alpha_without"])
            same(row["usd"], -figures["n_scores"] * price, decimals=6)
    board = adjusted.table(rows)
    row = found.pop(("distinguish the top group", ""))
    same(row["now"], sum(figures["top_group"] for figures in board.values()))
    same(row["then"], len(board))
    shown = table("detectable_differences")
    for (question, change), row in found.items():
        points, factor = float(change.split()[1]), change.split()[-1]
        enough = [int(one["combos"]) for one in shown if one["factor"] == factor and passes(one, points)]
        assert question == "more combos"
        same(row["then"], min(enough) if enough else None)


def passes(row, points):
    return row["detectable_difference"] != "" and float(row["detectable_difference"]) <= points


def renamed(name):
    return " x ".join(NAMES.get(part, part) if part != "judge" else part for part in name.split(" x "))


@pytest.mark.slow
def test_biases_are_those_of_the_raw_files(cohort):
    rows, table, _ = cohort
    found = {
        (row["bias"], row["judge"], row["factor"], row["pairing"], row["level_a"], row["level_b"]): row
        for row in table("biases")
    }
    expected = {}
    for judge in {row.judge for row in rows}:
        for bias, names in (("own_model", MODEL), ("own_family", FAMILY)):
            own = biases.own_preference(rows, names, FAMILY, judge)
            if own is not None:
                expected[bias, judge, "", "", "", ""] = own
        expected["length_slope", judge, "", "", "", ""] = biases.length_slope(rows, judge)
    for key, figures in biases.at_equal_length(rows).items():
        factor, *rest = key
        expected["length_adjusted_difference", "", NAMES.get(factor, factor), *rest] = figures | {
            "value": figures["difference"]
        }
    assert set(expected) == set(found)
    for key, figures in expected.items():
        for name in ("value", "ci_low", "ci_high"):
            same(found[key][name], figures.get(name), POINTS)
        same(found[key]["p"], figures.get("p"), decimals=4)
        assert int(found[key]["n_combos"] or 0) == figures.get("n_combos", 0)


@pytest.mark.slow
def test_counts_means_and_costs_are_those_of_the_raw_files(cohort):
    rows, table, data = cohort
    keys = ("combo_id", "draft_template", "draft_model", "generation_template", "generation_model")
    expected = counts.coverage(data, COHORT, rows)
    for row in (shown := table("coverage", "summary")):
        key = tuple(row[name] for name in (*keys, "evaluation_template", "evaluation_llm_model"))
        assert (int(row["expected"]), int(row["scored"])) == expected[key]
    assert len(shown) == len(expected)

    found = {tuple(row[name] for name in keys): row for row in table("generation_scores", "summary")}
    for (cell, column), (n, mean) in counts.cell_means(rows, judgements.scales(data)).items():
        assert int(found[cell][f"{column}_n"]) == n
        same(found[cell][column], mean, decimals=2)

    spent = counts.costs(data, COHORT)
    assert len(table("costs", "summary")) == len(spent)
    for row in table("costs", "summary"):
        sums = spent[row["stage"], row["model"]]
        for name in ("calls", "prompt_tokens", "completion_tokens", "total_tokens"):
            assert int(row[name]) == sums[name]
        same(row["cost_usd"], sums["cost_usd"], decimals=6)
        same(row["seconds"], sums["seconds"], decimals=2)
