"""Specs: what axes and rules give, in which order, and how many."""

import json
from random import Random

import pytest

from tests import tiny_root
from tests.spec_folder import AB, OUT_AB, failure, values, write
from workflow_lib import ids
from workflow_lib.spec import SpecError, load, rows, rows_with_counts, unused_levels, with_axis


def test_product_runs_the_last_axis_fastest(tmp_path):
    assert values(tmp_path, AB + OUT_AB) == ["a1 b1", "a1 b2", "a2 b1", "a2 b2", "a3 b1", "a3 b2"]


def test_rows_are_mappings_in_field_order_and_unnamed_columns_follow_in_axis_order(tmp_path):
    config = "axes: {a: [x], b: [y], c: [z], d: [w]}\noutput: {field_order: [c, b]}\n"
    (row,) = rows(load(write(tmp_path, config)))
    assert list(row.items()) == [("c", "z"), ("b", "y"), ("a", "x"), ("d", "w")]


def test_field_order_changes_columns_and_not_the_order_of_rows(tmp_path):
    assert values(tmp_path, AB + "output: {field_order: [b]}") == [
        "b1 a1", "b2 a1", "b1 a2", "b2 a2", "b1 a3", "b2 a3"
    ]  # fmt: skip


def test_levels_are_stripped_text_and_duplicates_collapse(tmp_path):
    config = 'axes: {a: [" x ", 3, null, x, "3", -4, ""]}\noutput: {field_order: [a]}\n'
    assert values(tmp_path, config) == ["x", "3", "", "-4"]


@pytest.mark.parametrize("level", ["true", "no", "0.5", "1.0", ".inf", "2024-01-01", "[x]", "{k: v}", "!!binary eA=="])
def test_levels_that_are_no_text_are_refused_with_their_place(tmp_path, level):
    error = failure(tmp_path, f"axes: {{draft_template: [x, y, {level}]}}\noutput: {{field_order: []}}\n")
    assert error.place == "axes.draft_template[2]"
    assert "quote" in error.hint


def test_subset_keeps_axis_order(tmp_path):
    assert values(tmp_path, AB + OUT_AB + "rules: {subsets: {a: [a3, a1], b: [b2]}}") == ["a1 b2", "a3 b2"]


def test_subset_with_nothing_left_is_an_error(tmp_path):
    error = failure(tmp_path, AB + OUT_AB + "rules: {subsets: {b: [b3]}}")
    assert str(error) == (f"{tmp_path}/config.yaml: rules.subsets.b: no level of 'b' is left\nHint: known: b1, b2")
    assert failure(tmp_path, AB + OUT_AB + "rules: {subsets: {b: []}}").place == "rules.subsets.b"


def test_subset_level_that_the_axis_lacks_is_a_warning(tmp_path):
    spec = load(write(tmp_path, AB + OUT_AB + "rules: {subsets: {a: [a1, b7]}}"))
    assert [row["a"] for row in rows(spec)] == ["a1", "a1"]
    assert unused_levels(spec) == ["rules.subsets.a[1]: 'a' has no level 'b7'; known: a1, a2, a3"]


TIE = "axes: {w: [w1], a: [x, y, z], c: [c1, c2], b: [z, x, q]}\noutput: {field_order: [w, a, c, b]}\n"


@pytest.mark.parametrize("tie", ["t: [a, b]", "t: {axes: [a, b]}", "a: [a, b]", "b: [a, b]", "b: {axes: [a, b]}"])
def test_tied_axes_move_together_in_the_order_of_the_first_named(tmp_path, tie):
    assert values(tmp_path, TIE + f"rules: {{ties: {{{tie}}}}}") == [
        "w1 x c1 x", "w1 x c2 x", "w1 z c1 z", "w1 z c2 z"
    ]  # fmt: skip


