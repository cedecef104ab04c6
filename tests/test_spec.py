import json
import os
from itertools import product
from pathlib import Path
from random import Random

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import tiny_root
from workflow_lib import ids
from workflow_lib import spec as specs
from workflow_lib.spec import SpecError, load, rows, rows_with_counts, unused_levels, with_axis


def write(folder: Path, config: str, **items: str) -> Path:
    """Write a spec folder; an item named levels_csv becomes items/levels.csv."""
    (folder / "items").mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    for name, text in items.items():
        (folder / "items" / ".".join(name.rsplit("_", 1))).write_text(text, encoding="utf-8")
    return folder


def values(folder: Path, config: str, seed: int | None = None, **items: str) -> list[str]:
    """Return the rows of a spec, each as its values joined by blanks."""
    return [" ".join(row.values()) for row in rows(load(write(folder, config, **items)), seed)]


def failure(folder: Path, config: str, **items: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        rows(load(write(folder, config, **items)))
    error = caught.value
    assert error.file.startswith(str(folder))
    assert error.hint
    return error


AB = "axes: {a: [a1, a2, a3], b: [b1, b2]}\n"
OUT_AB = "output: {field_order: [a, b]}\n"


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


def test_axis_files_of_every_kind_give_levels(tmp_path):
    config = (
        'axes: {a: "@file:items/a.csv", b: "@file:items/b.txt", c: "@file:items/c.yaml", d: "@file:items/d.json"}\n'
        "output: {field_order: [a, b, c, d]}\n"
    )
    folder = write(
        tmp_path,
        config,
        a_csv='\ufeffany name\r\n a1 \r\n"a,2"\r\na1\r\n\r\n',
        b_txt="b1\nb 2 \n\n",
        c_yaml="- c1\n- 7\n",
        d_json='["d1", 8]',
    )
    spec = load(folder)
    assert dict(spec.axes) == {"a": ("a1", "a,2"), "b": ("b1", "b 2"), "c": ("c1", "7"), "d": ("d1", "8")}
    assert spec.files == (
        folder / "config.yaml",
        folder / "items/a.csv",
        folder / "items/b.txt",
        folder / "items/c.yaml",
        folder / "items/d.json",
    )
    assert len(rows(spec)) == 16


@pytest.mark.parametrize(
    "items",
    [
        {"m_csv": "x,y\nx1,y1\nx2,y1\nx1,y1\n"},
        {"m_yaml": "- {x: x1, y: y1}\n- {y: y1, x: x2}\n"},
    ],
)
def test_axis_file_with_several_columns_gives_levels_that_fill_them(tmp_path, items):
    suffix = next(iter(items)).split("_")[1]
    config = f'axes: {{m: "@file:items/m.{suffix}", z: [z1, z2]}}\noutput: {{field_order: [z]}}\n'
    spec = load(write(tmp_path, config, **items))
    assert spec.headers == {"m": ("x", "y")}
    assert rows(spec) == [
        {"z": "z1", "x": "x1", "y": "y1"},
        {"z": "z2", "x": "x1", "y": "y1"},
        {"z": "z1", "x": "x2", "y": "y1"},
        {"z": "z2", "x": "x2", "y": "y1"},
    ]


def test_wide_axis_can_be_subset_and_paired_by_its_name(tmp_path):
    config = (
        'axes: {m: "@file:items/m.csv", z: [z1, z2]}\noutput: {field_order: [x, y, z]}\n'
        "rules: {subsets: {m: [[x2, y1], [x1, y1]]}, pairs: {p: {left: z, right: m, allowed: [[z2, [x1, y1]]]}}}"
    )
    assert values(tmp_path, config, m_csv="x,y\nx1,y1\nx2,y1\nx3,y3\n") == ["x1 y1 z2"]
    tied = config.replace("subsets: {m: [[x2, y1], [x1, y1]]}", "ties: {t: [m, z]}")
    assert "several columns" in failure(tmp_path, tied, m_csv="x,y\nx1,y1\n").reason
    column = config.replace("m: [[x2, y1], [x1, y1]]", "x: [x1]")
    assert failure(tmp_path, column, m_csv="x,y\nx1,y1\n").reason == "the axis 'x' is part of 'm' by now"


PAIR_FILE = AB + OUT_AB + 'rules: {pairs: {p: {left: a, right: b, allowed: "@file:items/p.csv"}}}'


def test_pair_file_names_its_axes_in_any_order(tmp_path):
    assert values(tmp_path, PAIR_FILE, p_csv="b,a\nb2,a1\nb1,a3\n") == ["a1 b2", "a3 b1"]
    listed = PAIR_FILE.replace(".csv", ".json")
    assert values(tmp_path, listed, p_json='[["a1", "b2"], ["a3", "b1"]]') == ["a1 b2", "a3 b1"]
    assert values(tmp_path, listed, p_json='[{"b": "b2", "a": "a1"}]') == ["a1 b2"]


@pytest.mark.parametrize("header", ["a,c", "a", "a,b,c", "A,b"])
def test_pair_file_with_another_header_is_an_error(tmp_path, header):
    row = ",".join(["a1", "b1", "c1"][: header.count(",") + 1])
    error = failure(tmp_path, PAIR_FILE, p_csv=f"{header}\n{row}\n")
    assert error.file == str(tmp_path / "items/p.csv")
    assert error.place == "line 1 (rules.pairs.p)"
    assert error.hint == "the header must name exactly a, b, in any order"


def test_pair_file_naming_a_tied_axis_twice_is_an_error(tmp_path):
    config = (
        "axes: {a: [x, y], b: [x, y], c: [z]}\noutput: {field_order: [a]}\n"
        'rules: {ties: {t: [a, b]}, pairs: {p: {left: t, right: c, allowed: "@file:items/p.csv"}}}'
    )
    assert values(tmp_path, config, p_csv="c,b\nz,y\n") == ["y y z"]
    assert failure(tmp_path, config, p_csv="a,b,c\nx,x,z\n").place == "line 1 (rules.pairs.p)"


TUPLE_FILE = 'rules: {tuples: {t: {axes: [x, y], items: "@file:items/t.csv"}}}\noutput: {field_order: [x]}\n'


def test_tuple_file_names_its_axes_in_any_order(tmp_path):
    assert values(tmp_path, TUPLE_FILE, t_csv="y,x\ny1,x1\ny2,x1\n") == ["x1 y1", "x1 y2"]
    error = failure(tmp_path, TUPLE_FILE, t_csv="y,w\ny1,w1\n")
    assert error.place == "line 1"
    assert "lacks 'x'" in error.reason
    assert failure(tmp_path, TUPLE_FILE, t_csv="y,x,z\n1,2,3\n").place == "line 1 (rules.tuples.t)"


@pytest.mark.parametrize(
    ("name", "text", "place", "reason"),
    [
        ("x_csv", "a,b\na1,b1\na2,\n", "line 3 column b", "empty cell"),
        ("x_csv", "a,b\na1,b1\n , b2\n", "line 3 column a", "empty cell"),
        ("x_csv", "a,b\na1\n", "line 2 column b", "empty cell"),
        ("x_csv", "a\na1\n\na2\n", "line 3 column a", "empty cell"),
        ("x_csv", 'a\n"two\nlines"\n""\n', "line 4 column a", "empty cell"),
        ("x_csv", "a,b\na1,b1,c1\n", "line 2", "3 cells, but the header has 2"),
        ("x_csv", "a,a\n1,2\n", "line 1 column a", "given twice"),
        ("x_csv", "a,\n1,2\n", "line 1 column 2", "without a name"),
        ("x_csv", "a,b\n", "", "no rows"),
        ("x_csv", "", "line 1", "no header"),
        ("x_csv", 'a\n"open\n', "line 2", "not valid CSV"),
        ("x_txt", "", "", "no rows"),
        ("x_txt", "a\n\nb\n", "line 2", "empty line"),
        ("x_yaml", "", "", "no rows"),
        ("x_yaml", "[]", "", "no rows"),
        ("x_yaml", "a: [x]", "", "not a list"),
        ("x_yaml", "[x, null]", "[1]", "empty cell"),
        ("x_yaml", "[x, [y, z]]", "[1]", "shape of the first"),
        ("x_yaml", "[[x, y]]", "[0]", "nothing names their columns"),
        ("x_yaml", "[{a: 1}, {b: 1}]", "[1]", "differ from the first"),
        ("x_yaml", "[{a: 1}, {a: ''}]", "[1].a", "empty cell"),
        ("x_yaml", "- x\n- [y\n", "line 2 column 3", "not valid YAML"),
        ("x_json", '["x", true]', "[1]", "boolean"),
        ("x_json", '["x",\n"y"', "line 2 column 4", "not valid JSON"),
        ("x_dat", "x", "", "cannot be read from a '.dat' file"),
    ],
)
def test_item_file_errors_name_file_and_place(tmp_path, name, text, place, reason):
    path = ".".join(name.rsplit("_", 1))
    config = f'axes: {{q: "@file:items/{path}"}}\noutput: {{field_order: [q]}}\n'
    error = failure(tmp_path, config, **{name: text})
    assert error.file == str(tmp_path / "items" / path)
    assert error.place == place
    assert reason in error.reason


@pytest.mark.parametrize(
    "reference",
    [
        "../secret.csv",
        "items/../../secret.csv",
        "/etc/hostname",
        "items/link.csv",
        "linked/secret.csv",
        "items/loop",
    ],
)
def test_item_path_that_leaves_the_spec_folder_is_an_error(tmp_path, reference):
    (tmp_path / "secret.csv").write_text("a\nx\n")
    folder = write(tmp_path / "spec", f'axes: {{a: "@file:{reference}"}}\noutput: {{field_order: [a]}}\n')
    (folder / "items/link.csv").symlink_to("../../secret.csv")
    (folder / "linked").symlink_to("..")
    (folder / "items/loop").symlink_to("loop")
    with pytest.raises(SpecError) as caught:
        load(folder)
    assert caught.value.place == "axes.a"
    assert "leaves the spec folder" in caught.value.reason or "loop" in reference


def test_item_paths_may_wander_inside_a_linked_spec_folder(tmp_path):
    real = write(tmp_path / "real", 'axes: {a: "@file: items/../items/a.txt"}\noutput: {field_order: [a]}\n', a_txt="x")
    (tmp_path / "link").symlink_to(real)
    assert rows(load(tmp_path / "link")) == [{"a": "x"}]


@pytest.mark.parametrize("reference", ["@file:", "@file:items", "@file:items/none.csv", "@file:a\\0b"])
def test_item_path_without_a_file_is_an_error(tmp_path, reference):
    error = failure(tmp_path, f'axes: {{a: "{reference}"}}\noutput: {{field_order: [a]}}\n')
    assert error.place == "axes.a"


@pytest.mark.parametrize(
    ("config", "place", "reason", "hint"),
    [
        ("axis: {a: [x]}", "axis", "unknown key 'axis'", "did you mean 'axes'?"),
        ("axes: [a]", "axes", "not a mapping", "axes:"),
        ("axes: {a: x}", "axes.a", "not a list", "@file:"),
        ("axes: {a: []}", "axes.a", "not a list", "[level"),
        ("axes: {a: }", "axes.a", "not a list", "[level"),
        ("axes: {1: [x]}", "axes.1", "not the name of an axis", "quote"),
        ("axes: {a: [x], ' a': [y]}", "axes. a", "given twice", "join"),
        ("axes: {a: [x]}\nrules: [x]", "rules", "not a mapping", "subsets"),
        ("axes: {a: [x]}\nrules: {pair: {}}", "rules.pair", "unknown rules section", "did you mean 'pairs'?"),
        ("axes: {a: [x]}\nrules: {ties: [a, b]}", "rules.ties", "not a mapping", "by name"),
        ("axes: {a: [x]}\nrules: {subsets: {a: x}}", "rules.subsets.a", "not a list", "[level"),
        ("axes: {a: [x]}\nrules: {subsets: {aa: [x]}}", "rules.subsets.aa", "no axis 'aa'", "did you mean 'a'?"),
        ("axes: {a: [x]}\nrules: {subsets: {a: [[x]]}}", "rules.subsets.a[0]", "not a level", "one text"),
        ("axes: {a: [x]}\nrules: {ties: {t: [a]}}", "rules.ties.t", "at least 2", "[a, b]"),
        ("axes: {a: [x]}\nrules: {ties: {t: [a, a]}}", "rules.ties.t[1]", "twice", "once"),
        ("axes: {a: [x], b: [y]}\nrules: {ties: {t: [a, b]}}", "rules.ties.t", "no level in common", "a: 'x'; b: 'y'"),
        ("axes: {a: [x], b: [x], c: [x]}\nrules: {ties: {c: [a, b]}}", "rules.ties.c", "taken", "another name"),
        ("axes: {a: [x], b: [x]}\nrules: {ties: {t: {axes: [a, b], to: a}}}", "rules.ties.t.to", "no 'to'", "name"),
        ("axes: {a: [x], b: [x]}\nrules: {ties: {t: {axis: [a, b]}}}", "rules.ties.t.axis", "unknown key", "'axes'"),
        ("axes: {a: [x]}\nrules: {pairs: {p: {left: a}}}", "rules.pairs.p", "'right' is missing", "allowed"),
        ("axes: {a: [x]}\nrules: {pairs: {p: {lft: a}}}", "rules.pairs.p.lft", "unknown key", "'left'"),
        ("axes: {a: [x]}\nrules: {pairs: {p: {left: a, right: a, allowed: [[x, x]]}}}", "rules.pairs.p.right",
         "both 'a'", "two axes"),
        ("axes: {a: [x], b: [x]}\nrules: {ties: {t: [a, b]}, pairs: {p: {left: a, right: b, allowed: [[x, x]]}}}",
         "rules.pairs.p", "one axis twice", "tied"),
        ("axes: {a: [x], b: [y]}\nrules: {pairs: {p: {left: a, right: b, allowed: []}}}", "rules.pairs.p.allowed",
         "not a list of lists", "@file:"),
        ("axes: {a: [x], b: [y]}\nrules: {pairs: {p: {left: a, right: b, allowed: [x]}}}",
         "rules.pairs.p.allowed[0]", "not a list", "[a, b]"),
        ("axes: {a: [x], b: [y]}\nrules: {pairs: {p: {left: a, right: b, allowed: [[x, y, z]]}}}",
         "rules.pairs.p.allowed[0]", "does not fit", "[a, b]"),
        ("axes: {a: [x], b: [y]}\nrules: {pairs: {p: {left: a, right: b, allowed: [[x, 1.5]]}}}",
         "rules.pairs.p.allowed[0][1]", "decimal", "quotes"),
        ("axes: {a: [x], b: [y]}\nrules: {pairs: {p: {left: a, right: b, allowed: [[x, y]], balance: lft}}}",
         "rules.pairs.p.balance", "no kind of balance", "did you mean 'left'?"),
        ("axes: {a: [x], b: [y]}\nrules: {pairs: {a: {left: a, right: b, allowed: [[x, y]]}}}", "rules.pairs.a",
         "taken", "another name"),
        ("axes: {a: [x], b: [y]}\nrules: {pairs: {p: {left: a, right: c, allowed: [[x, y]]}}}", "rules.pairs.p",
         "no axis 'c'", "known: a, b"),
        ("rules: {tuples: {t: {axes: [x], items: [[1]], expand: true}}}", "rules.tuples.t.expand", "'expand'",
         "remove"),
        ("rules: {tuples: {t: {axes: [x, y], items: [[1]]}}}", "rules.tuples.t.items[0]", "does not fit", "[x, y]"),
        ("rules: {tuples: {t: {axes: [], items: [[1]]}}}", "rules.tuples.t.axes", "not a list of axes", "[a, b]"),
        ("rules: {tuples: {t: {axes: [x], items: 3}}}", "rules.tuples.t.items", "not a list", "@file:"),
        ("rules: {tuples: {t: {axes: [x], item: [[1]]}}}", "rules.tuples.t.item", "unknown key", "'items'"),
        ("rules: {tuples: {t: {axes: [x], items: [[1]]}, u: {axes: [x, y], items: [[1, 2]]}}}", "rules.tuples.u",
         "part of 't'", "name 't'"),
        ("combos: [x]", "combos", "not a mapping", "concepts"),
        ("combos: {concept: all}", "combos.concept", "unknown key", "'concepts'"),
        ("combos: {concepts: some}", "combos.concepts", "neither", "all"),
        ("combos: {k: 0}", "combos.k", "no number", "[2, 3]"),
        ("combos: {k: [2, true]}", "combos.k", "no number", "[2, 3]"),
        ("combos: {level: paragraphs}", "combos.level", "no level", "'paragraph'"),
        ("combos: {k: 2}\naxes: {combo: [x]}", "combos", "both given", "not both"),
        ("combos: {k: 2}\nrules: {tuples: {t: {axes: [combo_id], items: [[x]]}}}", "combos", "both given", "not both"),
        ("", "axes", "no axis", "at least one"),
    ],
)  # fmt: skip
def test_mistakes_in_the_config_are_reported_with_place_and_way_out(tmp_path, config, place, reason, hint):
    error = failure(tmp_path, config + "\noutput: {field_order: [a]}\n")
    assert error.file == str(tmp_path / "config.yaml")
    assert error.place == place
    assert reason in error.reason
    assert hint in error.hint
    assert str(error) == f"{error.file}: {place}: {error.reason}\nHint: {error.hint}"


@pytest.mark.parametrize(
    ("output", "place", "reason"),
    [
        ("", "output", "'field_order' is missing"),
        ("output: {seed: 1}", "output", "'field_order' is missing"),
        ("output: {field_order: []}", "output.field_order", "not a list of columns"),
        ("output: {field_order: a}", "output.field_order", "not a list of columns"),
        ("output: {field_order: [a, a]}", "output.field_order[1]", "named twice"),
        ("output: {field_order: [a, bb]}", "output.field_order[1]", "no column 'bb'"),
        ("output: {field_order: [t]}\nrules: {ties: {t: [a, b]}}", "output.field_order[0]", "no column 't'"),
        ("output: {field_order: [a], seeds: 1}", "output.seeds", "unknown key"),
        ("output: {field_order: [a], seed: '1'}", "output.seed", "whole number"),
        ("output: {field_order: [a], seed: true}", "output.seed", "whole number"),
        ("output: {field_order: [a], seed: 1.5}", "output.seed", "whole number"),
        ("output: [a]", "output", "not a mapping"),
    ],
)
def test_mistakes_in_the_output_are_reported(tmp_path, output, place, reason):
    error = failure(tmp_path, f"axes: {{a: [x], b: [x]}}\n{output}\n")
    assert error.place == place
    assert reason in error.reason


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("axes:\n  a: [x\noutput: y\n", "line 2 column 6", "not valid YAML"),
        ("axes:\n\ta: [x]\n", "line 2 column 1", "not valid YAML"),
        ("axes:\n  a: @file:items/x.csv\n", "line 2 column 6", "not valid YAML"),
        ("axes:\n  a: [x]\n  b: [y]\n  a: [z]\n", "line 4", "the key 'a' is given twice (first in line 2)"),
        ("axes: {a: [2024-13-45]}\n", "line 1 column 12", "month must be in 1..12"),
        ("a: 1\n---\nb: 2\n", "line 2 column 1", "not valid YAML"),
        ("axes: !!python/object/apply:os.getcwd []\n", "line 1 column 7", "not valid YAML"),
        ("a: " + "[" * 40 + "]" * 40, "line 1 column 35", "nested too deeply"),
        ("[" * 200_000, "line 1 column 33", "nested too deeply"),
        ("", "", "holds nothing"),
        ("- a\n", "", "not a mapping"),
        ("just text", "", "not a mapping"),
        ("a: \x01", "", "not valid YAML"),
    ],
)
def test_unreadable_yaml_is_reported_with_its_line(tmp_path, text, place, reason):
    error = failure(tmp_path, text)
    assert error.file == str(tmp_path / "config.yaml")
    assert error.place == place
    assert reason in error.reason


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ('{"axes": {"a": ["x"],\n "a": ["y"]}}', "line 2", "given twice"),
        ('{\t"axes": {"a": ["x"],\n\t"a": ["y"]}}', "line 2", "given twice"),
        ('{"axes":\n {"a": ["x",]}}', "line 2 column 13", "not valid JSON"),
        ('{"axes": {"a": [NaN]}}', "axes.a[0]", "decimal"),
        ('{"axes": ' + "[" * 200_000, "", "nested too deeply"),
        ('{"axes": {"a": [' + "1" * 5000 + "]}}", "", "not valid JSON"),
    ],
)
def test_unreadable_json_is_reported_with_its_line(tmp_path, text, place, reason):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(SpecError) as caught:
        load(tmp_path)
    assert caught.value.place == place
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("axes: {}".encode("utf-16"), "UTF-16"),
        (b"\x80abc", "not UTF-8"),
        (b"axes: \0", "binary"),
        (b"a" * (20 * 1024 * 1024 + 1), "too many"),
    ],
)
def test_files_that_are_no_text_are_refused(tmp_path, content, reason):
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load(tmp_path)
    assert reason in caught.value.reason


