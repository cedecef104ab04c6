"""Identifiers are frozen: a change of these recipes would make every paid answer unreachable."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_lib import ids

CONCEPTS = (
    "dearth-ai-discoveries",
    "default-mode-network",
    "economic-innovation-models",
    "economic-moat",
    "generator-verifier-gap",
)
COMBO = "combo_v1_85128e4e5ef3"
DRAFT = "d_5ezrffv9uf3lr37d"
ESSAY = "e_sq5klak2lljyyom"

names = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=30)
replicates = st.integers(1, 10**6)


def test_known_answers_never_change():
    assert ids.combo_id(CONCEPTS, "paragraph", 5) == COMBO
    assert ids.draft_id(COMBO, "Creative-Synthesis-V10 ", "gemini_25_pro", 1) == DRAFT
    assert ids.essay_id(DRAFT, "creative-synthesis-v10", 1) == ESSAY
    assert ids.essay_id(DRAFT, "creative-synthesis-v10", 1, "gemini_25_pro") == "e_tu7juvrx1gpo1sw"
    assert ids.evaluation_id(ESSAY, "novelty", "sonnet-4", 2) == "v_3rhlvddkkj1i6y7f"


def test_collision_number_is_hashed_and_shown():
    assert ids.draft_id(COMBO, "creative-synthesis-v10", "gemini_25_pro", 1, collision=1) == "d_1lwuc1d9fqksl7bk-1"
    assert ids.draft_id(COMBO, "creative-synthesis-v10", "gemini_25_pro", 1, collision=0) == DRAFT
    all_six = {ids.evaluation_id(ESSAY, "novelty", "sonnet-4", 2, collision=number) for number in range(6)}
    assert len(all_six) == 6
    assert sorted(name[-2:] for name in all_six if "-" in name) == ["-1", "-2", "-3", "-4", "-5"]


def test_cohort_scoped_id_has_sixteen_digits_and_no_prefix():
    task = "combo_v1_85128e4e5ef3__creative-synthesis-v10__gemini_25_pro__1"
    assert ids.cohort_scoped_id("draft", task, "baseline-v3") == "50ucru1nz9jz3ofr"


@given(st.permutations(CONCEPTS))
def test_order_of_concepts_does_not_change_a_combo(concepts):
    assert ids.combo_id(concepts, "paragraph", 5) == COMBO


@pytest.mark.parametrize(("level", "k_max"), [("sentence", 5), ("paragraph", 4)])
def test_level_and_size_change_a_combo(level, k_max):
    assert ids.combo_id(CONCEPTS, level, k_max) != COMBO


@given(names, names, names, replicates, st.sampled_from(["", " ", "\t", "\n"]))
def test_case_and_blanks_around_a_part_do_not_count(combo, template, model, replicate, blank):
    plain = ids.draft_id(combo, template, model, replicate)
    assert ids.draft_id(combo.upper(), blank + template.lower(), model.swapcase() + blank, replicate) == plain


@given(names, names, names, replicates)
def test_ids_are_safe_lower_case_names(combo, template, model, replicate):
    gen_id = ids.draft_id(combo, template, model, replicate)
    assert gen_id.startswith("d_")
    assert set(gen_id[2:]) <= set(string.digits + string.ascii_lowercase)
    assert gen_id == ids.draft_id(combo, template, model, replicate)


@given(names, names, replicates)
def test_replicate_template_and_model_each_change_an_id(template, model, replicate):
    plain = ids.evaluation_id("e_1", template, model, replicate)
    assert ids.evaluation_id("e_1", template, model, replicate + 1) != plain
    assert ids.evaluation_id("e_1", template + "x", model, replicate) != plain
    assert ids.evaluation_id("e_1", template, model + "x", replicate) != plain


@pytest.mark.parametrize("parts", [("", "t", "m"), ("c", " ", "m"), ("c", "t", "\n")])
def test_an_empty_part_is_refused(parts):
    with pytest.raises(ValueError, match="needs every part"):
        ids.draft_id(*parts, 1)


def test_an_empty_model_of_an_essay_is_refused():
    with pytest.raises(ValueError, match="needs every part"):
        ids.essay_id("d_1", "t", 1, "")


@pytest.mark.parametrize("replicate", [0, -1, 1.5, True])
def test_a_replicate_that_is_no_whole_number_from_one_is_refused(replicate):
    with pytest.raises(ValueError, match="replicate must be a whole number"):
        ids.draft_id("c", "t", "m", replicate)


@pytest.mark.parametrize("collision", [-1, 6])
def test_more_than_five_collisions_are_refused(collision):
    with pytest.raises(ValueError, match="collision must be 0 to 5"):
        ids.draft_id("c", "t", "m", 1, collision=collision)


@given(st.sampled_from(["draft", "essay", "evaluation"]), names, names)
def test_cohort_scoped_ids_always_have_sixteen_digits(stage, task, cohort):
    gen_id = ids.cohort_scoped_id(stage, task, cohort)
    assert len(gen_id) == 16
    assert set(gen_id) <= set(string.digits + string.ascii_lowercase)


def test_a_cohort_scoped_id_of_a_small_number_begins_with_zeros():
    assert ids.cohort_scoped_id("draft", "c__t__m__40731", "one") == "0bsw0uqntmjufag1"