def test_tied_axis_takes_order_from_the_first_named_and_position_from_the_first_standing(tmp_path):
    spec = load(write(tmp_path, TIE + "rules: {ties: {t: [b, a]}}"))
    assert [row["a"] for row in rows(spec)] == ["z", "z", "x", "x"]


@pytest.mark.parametrize("name", ["t", "a", "b"])
def test_later_rules_may_use_any_name_of_a_tied_axis(tmp_path, name):
    rules = f"rules: {{ties: {{t: [a, b]}}, pairs: {{p: {{left: {name}, right: c, allowed: [[z, c2], [x, c1]]}}}}}}"
    assert values(tmp_path, TIE + rules) == ["w1 z c2 z", "w1 x c1 x"]
    assert values(tmp_path, TIE + f"rules: {{ties: {{t: [a, b]}}, subsets: {{{name}: [z]}}}}") == [
        "w1 z c1 z", "w1 z c2 z"
    ]  # fmt: skip


def test_pair_and_tuple_on_a_tied_axis_keep_all_tied_columns(tmp_path):
    config = (
        "axes: {a: [x, y], b: [y, x]}\noutput: {field_order: [a]}\n"
        "rules: {ties: {t: [a, b]}, tuples: {u: {axes: [t, c], items: [[y, c1], [x, c2]]}}}"
    )
    assert rows(load(write(tmp_path, config))) == [
        {"a": "y", "b": "y", "c": "c1"},
        {"a": "x", "b": "x", "c": "c2"},
    ]


def test_ties_of_ties_join_all_columns(tmp_path):
    config = "axes: {a: [x, y], b: [x, y], c: [y]}\noutput: {field_order: [a]}\nrules: {ties: {t: [a, b], u: [b, c]}}"
    assert values(tmp_path, config) == ["y y y"]


def test_pair_stands_where_the_first_of_its_axes_stood_and_keeps_written_order(tmp_path):
    config = (
        "axes: {a: [a1, a2], b: [b1, b2], c: [c1, c2]}\noutput: {field_order: [a, b, c]}\n"
        "rules: {pairs: {p: {left: c, right: a, allowed: [[c2, a1], [c1, a2], [c2, a1]]}}}"
    )
    assert values(tmp_path, config) == ["a1 b1 c2", "a1 b2 c2", "a2 b1 c1", "a2 b2 c1"]


def test_unnamed_columns_of_a_pair_come_in_the_order_left_right(tmp_path):
    config = (
        "axes: {a: [a1], b: [b1], c: [c1]}\noutput: {field_order: [b]}\n"
        "rules: {pairs: {p: {left: c, right: a, allowed: [[c1, a1]]}}}"
    )
    assert list(rows(load(write(tmp_path, config)))[0]) == ["b", "c", "a"]


@pytest.mark.parametrize("allowed", ["[[[a1, b1], c2], [[a2, b1], c1]]", "[[a1, b1, c2], [a2, b1, c1]]"])
def test_pair_may_take_an_earlier_pair(tmp_path, allowed):
    config = (
        "axes: {a: [a1, a2], b: [b1], c: [c1, c2]}\noutput: {field_order: [a, b, c]}\n"
        "rules: {pairs: {p: {left: a, right: b, allowed: [[a2, b1], [a1, b1]]},"
        f" q: {{left: p, right: c, allowed: {allowed}, balance: both}}}}}}"
    )
    assert values(tmp_path, config) == ["a1 b1 c2", "a2 b1 c1"]


def test_pair_may_take_a_tuple_as_right_and_a_file_names_the_columns(tmp_path):
    config = (
        "axes: {a: [a1, a2]}\noutput: {field_order: [a, x, y]}\n"
        "rules: {tuples: {t: {axes: [x, y], items: [[x1, y1], [x1, y2]]}},"
        ' pairs: {p: {left: a, right: t, allowed: "@file:items/p.csv"}}}'
    )
    assert values(tmp_path, config, p_csv="y,a,x\ny2,a1,x1\ny1,a2,x1\n") == ["a1 x1 y2", "a2 x1 y1"]
    error = failure(tmp_path, config, p_csv="y,a,x\ny2,a1,x1\ny3,a2,x1\n")
    assert error.file == str(tmp_path / "items/p.csv")
    assert error.place == "line 3 (rules.pairs.p)"
    assert error.reason == "[x1, y3] is not a level of the axis 't' here"


