"""The registry of combos: append-only, shared by processes, and never contradicted."""

import re
import subprocess
import sys
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import tiny_root
from tests.project import SOURCE, read_csv
from workflow_lib import catalogs, generations, ids
from workflow_lib.catalogs import combos
from workflow_lib.catalogs.combos import Combo, enumerate_combos, load, register
from workflow_lib.errors import CatalogError, StoreError

HEAD = "combo_id,version,concept_id,description_level,k_max,created_at\n"


def combo(*concepts: str, level: str = "paragraph") -> Combo:
    return Combo(ids.combo_id(concepts, level, len(concepts)), concepts, level, len(concepts))


@pytest.fixture
def data(tmp_path):
    return tiny_root.make(tmp_path).data


def test_no_registry_is_an_empty_one(data):
    assert load(data) == {}


def test_registered_combos_have_one_row_per_concept(data):
    register(data, [combo("moat", "loop"), combo("loop", "sleep")])
    rows = read_csv(data.combo_mappings)
    assert list(rows[0]) == HEAD.strip().split(",")
    assert [(row["combo_id"], row["concept_id"]) for row in rows] == [
        (combo("moat", "loop").combo_id, "moat"),
        (combo("moat", "loop").combo_id, "loop"),
        (combo("loop", "sleep").combo_id, "loop"),
        (combo("loop", "sleep").combo_id, "sleep"),
    ]
    assert {(row["version"], row["description_level"], row["k_max"]) for row in rows} == {("v1", "paragraph", "2")}
    assert all(datetime.fromisoformat(row["created_at"]).tzinfo for row in rows)


def test_appending_leaves_existing_rows_byte_for_byte(data):
    register(data, [combo("moat", "loop")])
    before = data.combo_mappings.read_bytes()
    register(data, [combo("moat", "loop")])
    assert data.combo_mappings.read_bytes() == before
    register(data, [combo("moat", "loop"), combo("moat", "sleep")])
    assert data.combo_mappings.read_bytes().startswith(before)
    assert list(load(data)) == [combo("moat", "loop").combo_id, combo("moat", "sleep").combo_id]


def test_new_combos_are_written_in_catalog_order(data):
    made = enumerate_combos(catalogs.load(data), ["sleep", "moat", "loop"], [3, 2], "paragraph")
    assert [one.concept_ids for one in made] == [
        ("moat", "loop", "sleep"),
        ("moat", "loop"),
        ("moat", "sleep"),
        ("loop", "sleep"),
    ]
    assert [one.k_max for one in made] == [3, 2, 2, 2]


def test_widening_the_sizes_changes_no_id(data):
    known = catalogs.load(data)
    two = {one.combo_id for one in enumerate_combos(known, ["moat", "loop", "sleep"], [2], "paragraph")}
    both = {one.combo_id for one in enumerate_combos(known, ["moat", "loop", "sleep"], [2, 3], "paragraph")}
    assert two < both


def test_order_of_rows_decides_order_of_rendering(tmp_path):
    settings = tiny_root.make(tmp_path)
    wanted = combo("moat", "loop")
    rows = [f"{wanted.combo_id},v1,{name},paragraph,2,2025-01-01T00:00:00+00:00\n" for name in ("loop", "moat")]
    settings.data.combo_mappings.write_text(HEAD + "".join(rows))
    tiny_root.declare(settings)
    expansion = tiny_root.expand(settings)
    text = generations.render(settings, expansion.membership.stage("draft")[0]).text
    assert re.findall("### (.*)", text) == ["Loop", "Moat"]
    assert settings.data.combo_mappings.read_text() == HEAD + "".join(rows)


def test_a_missing_newline_at_the_end_is_mended_by_the_append(data):
    register(data, [combo("moat", "loop")])
    before = data.combo_mappings.read_bytes()
    data.combo_mappings.write_bytes(before.rstrip(b"\n"))
    register(data, [combo("moat", "sleep")])
    assert data.combo_mappings.read_bytes().startswith(before)
    assert [len(one.concept_ids) for one in load(data).values()] == [2, 2]


def test_a_registry_that_holds_only_a_header_is_appended_to(data):
    data.combo_mappings.write_text(HEAD)
    register(data, [combo("moat", "loop")])
    assert data.combo_mappings.read_text().count("combo_id,") == 1
    assert load(data).keys() == {combo("moat", "loop").combo_id}


def test_columns_in_another_order_or_more_of_them_are_respected(data):
    known = combo("loop", "sleep")
    head = "combo_id,concept_id,note,k_max,description_level\n"
    rows = "".join(f"{known.combo_id},{name},x,2,paragraph\n" for name in known.concept_ids)
    data.combo_mappings.write_text(head + rows)
    register(data, [combo("moat", "loop")])
    assert load(data) == {known.combo_id: known, combo("moat", "loop").combo_id: combo("moat", "loop")}