def test_spec_is_found_as_folder_or_file_in_yaml_or_json(tmp_path):
    document = {"axes": {"a": ["x", 1, None]}, "output": {"field_order": ["a"]}}
    (tmp_path / "config.json").write_text(json.dumps(document))
    expected = [{"a": "x"}, {"a": "1"}, {"a": ""}]
    assert rows(load(tmp_path)) == rows(load(str(tmp_path / "config.json"))) == expected
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(document))
    assert rows(load(tmp_path / "config.yaml")) == expected
    with pytest.raises(SpecError, match=r"holds both config.yaml and config.json"):
        load(tmp_path)


def test_missing_spec_is_reported(tmp_path):
    with pytest.raises(SpecError, match="no config.yaml"):
        load(tmp_path)
    with pytest.raises(SpecError, match="no such spec"):
        load(tmp_path / "none")
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(SpecError, match="use .yaml, .yml, .json"):
        load(tmp_path / "config.toml")


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


LEVELS = st.lists(st.sampled_from("pqrstuvw"), min_size=1, max_size=5, unique=True)
AXES = st.dictionaries(st.sampled_from("abcd"), LEVELS, min_size=1, max_size=4)


def written(document: dict) -> specs.Spec:
    folder = Path(os.environ["SPEC_TEST_FOLDER"])
    (folder / "config.json").write_text(json.dumps(document))
    return load(folder)