def test_pair_outside_the_axes_is_an_error(tmp_path):
    rules = "rules: {pairs: {writer_judge: {left: a, right: b, allowed: [[a1, b1], [a2, b2], [a3, b1], [a9, b1]]}}}"
    error = failure(tmp_path, AB + OUT_AB + rules)
    assert error.place == "rules.pairs.writer_judge.allowed[3]"
    assert error.reason == "'a9' is not a level of the axis 'a' here"
    assert "a1, a2, a3" in error.hint


def test_sections_run_in_written_order(tmp_path):
    pairs = "pairs: {p: {left: a, right: b, allowed: [[a1, b1], [a2, b2]]}}"
    subsets = "subsets: {a: [a1]}"
    error = failure(tmp_path, AB + OUT_AB + f"rules: {{{subsets}, {pairs}}}")
    assert error.place == "rules.pairs.p.allowed[1]"
    error = failure(tmp_path, AB + OUT_AB + f"rules: {{{pairs}, {subsets}}}")
    assert error.reason == "the axis 'a' is part of 'p' by now"
    assert values(tmp_path, AB + OUT_AB + f"rules: {{{pairs}, subsets: {{p: [[a2, b2]]}}}}") == ["a2 b2"]


@pytest.mark.parametrize(
    ("allowed", "balanced"),
    [
        ("[[a1, b1], [a2, b2], [a3, b1]]", {"left"}),
        ("[[a1, b1], [a1, b2]]", {"right"}),  # a2 and a3 occur 0 times
        ("[[a1, b1], [a2, b1], [a3, b1]]", {"left"}),  # b2 occurs 0 times
        ("[[a1, b1], [a2, b1], [a3, b1], [a1, b2], [a2, b2], [a3, b2]]", {"left", "right", "both"}),
        ("[[a1, b1], [a1, b1], [a2, b1], [a3, b2]]", {"left"}),  # a pair written twice counts once
    ],
)
@pytest.mark.parametrize("balance", ["left", "right", "both"])
def test_balance_demands_equal_counts_for_every_level(tmp_path, allowed, balanced, balance):
    config = AB + OUT_AB + f"rules: {{pairs: {{p: {{left: a, right: b, allowed: {allowed}, balance: {balance}}}}}}}"
    if balance in balanced:
        assert values(tmp_path, config)
    else:
        assert failure(tmp_path, config).place == "rules.pairs.p.balance"


def test_balance_error_shows_counts(tmp_path):
    rules = "rules: {pairs: {p: {left: a, right: b, allowed: [[a1, b1], [a1, b2], [a2, b1]], balance: left}}}"
    assert "'a1' 2 times, 'a3' 0 times" in failure(tmp_path, AB + OUT_AB + rules).reason


def test_tuple_axes_come_after_the_listed_ones(tmp_path):
    config = (
        "axes: {a: [a1, a2]}\noutput: {field_order: [x, y, z]}\n"
        "rules: {tuples: {t: {axes: [x, y], items: [[x1, 1], [x2, null]]}, u: {axes: [z], items: [[z1]]}}}"
    )
    assert values(tmp_path, config) == ["x1 1 z1 a1", "x2  z1 a1", "x1 1 z1 a2", "x2  z1 a2"]


def test_spec_of_tuples_alone_needs_no_axes(tmp_path):
    config = "rules: {tuples: {t: {axes: [x, y], items: [[1, 2]]}}}\noutput: {field_order: [y, x]}\n"
    assert values(tmp_path, config) == ["2 1"]


