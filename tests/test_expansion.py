"""From rows of a design to generations: what is counted, what is reused, what is refused."""

import re
from collections.abc import Mapping, Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import tiny_root
from workflow_lib import catalogs, ids, spec
from workflow_lib.cohorts.membership import Entry
from workflow_lib.cohorts.rows import Expanded, IdRules, RowError, expand
from workflow_lib.errors import StoreError
from workflow_lib.files import write_json, write_text
from workflow_lib.paths import DataRoot

FULL = {
    "combo_id": "c1",
    "draft_template": "plain",
    "draft_llm": "wa",
    "essay_template": "structured",
    "essay_llm": "wa",
    "evaluation_template": "novelty",
    "evaluation_llm": "ja",
}


@pytest.fixture
def data(tmp_path) -> DataRoot:
    return tiny_root.make(tmp_path).data


def expanded(
    data: DataRoot,
    rows: Sequence[Mapping[str, str]],
    rules: IdRules | None = None,
    columns: Sequence[str] | None = None,
    cohort: str = "one",
) -> Expanded:
    known = {"c1", "c2", "c3"}
    columns = list(rows[0]) if columns is None else columns
    return expand(rows, columns, cohort, catalogs.load(data), known.__contains__, rules or IdRules(), data)


def row(drop: Sequence[str] = (), **cells: str) -> dict[str, str]:
    return {column: level for column, level in {**FULL, **cells}.items() if column not in drop}


def refusal(data: DataRoot, rows: Sequence[Mapping[str, str]], rules: IdRules | None = None) -> RowError:
    with pytest.raises(RowError) as caught:
        expanded(data, rows, rules)
    return caught.value


def of(found: Expanded, stage: str) -> list[Entry]:
    return [entry for entry in found.entries if entry.stage == stage]


def test_a_full_row_makes_one_lineage(data):
    draft, essay, evaluation = expanded(data, [FULL]).entries
    assert draft == Entry("draft", ids.draft_id("c1", "plain", "wa", 1), "one", "", "c1", "plain", "wa", 1)
    essay_id = ids.essay_id(draft.gen_id, "structured", 1)
    assert essay == Entry("essay", essay_id, "one", draft.gen_id, "c1", "structured", "wa", 1)
    gen_id = ids.evaluation_id(essay_id, "novelty", "ja", 1)
    assert evaluation == Entry("evaluation", gen_id, "one", essay_id, "c1", "novelty", "ja", 1)


@pytest.mark.parametrize("combo", ["combo_id", "combo"])
@pytest.mark.parametrize("model", ["draft_llm", "draft_model", "generation_llm"])
def test_columns_have_aliases(data, combo, model):
    aliased = row(("combo_id", "draft_llm"))
    assert expanded(data, [{**aliased, combo: "c1", model: "wa"}]).entries == expanded(data, [FULL]).entries


@pytest.mark.parametrize(
    ("column", "stage"),
    [
        ("draft_replicate", "draft"),
        ("draft_template_replicate", "draft"),
        ("draft_rep", "draft"),
        ("essay_replicate", "essay"),
        ("essay_template_replicate", "essay"),
        ("essay_rep", "essay"),
        ("evaluation_replicate", "evaluation"),
        ("evaluation_template_replicate", "evaluation"),
        ("evaluation_llm_replicate", "evaluation"),
        ("evaluation_rep", "evaluation"),
    ],
)
def test_replicate_columns_count_for_their_stage(data, column, stage):
    found = expanded(data, [row(**{column: "3"}), row(**{column: "2"})])
    assert [entry.replicate for entry in of(found, stage)] == [3, 2]
    for other in {"draft", "essay", "evaluation"} - {stage}:
        assert {entry.replicate for entry in of(found, other)} == {1}


def test_without_a_replicate_column_the_configured_count_applies(tmp_path):
    data = tiny_root.make(tmp_path, replication_config="stage,replicates\nessay,2\nevaluation,3\n").data
    found = expanded(data, [FULL])
    assert [len(of(found, stage)) for stage in ("draft", "essay", "evaluation")] == [1, 2, 6]
    found = expanded(data, [row(essay_replicate="5")])
    assert [(entry.stage, entry.replicate) for entry in found.entries if entry.stage != "evaluation"] == [
        ("draft", 1),
        ("essay", 5),
    ]


