"""Cohorts made from a list of selected essays or drafts: what is kept, what is new, and that it stays so."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests import tiny_root
from tests.small_cohort import run_all
from tests.tiny_root import SPEC, bytes_of, load, members
from workflow_lib import cohorts
from workflow_lib.cohorts.membership import Entry, Membership
from workflow_lib.errors import ConfigError, DayDreamError, MembershipError, StoreError
from workflow_lib.files import read_json, write_json, write_text
from workflow_lib.generations.state import States
from workflow_lib.settings import Settings


@pytest.fixture(scope="module")
def bought_once(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bought")
    settings = tiny_root.make(folder)
    tiny_root.declare(settings)
    tiny_root.expand(settings)
    run_all(settings, "one")
    return folder


@pytest.fixture
def root(bought_once: Path, tmp_path: Path) -> Path:
    """A store with cohort `one` bought: 1 draft, an essay and a copy of it, 4 evaluations by novelty."""
    shutil.copytree(bought_once, tmp_path, dirs_exist_ok=True)
    return tmp_path


def bought(root: Path, stage: str, template: str | None = None) -> list[Entry]:
    found = cohorts.load_membership(load(root), "one").stage(stage)
    return [entry for entry in found if template in (None, entry.template_id)]


def settings_for(root: Path, *lines: str, **overrides: Any) -> Settings:
    """Return the settings of a run over a selection with these lines."""
    path = root / "data" / "curation" / "list.txt"
    write_text(path, "".join(f"{line}\n" for line in lines))
    return load(root, selection=str(path), **overrides)


def curate(root: Path, *lines: str, cohort: str = "again", **overrides: Any) -> Membership:
    """Expand a curated cohort over these lines and write it down."""
    return tiny_root.expand(settings_for(root, *lines, **overrides), cohort).membership


def refusal(root: Path, *lines: str, kind: type[DayDreamError] = ConfigError, cohort: str = "again", **overrides: Any):
    with pytest.raises(kind) as caught:
        curate(root, *lines, cohort=cohort, **overrides)
    return caught.value


def essay_of(root: Path) -> str:
    return bought(root, "essay", "structured")[0].gen_id


def replicates(root: Path, **counts: int) -> None:
    rows = [f"{stage},{counts.get(stage, 1)}" for stage in ("draft", "essay", "evaluation")]
    write_text(load(root).data.catalog("replication_config"), "\n".join(["stage,replicates", *rows]) + "\n")


def ids(membership: Membership, stage: str | None = None) -> list[str]:
    return [entry.gen_id for entry in membership if stage in (None, entry.stage)]


# modes


@pytest.mark.parametrize("line", ["", "# mode: regenerate", "#MODE:Regenerate"])
def test_regenerate_makes_drafts_essays_and_evaluations_anew(root, line):
    made = curate(root, line, essay_of(root))
    assert members(made, "draft") == [("plain", "wa", 2)]
    assert members(made, "essay") == [("structured", "wa", 1)]
    # as the essay was judged before, and not over all that is active
    assert members(made, "evaluation") == [("novelty", "ja", 1), ("novelty", "jb", 1)]
    assert not {*ids(made)} & {*ids(cohorts.load_membership(load(root), "one"))}


def test_regenerate_of_two_essays_of_one_draft_gives_each_a_draft(root):
    both = [entry.gen_id for entry in bought(root, "essay")]
    made = curate(root, *both)
    assert members(made, "draft") == [("plain", "wa", 2), ("plain", "wa", 3)]
    assert members(made, "essay") == [("structured", "wa", 1), ("copied", "wa", 1)]
    assert [made.parent(essay).replicate for essay in made.stage("essay")] == [2, 3]


def test_reuse_drafts_keeps_the_draft_of_an_essay(root):
    made = curate(root, "# mode: reuse-drafts", essay_of(root))
    assert ids(made, "draft") == [bought(root, "draft")[0].gen_id]
    assert members(made, "essay") == [("structured", "wa", 2)]
    assert len(made.stage("evaluation")) == 4


def test_reuse_drafts_has_no_second_copy_of_a_draft_and_judges_the_copy_again(root):
    copy = bought(root, "essay", "copied")[0].gen_id
    made = curate(root, "# mode: reuse-drafts", copy)
    assert ids(made, "essay") == [copy]
    assert members(made, "evaluation") == [
        ("novelty", "ja", 2),
        ("novelty", "jb", 2),
        ("style", "ja", 1),
        ("style", "jb", 1),
    ]


@pytest.mark.parametrize("name", ["reuse-essays", "evaluation-only"])
def test_reuse_essays_keeps_all_but_the_evaluations(root, name):
    made = curate(root, f"# mode: {name}", essay_of(root))
    assert ids(made, "draft") == [bought(root, "draft")[0].gen_id]
    assert ids(made, "essay") == [essay_of(root)]
    assert members(made, "evaluation") == [
        ("novelty", "ja", 2),
        ("novelty", "jb", 2),
        ("style", "ja", 1),
        ("style", "jb", 1),
    ]


@pytest.mark.parametrize("line", ["", "# mode: reuse-drafts"])
def test_selected_drafts_get_essays_over_the_active_templates(root, line):
    draft = bought(root, "draft")[0].gen_id
    made = curate(root, line, draft)
    assert ids(made, "draft") == [draft]
    assert members(made, "essay") == [("structured", "wa", 2), ("long", "wa", 1), ("copied", "wa", 1)]


def test_template_filter_and_replicates_count_for_what_is_new(root):
    replicates(root, essay=2, evaluation=3)
    made = curate(root, "# mode: reuse-drafts", essay_of(root), template_filter={"evaluation": ["sty*"]})
    assert members(made, "essay") == [("structured", "wa", 2), ("structured", "wa", 3)]
    assert members(made, "evaluation") == [("style", j, r) for _ in range(2) for j in ("ja", "jb") for r in (1, 2, 3)]


@pytest.mark.parametrize("name", ["fill-up", "skip-existing-evaluations", "Fill-Up", "fill-up "])
def test_fill_up_holds_what_exists_and_what_is_missing(root, name):
    replicates(root, evaluation=2)
    first = next(entry for entry in bought(root, "evaluation") if entry.parent_gen_id == essay_of(root))
    shutil.rmtree(load(root).data.generation("evaluation", first.gen_id).folder)
    narrow = {"evaluation": ["novelty"]}
    made = curate(root, "# mode: reuse-essays", f"# {name}", essay_of(root), template_filter=narrow)
    assert members(made, "evaluation") == [("novelty", j, r) for j in ("ja", "jb") for r in (1, 2)]
    assert first.gen_id in ids(made)
    assert len(to_buy(root, made)) == 3


def to_buy(root: Path, made: Membership) -> list[Entry]:
    states = States(load(root))
    return [entry for entry in made if states.of(entry).needs_call]


def test_fill_up_of_what_is_complete_buys_nothing_and_holds_its_scores(root):
    replicates(root, evaluation=2)
    two = curate(root, "# mode: reuse-essays", "# judges: ja", "# templates: novelty", essay_of(root), cohort="two")
    run_all(load(root), "two")
    replicates(root)
    narrow = {"evaluation": ["novelty"]}
    made = curate(root, "# mode: reuse-essays", "# fill-up", essay_of(root), template_filter=narrow)
    # all that exist, also those above the configured count
    assert members(made, "evaluation") == [("novelty", "ja", r) for r in (1, 2, 3)] + [("novelty", "jb", 1)]
    assert set(ids(two, "evaluation")) < set(ids(made))
    assert to_buy(root, made) == []


def test_fill_up_gives_the_lowest_replicates_that_are_free(root):
    lines = ("# mode: reuse-essays", "# judges: ja", "# templates: novelty", essay_of(root))
    curate(root, *lines, cohort="two")
    run_all(load(root), "two")
    first = next(
        one for one in bought(root, "evaluation") if (one.parent_gen_id, one.llm_model_id) == (lines[-1], "ja")
    )
    shutil.rmtree(load(root).data.generation("evaluation", first.gen_id).folder)
    replicates(root, evaluation=2)
    made = curate(root, "# fill-up", *lines)
    assert members(made, "evaluation") == [("novelty", "ja", 1), ("novelty", "ja", 2)]
    assert to_buy(root, made) == [first._replace(cohort_id="again")]


def test_what_fill_up_holds_stays_when_another_cohort_buys_more(root):
    lines = ("# mode: reuse-essays", "# fill-up", "# templates: novelty", essay_of(root))
    made = curate(root, *lines)
    curate(root, "# mode: reuse-essays", "# templates: novelty", essay_of(root), cohort="more")
    run_all(load(root), "more")
    assert curate(root, *lines)[:] == made[:]


@pytest.mark.parametrize("gone", [(), ("raw.txt", "parsed.txt")])
def test_fill_up_keeps_an_evaluation_under_the_id_that_it_was_bought_with(root, gone):
    scoped = {"ids": {"scope": "cohort"}}
    lines = ("# mode: reuse-essays", "# templates: style", "# judges: ja", essay_of(root))
    bought_so = curate(root, *lines, cohort="scoped", **scoped)
    run_all(load(root), "scoped")
    for entry in bought_so.stage("evaluation"):
        for name in gone:
            # its attempts/ keep the answer
            (load(root).data.generation(entry.stage, entry.gen_id).folder / name).unlink()
    made = curate(root, "# fill-up", *lines)
    assert ids(made, "evaluation") == ids(bought_so, "evaluation")
    assert to_buy(root, made) == []


# how essays are judged


@pytest.mark.parametrize(
    ("mode", "lines", "expected"),
    [
        ("reuse-essays", ["# judges: jb"], [("novelty", "jb", 2), ("style", "jb", 1)]),
        ("reuse-essays", ["# Templates: style", "#judges:ja"], [("style", "ja", 1)]),
        ("reuse-essays", ["# templates: style novelty", "# judges: ja"], [("style", "ja", 1), ("novelty", "ja", 2)]),
        (
            "reuse-essays",
            ["# judges: ja", "# templates: style", "# replicates: 2"],
            [("style", "ja", 1), ("style", "ja", 2)],
        ),
        ("reuse-drafts", ["# judges: ja, ja"], [("novelty", "ja", 1), ("style", "ja", 1)]),
        ("regenerate", ["# judges: wb"], [("novelty", "wb", 1)]),
        ("regenerate", ["# templates: style"], [("style", "ja", 1), ("style", "jb", 1)]),
        ("regenerate", ["# templates: style", "# judges: jb"], [("style", "jb", 1)]),
        ("regenerate", ["# replicates: 2"], [("novelty", j, r) for j in ("ja", "jb") for r in (1, 2)]),
    ],
)
def test_judges_and_templates_of_a_selection_come_before_the_catalogs(root, mode, lines, expected):
    assert members(curate(root, f"# mode: {mode}", *lines, essay_of(root)), "evaluation") == expected


def test_judges_and_templates_go_with_a_list_of_drafts(root):
    made = curate(root, "# judges: jb", "# templates: style", bought(root, "draft")[0].gen_id)
    assert members(made, "evaluation") == [("style", "jb", 1)] * 3


def test_an_edited_directive_adds_its_own_rows_only(root):
    lines = ("# mode: reuse-essays", "# templates: style", essay_of(root))
    made = curate(root, "# judges: ja", *lines)
    more = curate(root, "# judges: ja, jb", "# replicates: 2", *lines)
    assert set(made) < set(more)
    assert members(more, "evaluation") == [("style", j, r) for j in ("ja", "jb") for r in (1, 2)]


def test_regenerate_judges_each_essay_as_its_own_cohorts_did(root):
    replicates(root, evaluation=2)
    essay, copy = essay_of(root), bought(root, "essay", "copied")[0].gen_id
    curate(root, "# mode: reuse-essays", "# templates: style", "# judges: jb", copy, cohort="more")
    replicates(root)
    made = curate(root, essay, copy)
    first, second = made.stage("essay")
    judged = {one.gen_id: [] for one in (first, second)}
    for one in made.stage("evaluation"):
        judged[one.parent_gen_id].append((one.template_id, one.llm_model_id, one.replicate))
    assert judged[first.gen_id] == [("novelty", "ja", 1), ("novelty", "jb", 1)]
    assert judged[second.gen_id] == [*judged[first.gen_id], ("style", "jb", 1), ("style", "jb", 2)]
    # what was given once stays when the cohorts that it came from change or go
    shutil.rmtree(load(root).data.cohort("more").folder)
    load(root).data.cohort("one").membership.unlink()
    assert curate(root, essay, copy)[:] == made[:]


def test_regenerate_in_a_store_without_cohorts_follows_its_evaluations(root):
    essay = essay_of(root)
    shutil.rmtree(load(root).data.cohort("one").folder)
    assert members(curate(root, essay), "evaluation") == [("novelty", "ja", 1), ("novelty", "jb", 1)]


def test_a_judge_that_the_catalog_has_lost_is_reported_with_what_to_do(root):
    table = load(root).data.catalog("llm_models")
    table.write_text(table.read_text().replace("jb,sim-judge-b,offline,false,true\n", ""))
    error = refusal(root, essay_of(root), kind=StoreError)
    assert "evaluated by the judge 'jb', which is unknown" in error.message and "# judges: NAME" in (error.hint or "")
    assert members(curate(root, "# judges: ja", essay_of(root)), "evaluation") == [("novelty", "ja", 1)]


@pytest.mark.parametrize(
    ("mode", "then", "now"),
    [
        (
            "regenerate",
            [(t, j, 1) for t in ("novelty", "style") for j in ("ja", "jb")],
            [("novelty", "ja", 1), ("novelty", "jb", 1)],
        ),
        (
            "reuse-essays\n# fill-up",
            [(t, j, r) for t, r in (("novelty", 2), ("style", 1), ("style", 2)) for j in ("ja", "jb")],
            None,
        ),
    ],
)
def test_a_cohort_from_before_keeps_its_rules_until_it_is_updated(root, mode, then, now):
    replicates(root, evaluation=1 if now else 2)
    settings = settings_for(root, f"# mode: {mode}", essay_of(root))
    path = settings.data.cohort("again").allocation
    write_json(path, {"mode": mode.split("\n")[0], "lines": {}})
    made = tiny_root.expand(settings, "again").membership
    assert sorted(members(made, "evaluation")) == sorted(then)
    assert "rules" not in read_json(path)
    assert tiny_root.expand(settings, "again").membership[:] == made[:]
    expansion = cohorts.expand_source(settings, cohorts.resolve(settings, "again"), adopt=True)
    cohorts.write(settings, expansion)
    updated = members(expansion.membership, "evaluation")
    assert updated == (now or [(t, j, r) for t in ("novelty", "style") for j in ("ja", "jb") for r in (1, 2)])
    assert tiny_root.expand(settings, "again").membership[:] == expansion.membership[:]


def test_comments_blank_lines_and_repeated_lines_do_not_count(root):
    essay = essay_of(root)
    made = curate(
        root, "# the mode of thought is what counts", "", f"  {essay}  # the best", essay, "# mode: reuse-essays"
    )
    assert ids(made, "essay") == [essay]
    assert {entry.replicate for entry in made.stage("evaluation")} == {1, 2}


def test_kept_generations_are_not_touched_by_an_expansion(root):
    gens = root / "data" / "gens"
    before = bytes_of(gens)
    times = {path: path.stat().st_mtime_ns for path in gens.rglob("*")}
    curate(root, "# mode: reuse-essays", essay_of(root))
    assert bytes_of(gens) == before
    assert {path: path.stat().st_mtime_ns for path in gens.rglob("*")} == times


# numbers


@pytest.mark.parametrize("mode", ["regenerate", "reuse-drafts", "reuse-essays"])
def test_an_expansion_after_buying_adds_nothing(root, mode):
    made = curate(root, f"# mode: {mode}", essay_of(root))
    before = bytes_of(root / "data" / "cohorts" / "again")
    run_all(load(root), "again")
    assert curate(root, f"# mode: {mode}", essay_of(root))[:] == made[:]
    assert bytes_of(root / "data" / "cohorts" / "again") == before


def test_fill_up_expanded_after_buying_adds_nothing(root):
    replicates(root, evaluation=2)
    lines = ("# mode: reuse-essays", "# fill-up", essay_of(root))
    made = curate(root, *lines)
    run_all(load(root), "again")
    assert curate(root, *lines)[:] == made[:]


def test_new_lines_extend_the_allocation(root):
    first, second = (entry.gen_id for entry in bought(root, "essay"))
    made = curate(root, first)
    allocated = read_json(load(root).data.cohort("again").allocation)
    assert allocated["mode"] == "regenerate" and list(allocated["lines"]) == [first]
    # not bought yet: the numbers of the first line are taken all the same
    more = curate(root, first, second)
    assert set(made) < set(more)
    assert members(more, "draft") == [("plain", "wa", 2), ("plain", "wa", 3)]
    after = read_json(load(root).data.cohort("again").allocation)
    assert after["lines"][first] == allocated["lines"][first] and list(after["lines"]) == [first, second]


def test_a_line_that_is_taken_out_and_put_back_keeps_its_numbers(root):
    first, second = (entry.gen_id for entry in bought(root, "essay"))
    both = curate(root, first, second)
    assert members(curate(root, second), "draft") == [("plain", "wa", 3)]
    assert set(curate(root, second, first)) == set(both)


def test_a_second_cohort_over_the_same_selection_gets_higher_numbers(root):
    first = curate(root, essay_of(root))
    second = curate(root, essay_of(root), cohort="third")
    assert members(first, "draft") == [("plain", "wa", 2)]
    assert members(second, "draft") == [("plain", "wa", 3)]
    judged = curate(root, "# mode: reuse-essays", essay_of(root), cohort="fourth")
    again = curate(root, "# mode: reuse-essays", essay_of(root), cohort="fifth")
    assert {entry.replicate for entry in judged.stage("evaluation") if entry.template_id == "novelty"} == {2}
    assert {entry.replicate for entry in again.stage("evaluation") if entry.template_id == "novelty"} == {3}


def test_a_lost_allocation_never_gives_out_a_bought_number_again(root):
    made = curate(root, essay_of(root))
    run_all(load(root), "again")
    load(root).data.cohort("again").allocation.unlink()
    assert not {*ids(made)} & {*ids(curate(root, essay_of(root)))}


def test_a_new_judge_adds_only_its_own_rows(root):
    made = curate(root, "# mode: reuse-essays", essay_of(root))
    models = load(root).data.catalog("llm_models")
    models.write_text(models.read_text() + "jc,sim-judge-c,offline,false,true\n")
    more = curate(root, "# mode: reuse-essays", essay_of(root))
    assert {entry.llm_model_id for entry in set(more) - set(made)} == {"jc"}
    assert set(made) < set(more)


def test_essays_whose_ids_leave_the_model_out_never_share_a_number(root):
    settings = load(root)
    tiny_root.declare(
        settings,
        SPEC.replace("[structured, copied]", "[structured]\n  essay_llm: [wb]").replace(
            "essay_template, eval", "essay_template, essay_llm, eval"
        )
        + "ids: {essay_model: never}\n",
        "old",
    )
    tiny_root.declare(settings, SPEC + "ids: {essay_model: never}\n", "own")
    settings.data.cohort("one").membership.unlink()
    shutil.rmtree(settings.data.gens)
    other = tiny_root.expand(settings, "old").membership.stage("essay")[0]
    run_all(settings, "old")
    never = {"essay_model": "never"}
    kept = curate(root, other.parent_gen_id, ids=never, template_filter={"essay": ["structured"]})
    # replicate 1 of this draft and template is the other model's
    assert members(kept, "essay") == [("structured", "wa", 2)]


@pytest.mark.parametrize("scope", ["content", "cohort"])
def test_kept_generations_keep_their_ids_in_any_scope(root, scope):
    made = curate(root, "# mode: reuse-drafts", essay_of(root), ids={"scope": scope})
    assert ids(made, "draft") == [bought(root, "draft")[0].gen_id]
    assert all((len(gen_id) == 16) == (scope == "cohort") for gen_id in ids(made, "essay") if gen_id[1] != "_")
    assert curate(root, "# mode: reuse-drafts", essay_of(root), ids={"scope": scope})[:] == made[:]


def test_an_essay_that_names_no_model_has_its_drafts(root):
    metadata = load(root).data.generation("essay", essay_of(root)).metadata
    write_json(metadata, {key: value for key, value in read_json(metadata).items() if key != "llm_model_id"})
    kept = curate(root, "# mode: reuse-essays", essay_of(root))
    assert members(kept, "essay") == [("structured", "wa", 1)]
    assert members(curate(root, "# mode: reuse-drafts", essay_of(root), cohort="more"), "essay") == [
        ("structured", "wa", 2)
    ]


# mistakes


def test_an_unknown_gen_id_is_reported_with_its_line(root):
    error = refusal(root, "# mode: reuse-essays", essay_of(root), "e_unknown")
    assert "list.txt: line 3: there is no essay or draft 'e_unknown'" in error.message
    evaluation = bought(root, "evaluation")[0].gen_id
    assert "list the essay that it judges" in (refusal(root, evaluation).hint or "")
    assert "line 1: there is no essay or draft '../one'" in refusal(root, "../one").message


def test_essays_and_drafts_in_one_list_are_refused(root):
    draft = bought(root, "draft")[0].gen_id
    error = refusal(root, essay_of(root), draft)
    assert f"line 2: {draft} is a draft, others are essays" in error.message


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        (
            "# mode: reuse-esays",
            "line 1: 'reuse-esays' is no mode for a list of essays",
            "did you mean 'reuse-essays'?",
        ),
        ("# mode = reuse-essays", "line 1: '# mode = reuse-essays' is no directive", "# mode: NAME"),
        ("# mode reuse-essays", "line 1: '# mode reuse-essays' is no directive", "# mode: NAME"),
        ("# mode: reuse-essays fill-up", "is no directive", "alone on its line"),
        ("# fillup", "line 1: '# fillup' is no directive", "did you mean 'fill-up'?"),
        ("# fill up", "line 1: '# fill up' is no directive", "did you mean 'fill-up'?"),
        ("# skip-existing-evaluation", "is no directive", "did you mean 'skip-existing-evaluations'?"),
        ("# fill-up", "line 1: fill-up does not go with mode regenerate", "# mode: reuse-essays"),
        ("# judge: ja", "line 1: '# judge: ja' is no directive", "# judges: NAME, NAME"),
        ("# judges = ja", "line 1: '# judges = ja' is no directive", "# judges: NAME, NAME"),
        ("# judges ja jb", "line 1: '# judges ja jb' is no directive", "# judges: NAME, NAME"),
        ("# templates:", "'# templates:': templates needs at least one name", "remove the line"),
        ("# judges: jx", "line 1: unknown model 'jx'", "known: ja, jb, wa, wb"),
        ("# templates: novelti", "line 1: unknown evaluation template 'novelti'", "did you mean 'novelty'?"),
        ("# replicates: 0", "replicates needs a whole number of 1 or more", "remove the line"),
        ("# replicate 2", "line 1: '# replicate 2' is no directive", "# replicates: NUMBER"),
        ("# judges: ja\n# judges: jb", "line 2: 'judges' a second time", "into one line"),
    ],
)
def test_a_misspelt_directive_is_an_error_and_not_a_remark(root, line, message, hint):
    error = refusal(root, line, essay_of(root))
    assert message in error.message and hint in (error.hint or "")
    assert not load(root).data.cohort("again").folder.exists()


def test_directives_that_do_not_go_together_are_refused(root):
    draft = bought(root, "draft")[0].gen_id
    error = refusal(root, "# mode: regenerate", draft)
    assert "'regenerate' is no mode for a list of drafts" in error.message
    assert error.hint == "known: reuse-drafts"
    assert (
        "line 2: a second mode" in refusal(root, "# mode: reuse-essays", "# mode: regenerate", essay_of(root)).message
    )
    assert "does not go with mode reuse-drafts" in refusal(root, "# fill-up", draft).message


def test_an_empty_list_and_a_missing_one_are_refused(root):
    assert "no line names an essay or a draft" in refusal(root, "# mode: reuse-essays", "").message
    with pytest.raises(ConfigError, match="nowhere.txt: no such file"):
        cohorts.resolve(load(root, selection=str(root / "nowhere.txt")), "again")


def test_a_broken_link_names_the_file(root):
    data = load(root).data
    essay = bought(root, "essay", "structured")[0]
    metadata = data.generation("essay", essay.gen_id).metadata
    whole = read_json(metadata)
    write_json(metadata, whole | {"parent_gen_id": "d_gone"})
    error = refusal(root, essay.gen_id, kind=StoreError)
    assert str(metadata) in error.message and "'d_gone' is no draft of the store" in error.message
    write_json(metadata, {key: value for key, value in whole.items() if key != "template_id"})
    assert refusal(root, essay.gen_id, kind=MembershipError).file == str(metadata)
    metadata.write_text("{half")
    assert str(metadata) in refusal(root, essay.gen_id, kind=MembershipError).message
    metadata.unlink()
    assert "no such file" in refusal(root, essay.gen_id, kind=MembershipError).message
    write_json(metadata, whole)
    draft = data.generation("draft", essay.parent_gen_id).metadata
    write_json(draft, {key: value for key, value in read_json(draft).items() if key != "combo_id"})
    assert f"{draft}: no combo_id" in refusal(root, essay.gen_id, kind=StoreError).message
    assert not data.cohort("again").folder.exists()


@pytest.mark.parametrize("mode", ["regenerate", "reuse-drafts", "reuse-essays"])
@pytest.mark.parametrize(
    ("table", "row", "message"),
    [
        ("draft_templates", "plain,identity,true\n", "unknown draft template 'plain'"),
        ("essay_templates", "structured,llm,true\n", "unknown essay template 'structured'"),
        ("llm_models", "wa,sim-writer-a,offline,true,false\n", "unknown model 'wa'"),
    ],
)
def test_what_the_catalogs_have_lost_is_reported_and_nothing_is_written(root, mode, table, row, message):
    data = load(root).data
    essay = essay_of(root)
    catalog = data.catalog(table)
    assert row in catalog.read_text()
    catalog.write_text(catalog.read_text().replace(row, ""))
    error = refusal(root, f"# mode: {mode}", essay, kind=StoreError)
    assert message in error.message and "metadata.json" in error.message
    assert error.hint == f"put its row back into {catalog}"
    assert not data.cohort("again").folder.exists()


def test_a_combo_that_the_registry_has_lost_is_reported(root):
    load(root).data.combo_mappings.unlink()
    error = refusal(root, "# mode: reuse-essays", essay_of(root), kind=StoreError)
    assert f"unknown combo '{tiny_root.PAIR}'" in error.message and "combo_mappings.csv" in error.hint


def test_another_mode_for_an_existing_cohort_is_refused(root):
    curate(root, essay_of(root))
    before = bytes_of(root / "data" / "cohorts")
    error = refusal(root, "# mode: reuse-drafts", essay_of(root))
    assert "made in mode regenerate" in error.message and "now says reuse-drafts" in error.message
    assert bytes_of(root / "data" / "cohorts") == before


@pytest.mark.parametrize(
    "content", ["[1]", '{"mode": "regenerate"}', '{"mode": "regenerate", "lines": {"e": {"x": [1]}}}', "{half", "0"]
)
def test_a_damaged_allocation_is_reported_with_its_file(root, content):
    curate(root, essay_of(root))
    path = load(root).data.cohort("again").allocation
    path.write_text(content)
    assert str(path) in refusal(root, essay_of(root), kind=DayDreamError).message


def test_replicates_in_an_allocation_are_checked(root):
    curate(root, essay_of(root))
    path = load(root).data.cohort("again").allocation
    content = json.loads(path.read_text())
    for keys in content["lines"].values():
        for key in keys:
            keys[key] = [0]
    path.write_text(json.dumps(content))
    assert "not an allocation" in refusal(root, essay_of(root), kind=StoreError).message


def test_a_spec_comes_before_a_selection(root):
    assert cohorts.resolve(settings_for(root, essay_of(root)), "one").mode == "spec"


def test_an_edited_selection_is_another_declaration_and_a_touched_one_is_not(root):
    settings = settings_for(root, essay_of(root))
    tiny_root.expand(settings, "again")
    source = cohorts.resolve(settings, "again")
    assert not cohorts.differs_from_manifest(settings, source)
    selection = Path(settings.selection)
    write_text(selection, selection.read_text())
    assert not cohorts.differs_from_manifest(settings, source)
    write_text(selection, selection.read_text() + bought(root, "essay", "copied")[0].gen_id + "\n")
    assert cohorts.differs_from_manifest(settings, source)
    # the selection that a cohort was made of is known from then on; without its file the cohort stands as it is
    assert cohorts.resolve(load(root), "again").settings["selection"] == settings.selection
    selection.unlink()
    assert cohorts.resolve(load(root), "again").mode == "given"