def test_rules_before_a_tuple_see_its_axes(tmp_path):
    config = (
        "axes: {a: [q, x1]}\noutput: {field_order: [a, x, y]}\n"
        "rules: {ties: {x: [x, a]}, tuples: {t: {axes: [x, y], items: [[x1, y1], [x1, y2]]}}}"
    )
    assert values(tmp_path, config) == ["x1 x1 y1", "x1 x1 y2"]


def test_tuple_axis_that_is_also_listed_is_an_error(tmp_path):
    error = failure(tmp_path, AB + OUT_AB + "rules: {tuples: {t: {axes: [z, b], items: [[z1, b1]]}}}")
    assert error.place == "rules.tuples.t.axes[1]"
    assert "also listed" in error.reason


def test_a_tuple_does_not_take_an_earlier_pair(tmp_path):
    rules = (
        "rules: {pairs: {p: {left: a, right: b, allowed: [[a1, b1]]}}, tuples: {t: {axes: [p, z], items: [[a1, z1]]}}}"
    )
    assert "several columns (a, b)" in failure(tmp_path, AB + OUT_AB + rules).reason


def test_cohort_settings_are_kept_as_data(tmp_path):
    config = AB + OUT_AB + "ids: {scope: cohort, essay_model: never}\nnotes: why\nexperiment_id: 7\n"
    spec = load(write(tmp_path, config))
    assert (spec.ids, spec.notes, spec.experiment_id) == (
        {"scope": "cohort", "essay_model": "never"},
        "why",
        "7",
    )
    assert spec.combos is None


COMBOS = "combos: {concepts: all, k: [2, 3], level: paragraph}\naxes: {t: [t1, t2]}\n"


def test_combos_become_the_first_axis(tmp_path):
    spec = load(write(tmp_path, COMBOS + "output: {field_order: [t, combo_id]}"))
    assert spec.combos == {"concepts": "all", "k": [2, 3], "level": "paragraph"}
    with pytest.raises(SpecError, match="with_axis"):
        rows_with_counts(spec)
    full = with_axis(spec, "combo_id", ["c2", "c1", "c2"])
    assert [" ".join(row.values()) for row in rows(full)] == ["t1 c2", "t2 c2", "t1 c1", "t2 c1"]
    with pytest.raises(SpecError, match="exists already"):
        with_axis(full, "combo_id", ["c1"])
    with pytest.raises(SpecError, match="no levels"):
        with_axis(spec, "combo_id", [])


def test_combos_are_enumerated_from_the_catalogs_of_the_data_root_that_the_spec_lies_in(tmp_path, monkeypatch):
    text = "combos: {concepts: all, k: [2, 3]}\naxes: {t: [t1]}\noutput: {field_order: [combo_id, t]}"
    data = tiny_root.make(tmp_path).data
    inside = write(data.cohort("mini").spec, text)
    pair = ids.combo_id(["moat", "loop"], "paragraph", 2)
    found = [row["combo_id"] for row in rows(load(inside))]
    assert len(found) == 4 and found[0] == pair
    monkeypatch.chdir(inside)
    assert rows(load("config.yaml")) == rows(load(inside)), "relative paths"
    outside = write(tmp_path / "elsewhere", text)
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(data.root))
    assert rows(load(outside)) == rows(load(inside))
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(tmp_path / "nowhere"))
    with pytest.raises(SpecError, match="no catalogs") as caught:
        rows(load(outside))
    assert (caught.value.file, caught.value.place) == (str(outside / "config.yaml"), "combos")
    write(inside, text.replace("all", "[moat, moats]"))
    with pytest.raises(SpecError, match="unknown concept 'moats'"):
        rows(load(inside))


def test_a_spec_is_read_again_only_after_a_change(tmp_path):
    folder = write(tmp_path, AB.replace("[b1, b2]", '"@file:items/b.txt"') + OUT_AB, b_txt="b1\nb2\n")
    first = load(folder)
    assert load(folder) is first
    write(folder, AB.replace("[b1, b2]", '"@file:items/b.txt"') + OUT_AB, b_txt="b1\nb2\nb3\n")
    assert len(rows(load(folder))) == 9


