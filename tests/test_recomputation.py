"""Every figure of the statistical tables, computed a second time by code that shares nothing with the library."""

import json
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
CELL = ("combo_id", "draft_template", "draft_model", "generation_template", "generation_model")
HELD_FIXED = {
    ("draft_template", "crossed"): "combo_id draft_model generation_template generation_model",
    ("draft_model", "crossed"): "combo_id draft_template generation_template generation_model",
    ("generation_template", "crossed"): "combo_id draft_template draft_model draft_gen_id generation_model",
    ("generation_model", "crossed"): "combo_id draft_template draft_model draft_gen_id generation_template",
    ("generation_model", "pipeline"): "combo_id draft_template generation_template",
    ("evaluation_llm_model", "crossed"): "parent_gen_id evaluation_template",
    ("evaluation_template", "crossed"): "parent_gen_id evaluation_llm_model",
}
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


def same(name, shown, expected):
    """Fail unless a printed figure is the expected one, to its last digit; NaN and None are printed as nothing."""
    if expected is None or expected != expected:
        assert shown == "", name
    elif isinstance(expected, bool):
        assert shown == str(expected).lower(), name
    elif isinstance(expected, str | int):
        assert shown == str(expected), name
    else:
        decimals = 6 if name.startswith("usd") else 4 if name in ("p", "these_p", "p_holm") else 3
        assert len(shown.partition(".")[2]) == decimals, name
        assert float(shown) == pytest.approx(expected, abs=0.5 * 10**-decimals + 1e-9), name


def same_table(shown, keys, expected, drawn=()):
    """Fail unless a table has these rows, each with these figures in all its columns but the `drawn` ones.

    expected: values of the keys -> column -> figure.
    """
    found = {tuple(row[name] for name in keys): row for row in shown}
    assert len(found) == len(shown) and set(found) == set(expected)
    for key, figures in expected.items():
        assert set(found[key]) == {*keys, *figures, *drawn}
        for name, value in figures.items():
            same(name, found[key][name], value)


def in_points(figures, *names):
    """Return figures of the scale 0-1 with those of these names in points of 9; missing ones as None."""
    shown = {name: None if figures.get(name) is None else POINTS * figures[name] for name in names}
    return figures | shown


@pytest.mark.slow
def test_every_table_of_the_analysis_has_its_second_computation(cohort):
    _, _, data = cohort
    folder = data / "cohorts" / COHORT / "reports" / "analysis"
    assert {path.stem for path in folder.glob("*.csv")} == {
        "adjusted_scores",
        "biases",
        "comparisons",
        "decision_study",
        "detectable_differences",
        "judge_agreement",
        "judges",
        "level_means",
        "next_steps",
        "variance_analysis",
        "variance_components",
    }


@pytest.mark.slow
def test_comparisons_are_those_of_the_raw_files(cohort):
    rows, table, _ = cohort
    expected = {}
    for (factor, pairing, a, b), figures in comparisons.table(rows).items():
        corrected = figures.get("p_holm")
        expected[NAMES.get(factor, factor), pairing, a, b] = in_points(
            {"p": None, "these_p": None, "p_holm": None}
            | figures
            | {
                "these_df": figures["n_cells"] - figures["n_combos"],
                "clear": "" if corrected is None else corrected < 0.05,
                "held_fixed": HELD_FIXED[NAMES.get(factor, factor), pairing],
            },
            *("difference", "mean_a", "mean_b", "ci_low", "ci_high", "these_low", "these_high", "sd_combos"),
        )
    # a pair of levels that never meet has a row without figures
    answered = [row for row in table("comparisons") if row["pairing"]]
    same_table(answered, ("factor", "pairing", "level_a", "level_b"), expected)