def test_generations_come_in_order_of_first_appearance(data):
    rows = [row(combo_id=combo, draft_template=template) for template in ("plain", "block") for combo in ("c2", "c1")]
    found = expanded(data, [*rows, *rows])
    assert [(entry.combo_id, entry.template_id) for entry in of(found, "draft")] == [
        ("c2", "plain"),
        ("c1", "plain"),
        ("c2", "block"),
        ("c1", "block"),
    ]
    assert [entry.stage for entry in found.entries] == ["draft"] * 4 + ["essay"] * 4 + ["evaluation"] * 4


def test_the_essays_model_counts_in_its_id_only_if_it_differs(data):
    same, other = of(expanded(data, [FULL, row(essay_llm="wb")]), "essay")
    assert same.gen_id == ids.essay_id(same.parent_gen_id, "structured", 1)
    assert other.gen_id == ids.essay_id(same.parent_gen_id, "structured", 1, "wb")
    assert (same.llm_model_id, other.llm_model_id) == ("wa", "wb")


@pytest.mark.parametrize("empty", ["", "None", "none"])
def test_an_essay_without_a_model_takes_the_drafts(data, empty):
    assert expanded(data, [row(essay_llm=empty)]).entries == expanded(data, [FULL]).entries
    assert expanded(data, [row(("essay_llm",))]).entries == expanded(data, [FULL]).entries


def test_with_essay_model_never_two_models_of_one_essay_are_an_error_that_shows_both(data):
    error = refusal(data, [FULL, row(essay_llm="wb")], IdRules(essay_model="never"))
    assert "structured, wa, replicate 1" in error.message
    assert "structured, wb, replicate 1" in error.message
    assert "never" in error.hint


def test_with_essay_model_never_another_model_does_not_change_the_id(data):
    found = expanded(data, [row(essay_llm="wb")], IdRules(essay_model="never"))
    assert of(found, "essay")[0].gen_id == of(expanded(data, [FULL]), "essay")[0].gen_id


def test_rows_that_differ_in_case_only_are_an_error_that_shows_both(tmp_path):
    data = tiny_root.make(tmp_path, draft_templates="template_id\nplain\nPlain\n").data
    error = refusal(data, [FULL, row(draft_template="Plain")])
    assert "plain, wa" in error.message and "Plain, wa" in error.message
    assert "case" in error.hint


def test_copy_mode_makes_one_essay_per_draft_and_template(data):
    rows = [
        row(essay_template="copied", essay_llm=model, essay_replicate=replicate)
        for model in ("wa", "wb", "None", "")
        for replicate in ("1", "2")
    ]
    found = expanded(data, rows)
    (essay,) = of(found, "essay")
    assert (essay.llm_model_id, essay.replicate) == ("wa", 1)
    assert essay.gen_id == ids.essay_id(essay.parent_gen_id, "copied", 1)
    assert found.collapsed == 5  # all but wa/1, None/1 and ""/1
    assert len(of(found, "evaluation")) == 1


def test_collapsed_rows_are_counted_once_each(tmp_path):
    data = tiny_root.make(tmp_path, replication_config="stage,replicates\ndraft,3\n").data
    found = expanded(data, [row(essay_template="copied", essay_llm="wb"), row(essay_template="copied")])
    assert len(of(found, "essay")) == 3
    assert found.collapsed == 1


def test_a_configured_replicate_count_of_essays_is_not_what_a_row_names(tmp_path):
    data = tiny_root.make(tmp_path, replication_config="stage,replicates\nessay,2\n").data
    found = expanded(data, [row(essay_template="copied"), row()])
    assert [(entry.template_id, entry.replicate) for entry in of(found, "essay")] == [
        ("copied", 1),
        ("structured", 1),
        ("structured", 2),
    ]
    assert found.collapsed == 0


