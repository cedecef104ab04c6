"""Mistakes in a spec: each is reported with its file, its place and a way out."""

import pytest

from tests.spec_folder import failure
from workflow_lib.spec import SpecError, load


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