@pytest.mark.slow
def test_adjusted_scores_are_those_of_the_raw_files(cohort):
    rows, table, _ = cohort
    board, shown = adjusted.table(rows), table("adjusted_scores")
    scored = judgements.grouped(rows, lambda row: row.essay)
    expected = {}
    for essay, figures in board.items():
        one = scored[essay][0]
        lineage = one.combo, one.draft_template, one.draft_model, one.essay_template, one.essay_model
        expected[(essay,)] = in_points(
            {name: figures[name] for name in ("shrinkage", "rank", "n_scores", "n_judges", "component", "top_group")}
            | {name: figures[name] for name in ("raw_mean", "adjusted_mean", "estimate", "ci_low", "ci_high")}
            | dict(zip(CELL, lineage, strict=True))
            | {"judges": " ".join(sorted({row.judge for row in scored[essay]}))}
            | {"rubrics": " ".join(sorted({row.rubric for row in scored[essay]}))},
            *("raw_mean", "adjusted_mean", "estimate", "ci_low", "ci_high"),
        )
    same_table(shown, ("parent_gen_id",), expected, drawn=("rank_low", "rank_high"))
    ranks = adjusted.rank_intervals(board, seed=3)
    for row in shown:
        # drawn anew: within Monte-Carlo error
        for name, rank in zip(("rank_low", "rank_high"), ranks[row["parent_gen_id"]], strict=True):
            assert float(row[name]) == pytest.approx(rank, abs=max(2, 0.04 * len(board)))


@pytest.mark.slow
def test_level_means_are_those_of_the_raw_files(cohort):
    rows, table, data = cohort
    board = adjusted.table(rows)
    essays = {row.essay: row for row in rows}
    prices = {essay: price_of_writing(data, essay, row.draft) for essay, row in essays.items()}
    factors = {"draft_template": "draft_template", "generation_template": "essay_template"}
    factors |= {"draft_model": "draft_model", "generation_model": "essay_model"}
    expected = {}
    for factor, columns in (*((name, [name]) for name in factors), ("recipe", list(factors))):
        groups = judgements.grouped(
            essays.values(), lambda row, columns=columns: tuple(getattr(row, factors[name]) for name in columns)
        )
        for names, own in groups.items():
            by_combo = judgements.grouped(own, lambda row: row.combo).values()
            values = [judgements.mean(board[row.essay]["adjusted_mean"] for row in part) for part in by_combo]
            known = [prices[row.essay] for row in own if prices[row.essay] is not None]
            found = biases.over_combos(values)
            level = dict(zip(columns, names, strict=True))
            expected[(factor, *(level.get(name, "") for name in factors))] = {
                "n_combos": len(values),
                "n_essays": len(own),
                "n_scores": sum(board[row.essay]["n_scores"] for row in own),
                "mean": POINTS * found["value"],
                "ci_low": POINTS * found["ci_low"] if "ci_low" in found else None,
                "ci_high": POINTS * found["ci_high"] if "ci_high" in found else None,
                "n_priced": len(known),
                "usd_per_essay": judgements.mean(known) if known else None,
            }
    recipes = {key: found for key, found in expected.items() if key[0] == "recipe"}
    for key, found in expected.items():
        better = [
            other
            for other in recipes.values()
            if other["mean"] >= found["mean"] and other["usd_per_essay"] <= found["usd_per_essay"]
            if (other["mean"], -other["usd_per_essay"]) != (found["mean"], -found["usd_per_essay"])
        ]
        found["efficient"] = not better if key[0] == "recipe" else ""
    same_table(table("level_means"), ("factor", *factors), expected)


def price_of_writing(data, essay, draft):
    """Return what the texts in use of an essay and its draft cost, None where that is unknown."""
    total = 0.0
    for stage, gen_id in (("draft", draft), ("essay", essay)):
        recorded = json.loads((data / "gens" / stage / gen_id / "raw_metadata.json").read_text(encoding="utf-8"))
        if recorded.get("mode") != "copy":
            if recorded.get("cost_usd") is None:
                return None
            total += recorded["cost_usd"]
    return total