@pytest.fixture(scope="module", autouse=True)
def spec_folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPEC_TEST_FOLDER", str(tmp_path_factory.mktemp("spec")))
        yield


@settings(deadline=None)
@given(AXES, st.none() | st.integers())
def test_without_rules_the_rows_are_the_product_and_repeatable(axes, seed):
    document = {"axes": axes, "output": {"field_order": sorted(axes)}}
    table = rows(written(document), seed)
    assert table == rows(written(document), seed)
    expected = [dict(zip(axes, cell, strict=True)) for cell in product(*axes.values())]
    if seed is not None:
        Random(seed).shuffle(expected)
    assert table == expected
    assert all(list(row) == sorted(axes) for row in table)


@settings(deadline=None)
@given(AXES, st.data())
def test_a_level_added_at_the_end_keeps_the_order_of_the_others(axes, data):
    name = data.draw(st.sampled_from(sorted(axes)))
    before = rows(written({"axes": axes, "output": {"field_order": [name]}}))
    wider = {**axes, name: [*axes[name], "new"]}
    after = rows(written({"axes": wider, "output": {"field_order": [name]}}))
    assert [row for row in after if row[name] != "new"] == before


@settings(deadline=None)
@given(AXES, st.data())
def test_subset_equals_filtering_rows(axes, data):
    name = data.draw(st.sampled_from(sorted(axes)))
    keep = data.draw(st.lists(st.sampled_from(axes[name]), min_size=1))
    output = {"field_order": sorted(axes)}
    everything = rows(written({"axes": axes, "output": output}))
    table = rows(written({"axes": axes, "output": output, "rules": {"subsets": {name: keep}}}))
    assert table == [row for row in everything if row[name] in keep]