def test_rows_may_stop_early(data):
    evaluation = ("evaluation_template", "evaluation_llm")
    assert [entry.stage for entry in expanded(data, [row(evaluation)]).entries] == ["draft", "essay"]
    drafts = row((*evaluation, "essay_template", "essay_llm"))
    assert [entry.stage for entry in expanded(data, [drafts]).entries] == ["draft"]


@pytest.mark.parametrize(
    ("dropped", "column", "needed"),
    [
        (("evaluation_llm",), "evaluation_template", "evaluation_llm"),
        (("evaluation_template",), "evaluation_llm", "evaluation_template"),
        (("essay_template",), "essay_llm", "essay_template"),
        (("combo_id",), "draft_template", "combo_id"),
        (("draft_llm", "combo_id"), "draft_template", "combo_id, draft_llm"),
    ],
)
def test_a_column_that_another_one_needs_is_named(data, dropped, column, needed):
    error = refusal(data, [row(dropped)])
    assert f"'{column}' needs the column" in error.message
    assert error.message.endswith(needed)
    assert error.column == column


def test_without_drafts_there_is_no_cohort(data):
    assert "combo_id, draft_template and draft_llm" in refusal(data, [{"combo_id": "c1"}]).message


@pytest.mark.parametrize(
    ("cells", "column", "message", "hint"),
    [
        ({"combo_id": "c9"}, "combo_id", "unknown combo 'c9'", "combo_mappings.csv"),
        ({"draft_template": "plane"}, "draft_template", "unknown draft template 'plane'", "'plain'"),
        ({"draft_llm": "gpt"}, "draft_llm", "unknown model 'gpt'", "known: ja, jb, wa, wb"),
        ({"essay_template": "novelty"}, "essay_template", "unknown essay template 'novelty'", "known:"),
        ({"essay_llm": "w"}, "essay_llm", "unknown model 'w'", "'wa'|'wb'|known"),
        ({"essay_template": "copied", "essay_llm": "gpt"}, "essay_llm", "unknown model 'gpt'", "known"),
        ({"evaluation_template": "stile"}, "evaluation_template", "unknown evaluation template 'stile'", "'style'"),
        ({"evaluation_llm": ""}, "evaluation_llm", "unknown model ''", "known"),
        ({"draft_replicate": "0"}, "draft_replicate", "replicate '0' is not a whole number", None),
        ({"essay_rep": "one"}, "essay_rep", "replicate 'one' is not a whole number", None),
        ({"evaluation_rep": "9" * 5000}, "evaluation_rep", "is not a whole number", None),
    ],
)
def test_an_unknown_level_is_reported_with_its_column(data, cells, column, message, hint):
    error = refusal(data, [row(**cells)])
    assert message in error.message
    assert error.column == column
    assert error.value == cells[column]
    if hint:
        assert re.search(hint, error.hint)


def test_an_unknown_column_is_reported(data):
    error = refusal(data, [{**FULL, "evaluation_lm": "ja"}])
    assert (error.column, error.hint) == ("evaluation_lm", "did you mean 'evaluation_llm'?")


def test_one_column_under_two_names_is_reported(data):
    assert "'draft_model' and 'draft_llm' are the same column" in refusal(data, [{**FULL, "draft_model": "wb"}]).message


def test_inactive_ids_are_fine_in_a_spec(data):
    assert of(expanded(data, [row(draft_template="retired")]), "draft")[0].template_id == "retired"


def test_for_evaluation_does_not_matter_in_a_spec(data):
    assert of(expanded(data, [row(evaluation_llm="wa")]), "evaluation")[0].llm_model_id == "wa"


def taken(data: DataRoot, stage: str, gen_id: str, **metadata: object) -> None:
    write_json(data.generation(stage, gen_id).metadata, {"stage": stage, "gen_id": gen_id, **metadata})


def test_a_folder_with_the_same_signature_is_reused(data):
    gen_id = ids.draft_id("c1", "plain", "wa", 1)
    taken(data, "draft", gen_id, combo_id="c1", template_id="Plain ", llm_model_id="WA", replicate=1)
    assert of(expanded(data, [FULL]), "draft")[0].gen_id == gen_id