@pytest.mark.slow
def test_judges_are_those_of_the_raw_files(cohort):
    rows, table, _ = cohort
    expected = {
        key: in_points(figures, "mean", "severity", "spread", "replicate_sd")
        for key, figures in agreement.of_judges(rows).items()
    }
    keys, shown = ("evaluation_llm_model", "evaluation_template"), table("judges")
    same_table(shown, keys, expected, drawn=("severity_low", "severity_high"))
    part = [row for row in rows if row.rubric == "novelty"]
    names = sorted({row.judge for row in rows})

    def severity(some):
        return POINTS * agreement.severities(agreement.ratings(some), names)["j3"]

    [row] = [row for row in shown if (row["evaluation_llm_model"], row["evaluation_template"]) == ("j3", "novelty")]
    within_error(row["severity_low"], row["severity_high"], agreement.resampled(part, severity, 11, samples=100))


@pytest.mark.slow
def test_agreement_is_that_of_the_raw_files(cohort):
    rows, table, _ = cohort
    expected = {}
    for key, (n, value) in agreement.table(rows).items():
        unit = POINTS if key[0] == "bias" or key[0].endswith("_sd") else 1.0
        expected[key] = {"n": n, "value": unit * value}
        if key[0] in ("essay_replicate_sd", "draft_replicate_sd"):
            expected[key] |= {"ci_low": None, "ci_high": None}
        if key[0] == "evaluation_replicate_sd":
            own = [row for row in rows if row.judge == key[2] and key[1] in ("all", row.rubric)]
            low, high = agreement.noise_interval(own)
            expected[key] |= {"ci_low": POINTS * low, "ci_high": POINTS * high}
    keys, shown = ("measure", "evaluation_template", "judge_a", "judge_b"), table("judge_agreement")
    computed = {key for key, figures in expected.items() if "ci_low" in figures}
    for wanted, drawn in ((computed, ()), (set(expected) - computed, ("ci_low", "ci_high"))):
        part = [row for row in shown if tuple(row[name] for name in keys) in wanted]
        same_table(part, keys, {key: expected[key] for key in wanted}, drawn)
    assert len(shown) == len(expected)


def within_error(low, high, again):
    """Fail unless an interval by resampling is that of other samples, as far as so many of them can say."""
    width = again[1] - again[0]
    for shown, expected in zip((low, high), again, strict=True):
        assert float(shown) == pytest.approx(expected, abs=0.25 * width)


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
        row = found[key]
        within_error(row["ci_low"], row["ci_high"], agreement.resampled(some, statistic, seed=11, samples=200))


@pytest.mark.slow
def test_components_are_those_of_the_raw_files(cohort):
    rows, table, _ = cohort
    found, groups = components.estimate(rows), components.groups(rows)
    total = math.fsum(value for value in found.values() if not math.isnan(value))
    expected = {
        # what the design does not have is empty, not 0
        (row["component"],): {"groups": None, "variance": None, "sd": None, "share": None}
        for row in table("variance_components")
    }
    for names, variance in found.items():
        shown = " + ".join("replicate error" if name == components.ERROR else renamed(name) for name in names)
        assert (shown,) in expected
        expected[(shown,)] = {
            "groups": groups.get(names[0]) if len(names) == 1 else None,
            "variance": POINTS**2 * variance,
            "sd": POINTS * math.sqrt(variance),
            "share": variance / total,
        }
    for name, count in groups.items():
        expected[(renamed(name),)]["groups"] = count
    same_table(table("variance_components"), ("component",), expected)


@pytest.mark.slow
def test_decision_study_is_that_of_the_raw_files(cohort):
    rows, table, _ = cohort
    panel, price, essays = panel_of(rows), price_of(rows), len({row.essay for row in rows})
    expected = {}
    for counts_, (fixed, random_) in components.study(components.estimate(rows), panel[:2]).items():
        expected[tuple(map(str, counts_))] = {
            "reliability_fixed_templates": fixed,
            "reliability_random_templates": random_,
            "present": counts_ == panel,
            "evaluations_per_essay": math.prod(counts_),
            "usd_per_essay": price * math.prod(counts_),
            "usd_cohort": price * math.prod(counts_) * essays,
        }
    same_table(table("decision_study"), ("judges", "evaluation_templates", "replicates"), expected)