@settings(deadline=None)
@given(LEVELS, LEVELS, LEVELS, st.data())
def test_pair_gives_exactly_the_allowed_cells(left, right, other, data):
    allowed = data.draw(st.lists(st.tuples(st.sampled_from(left), st.sampled_from(right)), min_size=1))
    document = {
        "axes": {"l": left, "o": other, "r": right},
        "rules": {"pairs": {"p": {"left": "l", "right": "r", "allowed": allowed}}},
        "output": {"field_order": ["l", "r", "o"]},
    }
    table = [tuple(row.values()) for row in rows(written(document))]
    assert table == [(*pair, level) for pair in dict.fromkeys(allowed) for level in other]


@settings(deadline=None)
@given(LEVELS, LEVELS, LEVELS)
def test_tie_gives_the_cells_in_which_the_axes_agree(first, second, other):
    axes = {"a": first, "o": other, "b": second}
    document = {
        "axes": axes,
        "rules": {"ties": {"t": ["a", "b"]}},
        "output": {"field_order": ["a", "o", "b"]},
    }
    expected = [(level, cell, level) for level in first if level in second for cell in other]
    if expected:
        assert [tuple(row.values()) for row in rows(written(document))] == expected
    else:
        with pytest.raises(SpecError, match="no level in common"):
            written(document)
