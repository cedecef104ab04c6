"""What holds for the rows of every spec, whatever its axes and rules."""

import json
import os
from itertools import product
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_lib import spec as specs
from workflow_lib.spec import SpecError, load, rows

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