def panel_of(rows):
    """Return how many judges, rubrics, and at most replicates there are."""
    per_cell = judgements.grouped(rows, lambda row: (row.essay, row.judge, row.rubric)).values()
    return len({row.judge for row in rows}), len({row.rubric for row in rows}), max(map(len, per_cell))


def price_of(rows):
    return judgements.mean(row.cost for row in rows if row.cost is not None)


@pytest.mark.slow
def test_detectable_differences_are_those_of_the_raw_files(cohort):
    rows, table, data = cohort
    compared = comparisons.table(rows)
    family = {key: figures for key, figures in compared.items() if "p_holm" in figures}
    price, present = counts.price_of_a_combo(data, COHORT), len({row.combo for row in rows})
    expected = {}
    for factor in dict.fromkeys(row["factor"] for row in table("detectable_differences")):
        own = [one for key, one in family.items() if NAMES.get(key[0], key[0]) == factor]
        sds = [(one["sd_combos"], one["n_combos"]) for one in own]
        for combos in range(3, 101):
            expected[factor, str(combos)] = in_points(
                {
                    "detectable_difference": components.detectable(sds, len(family), combos),
                    "present": combos == present,
                    "sd_combos": components.pooled(sds),
                    "pairs_of_family": len(family),
                    "usd": combos * price,
                },
                *("detectable_difference", "sd_combos"),
            )
    assert {factor for factor, _ in expected} == {
        NAMES.get(key[0], key[0]) for key in compared if key[0] not in comparisons.DESCRIBED
    }
    same_table(table("detectable_differences"), ("factor", "combos"), expected)


@pytest.mark.slow
def test_next_steps_are_those_of_the_raw_files(cohort):
    rows, table, data = cohort
    parts, now, price = components.estimate(rows), panel_of(rows), price_of(rows)
    essays, present = len({row.essay for row in rows}), len({row.combo for row in rows})
    expected = {}
    for change, judges, replicates in (
        ("one more judge", 1, 0),
        ("two more judges", 2, 0),
        ("one more replicate", 0, 1),
        ("five more replicates", 0, 5),
    ):
        then = (now[0] + judges, now[1], now[2] + replicates)
        expected["more evaluations", change] = {
            "measure": "reliability",
            "now": components.reliability(parts, now[:2], *now)[0],
            "then": components.reliability(parts, now[:2], *then)[0],
            "usd": (math.prod(then) - math.prod(now)) * essays * price,
        }
    for (judge, rubric), figures in agreement.of_judges(rows).items():
        if rubric == "all":
            expected["drop a judge", judge] = {
                "measure": "krippendorff_alpha",
                "now": figures["alpha"],
                "then": figures["alpha_without"],
                "usd": -figures["n_scores"] * price,
            }
    shown, a_combo = table("detectable_differences"), counts.price_of_a_combo(data, COHORT)
    for factor in dict.fromkeys(row["factor"] for row in shown):
        for points in (0.5, 1):
            enough = [int(one["combos"]) for one in shown if one["factor"] == factor and passes(one, points)]
            expected["more combos", f"detect {points:g} points of {factor}"] = {
                "measure": "combos",
                "now": float(present),
                "then": float(min(enough)) if enough else None,
                "usd": max(0, min(enough) - present) * a_combo if enough else None,
            }
    board = adjusted.table(rows)
    expected["distinguish the top group", ""] = {
        "measure": "essays like the first, and all",
        "now": float(sum(figures["top_group"] for figures in board.values())),
        "then": float(len(board)),
        "usd": None,
    }
    same_table(table("next_steps"), ("question", "change"), expected)


def passes(row, points):
    return row["detectable_difference"] != "" and float(row["detectable_difference"]) <= points


def renamed(name):
    return " x ".join(NAMES.get(part, part) if part != "judge" else part for part in name.split(" x "))