def test_older_metadata_that_lacks_fields_is_reused(data):
    gen_id = ids.draft_id("c1", "plain", "wa", 1)
    taken(data, "draft", gen_id, template_id="plain")
    assert of(expanded(data, [FULL]), "draft")[0].gen_id == gen_id


@pytest.mark.parametrize(
    "other", [{"combo_id": "c2"}, {"template_id": "block"}, {"llm_model_id": "wb"}, {"replicate": 2}]
)
def test_a_folder_with_another_signature_is_left_alone(data, other):
    signature = {"combo_id": "c1", "template_id": "plain", "llm_model_id": "wa", "replicate": 1}
    for number in range(3):
        taken(data, "draft", ids.draft_id("c1", "plain", "wa", 1, collision=number), **{**signature, **other})
    draft, essay, _ = expanded(data, [FULL]).entries
    assert draft.gen_id == ids.draft_id("c1", "plain", "wa", 1, collision=3)
    assert draft.gen_id.endswith("-3")
    assert essay.gen_id == ids.essay_id(draft.gen_id, "structured", 1)


def test_collisions_of_essays_and_evaluations_look_at_their_parent(data):
    draft, essay, _ = expanded(data, [FULL]).entries
    taken(data, "essay", essay.gen_id, parent_gen_id="d_other", template_id="structured", replicate=1)
    moved = expanded(data, [FULL]).entries
    assert moved[1].gen_id == ids.essay_id(draft.gen_id, "structured", 1, collision=1)
    taken(data, "evaluation", moved[2].gen_id, parent_gen_id="e_other")
    assert expanded(data, [FULL]).entries[2].gen_id == ids.evaluation_id(
        moved[1].gen_id, "novelty", "ja", 1, collision=1
    )


def test_an_essay_of_another_model_under_this_id_is_another_signature(data):
    """A tool that leaves models out of essay ids may have put another model's essay there."""
    draft, essay, _ = expanded(data, [FULL]).entries
    taken(data, "essay", essay.gen_id, parent_gen_id=draft.gen_id, template_id="structured", llm_model_id="wb")
    moved = of(expanded(data, [FULL]), "essay")[0]
    assert moved.gen_id == ids.essay_id(draft.gen_id, "structured", 1, collision=1)
    never = IdRules(essay_model="never")
    assert of(expanded(data, [row(essay_llm="wb")], never), "essay")[0].gen_id == essay.gen_id


def test_after_five_collisions_there_is_an_error(data):
    for number in range(6):
        taken(data, "draft", ids.draft_id("c1", "plain", "wa", 1, collision=number), combo_id="c2")
    with pytest.raises(StoreError, match="all 5 ways around an id collision are taken") as caught:
        expanded(data, [FULL])
    assert "daydream check" in caught.value.hint


def test_the_fifth_collision_is_the_last_that_is_tried(data):
    for number in range(5):
        taken(data, "draft", ids.draft_id("c1", "plain", "wa", 1, collision=number), combo_id="c2")
    assert expanded(data, [FULL]).entries[0].gen_id == ids.draft_id("c1", "plain", "wa", 1, collision=5)


def test_the_drafts_model_in_other_case_is_not_counted_in_an_essays_id(tmp_path):
    models = tiny_root.TABLES["llm_models"] + "WA,sim-writer-a,offline,true,false\n"
    draft, essay, _ = expanded(tiny_root.make(tmp_path, llm_models=models).data, [row(essay_llm="WA")]).entries
    assert essay.gen_id == ids.essay_id(draft.gen_id, "structured", 1)


