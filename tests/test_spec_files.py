"""Files of a spec: levels, pairs and tuples from items/, and where a spec is found."""

import json

import pytest
import yaml

from tests.spec_folder import AB, OUT_AB, failure, values, write
from workflow_lib.spec import SpecError, load, rows


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