@pytest.mark.slow
def test_biases_are_those_of_the_raw_files(cohort):
    rows, table, _ = cohort
    nothing = dict.fromkeys(("value", "ci_low", "ci_high", "p", "n_own", "n_other"))
    expected = {}
    for judge in {row.judge for row in rows}:
        for bias, names in (("own_model", MODEL), ("own_family", FAMILY)):
            own = biases.own_preference(rows, names, FAMILY, judge)
            if own is not None:
                expected[bias, judge, "", "", "", ""] = own
        scored = sum(row.judge == judge for row in rows)
        expected["length_slope", judge, "", "", "", ""] = biases.length_slope(rows, judge) | {"n_other": scored}
    for (factor, *rest), figures in biases.at_equal_length(rows).items():
        kept = {name: figures.get(name) for name in ("ci_low", "ci_high", "p", "n_combos")}
        key = ("length_adjusted_difference", "", NAMES.get(factor, factor), *rest)
        expected[key] = kept | {"value": figures["difference"]}
    expected = {
        key: in_points(nothing | {"n_combos": 0} | figures, "value", "ci_low", "ci_high")
        for key, figures in expected.items()
    }
    same_table(table("biases"), ("bias", "judge", "factor", "pairing", "level_a", "level_b"), expected)


@pytest.mark.slow
def test_spreads_of_essays_are_those_of_the_raw_files(cohort):
    rows, table, data = cohort
    keys = ("analysis_type", "parent_gen_id", "evaluation_llm_model", "evaluation_template")
    expected = counts.spreads(rows, judgements.scales(data))
    found = {tuple(row[name] for name in keys): row for row in table("variance_analysis")}
    assert set(found) == set(expected)
    for key, figures in expected.items():
        assert set(found[key]) == {*keys, *CELL, *figures}
        for name, value in figures.items():
            if isinstance(value, float):
                shown = found[key][name]
                assert shown == "" if math.isnan(value) else float(shown) == pytest.approx(value, abs=0.005 + 1e-9)
            else:
                assert found[key][name] == str(value)


@pytest.mark.slow
def test_counts_means_and_costs_are_those_of_the_raw_files(cohort):
    rows, table, data = cohort
    expected = counts.coverage(data, COHORT, rows)
    for row in (shown := table("coverage", "summary")):
        key = tuple(row[name] for name in (*CELL, "evaluation_template", "evaluation_llm_model"))
        assert (int(row["expected"]), int(row["scored"])) == expected[key]
    assert len(shown) == len(expected)

    found = {tuple(row[name] for name in CELL): row for row in table("generation_scores", "summary")}
    for (cell, column), (n, mean) in counts.cell_means(rows, judgements.scales(data)).items():
        assert int(found[cell][f"{column}_n"]) == n
        assert float(found[cell][column]) == pytest.approx(mean, abs=0.005 + 1e-9)

    spent = counts.costs(data, COHORT)
    assert len(table("costs", "summary")) == len(spent)
    for row in table("costs", "summary"):
        sums = spent[row["stage"], row["model"]]
        for name in ("calls", "prompt_tokens", "completion_tokens", "total_tokens"):
            assert int(row[name]) == sums[name]
        same("usd", row["cost_usd"], sums["cost_usd"])
        assert float(row["seconds"]) == pytest.approx(sums["seconds"], abs=0.005 + 1e-9)


@pytest.mark.slow
def test_costs_of_single_answers_add_up_to_the_table_of_costs(cohort):
    _, table, _ = cohort
    # every answer of this cohort is in use, so that those of the tables are all that were bought
    found = defaultdict(float)
    for row in table("aggregated_scores", "parsing"):
        found["evaluation", row["evaluation_llm_model"]] += float(row["cost_usd"] or 0)
    of_judges = [row for row in table("costs", "summary") if row["stage"] == "evaluation"]
    assert of_judges and len(of_judges) == len(found)
    for row in of_judges:
        assert float(row["cost_usd"]) > 0
        same("usd", row["cost_usd"], found[row["stage"], row["model"]])