def test_metadata_that_cannot_be_read_is_no_collision(data):
    gen_id = ids.draft_id("c1", "plain", "wa", 1)
    path = data.generation("draft", gen_id).metadata
    for content in ("{half", "[1]", "null"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        assert of(expanded(data, [FULL]), "draft")[0].gen_id == gen_id


def test_cohort_scoped_ids_belong_to_one_cohort(data):
    rules = IdRules(scope="cohort")
    draft, essay, evaluation = expanded(data, [FULL], rules).entries
    task = "c1__plain__wa__1"
    assert draft.gen_id == ids.cohort_scoped_id("draft", task, "one")
    task = "c1__plain__wa__1__structured__1"
    assert essay.gen_id == ids.cohort_scoped_id("essay", task, "one")
    task = f"{essay.gen_id}__novelty__ja__1"
    assert evaluation.gen_id == ids.cohort_scoped_id("evaluation", task, "one")
    other = expanded(data, [FULL], rules, cohort="two")
    assert not {entry.gen_id for entry in other.entries} & {draft.gen_id, essay.gen_id, evaluation.gen_id}


def cells(found: Expanded) -> dict[str, tuple]:
    """Return gen_id -> what the generation is."""
    return {entry.gen_id: (entry.stage, entry.parent_gen_id, *entry[4:]) for entry in found.entries}


axes = st.fixed_dictionaries(
    {
        "combo_id": st.permutations(["c1", "c2", "c3"]),
        "draft_template": st.permutations(["plain", "block", "retired"]),
        "draft_llm": st.permutations(["wa", "wb"]),
        "essay_template": st.permutations(["structured", "long", "copied"]),
        "essay_llm": st.permutations(["wa", "wb"]),
        "evaluation_template": st.permutations(["novelty", "style"]),
        "evaluation_llm": st.permutations(["ja", "jb"]),
    }
)
SHARED: list[DataRoot] = []


@settings(deadline=None)
@given(axes, st.data())
def test_adding_removing_or_reordering_levels_changes_no_id_of_any_other_cell(tmp_path_factory, levels, draw):
    data = SHARED[0] if SHARED else tiny_root.make(tmp_path_factory.mktemp("root")).data
    SHARED[:] = [data]

    def design(chosen: Mapping[str, list[str]]) -> dict[str, tuple]:
        return cells(expanded(data, [dict(zip(chosen, row, strict=True)) for row in product(*chosen.values())]))

    fewer = {name: axis[: draw.draw(st.integers(1, len(axis)))] for name, axis in levels.items()}
    all_cells, some_cells = design(levels), design(fewer)
    assert some_cells.items() <= all_cells.items()
    assert design({name: sorted(axis) for name, axis in levels.items()}) == all_cells


@settings(deadline=None)
@given(axes, st.data())
def test_a_cell_has_the_same_id_whatever_other_cells_a_spec_has(tmp_path_factory, levels, draw):
    """The same through the spec language: order of axes and levels, subsets, ties and a seed."""
    data = SHARED[0] if SHARED else tiny_root.make(tmp_path_factory.mktemp("root")).data
    SHARED[:] = [data]

    def declared(chosen: Mapping[str, list[str]], rules: str = "", seed: int | None = None) -> dict[str, tuple]:
        path = data.cohort("drawn").spec / "config.yaml"
        lines = [f"  {name}: [{', '.join(axis)}]" for name, axis in chosen.items()]
        output = "output: {field_order: [combo_id, draft_template, draft_llm]}"
        write_text(path, "\n".join(["axes:", *lines, rules, output, ""]))
        rows = spec.rows(spec.load(path), seed)
        return cells(expanded(data, rows))

    names = draw.draw(st.permutations(sorted(levels)))
    all_cells = declared({name: levels[name] for name in names}, seed=draw.draw(st.integers(0, 99)))
    fewer = {name: axis[: draw.draw(st.integers(1, len(axis)))] for name, axis in levels.items()}
    subsets = "".join(f"    {name}: [{', '.join(axis)}]\n" for name, axis in fewer.items())
    assert declared(fewer).items() <= all_cells.items()
    assert declared(levels, f"rules:\n  subsets:\n{subsets}") == declared(fewer)
    tied = declared(levels, "rules: {ties: {draft_llm: [draft_llm, essay_llm]}}")
    assert tied.items() <= all_cells.items() and len(tied) < len(all_cells)