def test_a_known_id_with_other_contents_is_an_error_and_nothing_is_written(data):
    register(data, [combo("moat", "loop")])
    before = data.combo_mappings.read_bytes()
    impostor = Combo(combo("moat", "loop").combo_id, ("moat", "sleep"), "paragraph", 2)
    with pytest.raises(StoreError, match=r"exists already, with other contents") as caught:
        register(data, [combo("loop", "sleep"), impostor])
    assert str(data.combo_mappings) in str(caught.value)
    assert caught.value.hint
    assert data.combo_mappings.read_bytes() == before


@pytest.mark.parametrize(
    ("row", "place", "reason"),
    [
        ("c,v1,moat,paragrph,2,t", "line 2", "'paragrph' is none of"),
        ("c,v1,moat,paragraph,two,t", "line 2", "'two' is not a whole number"),
        (f"c,v1,moat,paragraph,{'9' * 5000},t", "line 2", "is not a whole number"),
        ("c,v1,moat,paragraph,2,t\nc,v1,loop,sentence,2,t", "line 3", "two levels or sizes"),
        ("c,v1,moat,paragraph,2,t,x", "line 2", "7 cells under 6 columns"),
    ],
)
def test_a_row_that_cannot_be_read_is_reported_with_its_line(data, row, place, reason):
    data.combo_mappings.write_text(f"{HEAD}{row}\n")
    with pytest.raises(CatalogError) as caught:
        load(data)
    assert (caught.value.file, caught.value.place) == (str(data.combo_mappings), place)
    assert reason in caught.value.reason


def test_an_unknown_concept_of_a_combo_in_use_is_reported(tmp_path):
    settings = tiny_root.make(tmp_path)
    settings.data.combo_mappings.write_text(f"{HEAD}cx,v1,moat,paragraph,2,t\ncx,v1,moot,paragraph,2,t\n")
    tiny_root.declare(
        settings,
        tiny_root.SPEC.replace("combos: {concepts: [moat, loop], k: 2}", "").replace(
            "axes:", "axes:\n  combo_id: [cx]"
        ),
    )
    with pytest.raises(CatalogError, match="unknown concept 'moot'") as caught:
        tiny_root.expand(settings)
    assert "did you mean 'moat'?" in str(caught.value)
    assert not settings.data.cohort("one").membership.exists()


APPEND = """
import sys
from workflow_lib import ids
from workflow_lib.catalogs.combos import Combo, register
from workflow_lib.settings import load
data = load({"data_root": sys.argv[1]}, None, {}).data
for number in range(20):
    for names in (("moat", f"x{number}"), (f"own{sys.argv[2]}", f"x{number}")):
        register(data, [Combo(ids.combo_id(names, "paragraph", 2), names, "paragraph", 2)])
"""


@pytest.mark.slow
def test_processes_that_append_at_once_lose_nothing_and_write_nothing_twice(data):
    workers = [
        subprocess.Popen([sys.executable, "-c", APPEND, str(data.root), str(number)], cwd=SOURCE) for number in range(3)
    ]
    while any(worker.poll() is None for worker in workers):
        # a reader takes no lock, and must never see half a combo
        assert all(len(one.concept_ids) == 2 for one in load(data).values())
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    rows = [(row["combo_id"], row["concept_id"]) for row in read_csv(data.combo_mappings)]
    assert len(rows) == len(set(rows)) == 2 * (20 + 3 * 20)
    assert all(len(one.concept_ids) == 2 for one in load(data).values())


@given(st.permutations(["moat", "loop", "sleep", "old"]), st.integers(1, 4))
def test_a_combo_does_not_depend_on_the_order_in_which_concepts_are_named(tmp_path_factory, names, size):
    data = tiny_root.make(tmp_path_factory.mktemp("root")).data if not ROOTS else ROOTS[0]
    ROOTS[:] = [data]
    known = catalogs.load(data)
    plain = enumerate_combos(known, ["moat", "loop", "sleep", "old"], [size], "paragraph")
    assert enumerate_combos(known, names, [size], "paragraph") == plain
    assert len({one.combo_id for one in plain}) == len(plain)


ROOTS: list = []


def test_a_registry_that_grew_behind_our_back_is_read_again(data):
    register(data, [combo("moat", "loop")])
    assert len(combos.load(data)) == 1
    other = combo("moat", "sleep")
    with open(data.combo_mappings, "a") as registry:
        registry.writelines(f"{other.combo_id},v1,{name},paragraph,2,t\n" for name in other.concept_ids)
    assert combos.load(data)[other.combo_id] == other