def test_mistakes_beside_combos_are_reported_before_any_combo_is_registered(tmp_path):
    assert failure(tmp_path, COMBOS + "output: {field_order: [combo_ids]}").place == "output.field_order[0]"


def test_rules_may_name_the_axis_of_combos(tmp_path):
    rules = "rules: {pairs: {p: {left: combo_id, right: t, allowed: [[c1, t2], [c2, t1]]}}}\n"
    spec = load(write(tmp_path, COMBOS + rules + "output: {field_order: [combo_id, t]}"))
    assert rows(with_axis(spec, "combo_id", ["c1", "c2"])) == [
        {"combo_id": "c1", "t": "t2"},
        {"combo_id": "c2", "t": "t1"},
    ]


def test_counts_show_what_each_rule_cut_away(tmp_path):
    config = (
        "axes: {a: [x, y, z], b: [x, y, q], c: [c1, c2]}\noutput: {field_order: [a]}\n"
        "rules: {subsets: {c: [c2, c1], a: [x, y]}, ties: {t: [a, b]},"
        " pairs: {p: {left: t, right: c, allowed: [[x, c1]]}}}"
    )
    table, counts = rows_with_counts(load(write(tmp_path, config)))
    assert counts == [
        ("rules.subsets.c", 18, 18),
        ("rules.subsets.a", 18, 12),
        ("rules.ties.t", 12, 4),
        ("rules.pairs.p", 4, 1),
    ]
    assert table == [{"a": "x", "b": "x", "c": "c1"}]


def test_seed_shuffles_the_product_and_the_callers_seed_wins(tmp_path):
    plain = values(tmp_path, AB + OUT_AB)
    for seed in (0, 1, 7):
        expected = list(plain)
        Random(seed).shuffle(expected)
        seeded = AB + f"output: {{field_order: [a, b], seed: {seed}}}\n"
        assert values(tmp_path, seeded) == values(tmp_path, seeded.replace(f"{seed}}}", "99}"), seed) == expected
    frozen = ["a2 b1", "a2 b2", "a3 b2", "a1 b1", "a3 b1", "a1 b2"]
    assert values(tmp_path, AB + "output: {field_order: [a, b], seed: 1}\n") == frozen


def test_an_explosion_is_refused_before_it_fills_the_memory(tmp_path):
    levels = json.dumps([str(number) for number in range(2000)])
    error = failure(tmp_path, f"axes: {{a: {levels}, b: {levels}}}\n" + OUT_AB)
    assert "4,000,000 rows" in error.reason
    assert "a 2,000, b 2,000" in error.reason


def test_a_bomb_of_aliases_is_refused(tmp_path):
    lines = ["x0: &x0 [a, a]"] + [f"x{i}: &x{i} [" + f"*x{i - 1}, " * 9 + f"*x{i - 1}]" for i in range(1, 30)]
    error = failure(tmp_path, "notes:\n  - " + "\n    ".join(lines) + "\n")
    assert len(str(error)) < 2000
    looped = failure(tmp_path, "axes: {a: &a [x, *a]}\noutput: {field_order: [a]}\n")
    assert looped.place == "axes.a[1]"


def test_hundred_thousand_rows_have_the_right_cells(tmp_path):
    config = {
        "axes": {f"axis{index}": [f"v{level}" for level in range(10)] for index in range(5)},
        "output": {"field_order": ["axis4", "axis0"]},
    }
    table = rows(load(write(tmp_path, json.dumps(config))))
    assert len(table) == 100_000
    assert list(table[12_345].items()) == [
        ("axis4", "v5"), ("axis0", "v1"), ("axis1", "v2"), ("axis2", "v3"), ("axis3", "v4")
    ]  # fmt: skip
