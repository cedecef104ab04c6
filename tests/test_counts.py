"""A cohort keeps the replicate counts of its first expansion, says what an expansion changes, and does not explode."""

import json

import pytest

from tests import tiny_root
from tests.project import TWO_BY_TWO, Project
from tests.tiny_root import SPEC, declare, expand, load, make, members
from workflow_lib import catalogs, cli, cohorts, runs
from workflow_lib.cohorts import counts
from workflow_lib.cohorts.membership import Entry, Membership
from workflow_lib.errors import ConfigError
from workflow_lib.files import read_json, write_json, write_text
from workflow_lib.inspect import scope
from workflow_lib.offline.server import OfflineServer
from workflow_lib.stages import STAGES

TWICE = "stage,replicates\ndraft,1\nessay,1\nevaluation,2\n"
ONE_STAGE = {"draft": 1, "essay": 1, "evaluation": 1}


@pytest.fixture
def settings(tmp_path):
    return make(tmp_path)


def rows(settings, cohort: str = "one") -> dict[str, int]:
    membership = cohorts.load_membership(settings, cohort)
    return {stage: len(membership.stage(stage)) for stage in STAGES}


def edit_table(settings, text: str = TWICE) -> None:
    write_text(settings.data.catalog("replication_config"), text)


def reported(settings, cohort: str = "one") -> list[str]:
    return cohorts.differing_counts(settings, cohorts.resolve(settings, cohort))


def adopt(settings, cohort: str = "one") -> cohorts.Expansion:
    expansion = cohorts.expand_source(settings, cohorts.resolve(settings, cohort), adopt=True)
    cohorts.write(settings, expansion)
    return expansion


def forget_counts(settings, cohort: str = "one") -> None:
    """Leave the manifest as it was before the counts were recorded."""
    path = settings.data.cohort(cohort).manifest
    write_json(path, {key: value for key, value in read_json(path).items() if key != "replicate_counts"})


def test_an_edited_table_changes_nothing_until_it_is_adopted(settings):
    declare(settings)
    expand(settings)
    assert read_json(settings.data.cohort("one").manifest)["replicate_counts"] == ONE_STAGE
    assert reported(settings) == []
    edit_table(settings)
    before = rows(settings)
    expand(settings)
    assert rows(settings) == before == {"draft": 1, "essay": 2, "evaluation": 4}
    (line,) = reported(settings)
    assert "says 2 for evaluations (1 kept)" in line
    assert "`daydream cohort-update one` adopts the table" in line
    adopt(settings)
    assert rows(settings) == {"draft": 1, "essay": 2, "evaluation": 8}
    assert reported(settings) == []
    expand(settings)
    assert rows(settings)["evaluation"] == 8


def test_a_new_cohort_takes_the_table_as_it_is(settings):
    declare(settings)
    expand(settings)
    edit_table(settings)
    declare(settings, SPEC, "two")
    expand(settings, "two")
    assert rows(settings, "two")["evaluation"] == 8
    assert reported(settings, "two") == []


def test_rows_added_by_the_spec_get_the_counts_that_are_kept(settings):
    declare(settings)
    expand(settings)
    edit_table(settings)
    declare(settings, SPEC.replace("[novelty]", "[novelty, style]"))
    expand(settings)
    assert {replicate for _, _, replicate in members(cohorts.load_membership(settings, "one"), "evaluation")} == {1}
    assert rows(settings)["evaluation"] == 8


@pytest.mark.parametrize("count", [1, 3])
def test_a_cohort_from_before_takes_its_counts_from_its_rows(settings, count):
    edit_table(settings, f"stage,replicates\nevaluation,{count}\n")
    declare(settings)
    expand(settings)
    forget_counts(settings)
    assert reported(settings) == []
    edit_table(settings)
    (line,) = reported(settings)
    assert f"says 2 for evaluations ({count} kept)" in line
    expand(settings)
    assert rows(settings) == {"draft": 1, "essay": 2, "evaluation": 4 * count}


def test_a_cohort_from_before_keeps_the_most_replicates_of_a_cell(settings):
    """Cells that came later may have fewer."""
    rows = [
        Entry("draft", f"d_{template}{number}", "one", "", "c1", template, "wa", number)
        for template, count in (("plain", 1), ("block", 3), ("retired", 2))
        for number in range(1, count + 1)
    ]
    found = counts.with_kept(catalogs.load(settings.data), settings.data.cohort("one"), Membership(rows))
    assert found.replicates["draft"] == 3


def test_a_replicate_axis_overrides_the_table(settings):
    axis = SPEC.replace("  evaluation_template:", "  evaluation_replicate: [1, 2, 3]\n  evaluation_template:")
    declare(settings, axis)
    expand(settings)
    assert read_json(settings.data.cohort("one").manifest)["replicate_counts"] == {"draft": 1, "essay": 1}
    edit_table(settings)
    assert reported(settings) == []
    forget_counts(settings)
    assert reported(settings) == []


def test_a_named_active_catalog_keeps_its_counts_and_an_unnamed_one_is_another(tmp_path, settings):
    named = load(tmp_path, auto=True)
    expand(named, "mine")
    unnamed = expand(load(tmp_path), "auto").source.cohort_id
    before = rows(named, "mine")
    edit_table(settings)
    expand(named, "mine")
    assert rows(named, "mine") == before
    assert len(reported(named, "mine")) == 1
    assert expand(load(tmp_path), "auto").source.cohort_id != unnamed
    adopt(named, "mine")
    assert rows(named, "mine")["evaluation"] == 2 * before["evaluation"]


def stored_essay(settings) -> str:
    """Write the metadata of an essay and its draft, as if they had been bought; returns the essay's gen_id."""
    declare(settings)
    membership = expand(settings).membership
    essay = next(entry for entry in membership.stage("essay") if entry.template_id == "structured")
    draft = membership.parent(essay)
    about = {"template_id": draft.template_id, "llm_model_id": "wa", "replicate": 1, "combo_id": draft.combo_id}
    write_json(settings.data.generation("draft", draft.gen_id).metadata, about)
    about = {"template_id": essay.template_id, "llm_model_id": "wa", "replicate": 1, "parent_gen_id": draft.gen_id}
    write_json(settings.data.generation("essay", essay.gen_id).metadata, about)
    return essay.gen_id


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "from-before"])
def test_a_curated_cohort_keeps_its_counts_and_extends_its_cells_when_asked(tmp_path, settings, recorded):
    selection = tmp_path / "selected.txt"
    write_text(selection, f"# mode: reuse-drafts\n{stored_essay(settings)}\n")
    curated = load(tmp_path, selection=str(selection))
    expand(curated, "curated")
    before = cohorts.load_membership(curated, "curated")
    if not recorded:
        forget_counts(curated, "curated")
    edit_table(settings)
    expand(curated, "curated")
    assert cohorts.load_membership(curated, "curated").entries == before.entries
    assert len(reported(curated, "curated")) == 1
    adopt(curated, "curated")
    after = cohorts.load_membership(curated, "curated")
    assert {entry.gen_id for entry in before} < {entry.gen_id for entry in after}
    assert len(after.stage("evaluation")) == 2 * len(before.stage("evaluation"))
    edit_table(settings, tiny_root.TABLES["replication_config"])
    adopt(curated, "curated")
    assert cohorts.load_membership(curated, "curated").entries == before.entries


def test_an_expansion_says_what_it_adds_and_drops(settings):
    declare(settings)
    assert runs.changes(settings, expand(settings, write=False)) == []
    expand(settings)
    assert runs.changes(settings, expand(settings, write=False)) == []
    declare(settings, SPEC.replace("[ja, jb]", "[ja]").replace("[plain]", "[plain, block]"))
    (line,) = runs.changes(settings, expand(settings, write=False))
    assert "of cohort one adds 1 draft, 2 essays, 2 evaluations and drops 2 evaluations, which cost 0.0000 USD" in line
    assert line in scope.declared(tiny_root.load(settings.data.root.parent, cohort="one")).warnings


def test_the_limit_is_on_what_is_added(tmp_path, settings):
    declare(settings)
    with pytest.raises(ConfigError) as caught:
        expand(load(tmp_path, max_generations=6))
    assert "cohort one: this expansion adds 7 generations (1 drafts, 2 essays, 4 evaluations)" in caught.value.message
    assert "max_generations = 6" in caught.value.message
    assert not settings.data.cohort("one").membership.exists()
    expand(load(tmp_path, max_generations=7))
    # 14 rows, of which 7 are there
    declare(settings, SPEC.replace("[plain]", "[plain, block]"))
    assert len(expand(load(tmp_path, max_generations=7), write=False).membership) == 14
    with pytest.raises(ConfigError, match=r"adds 7 generations \(1 drafts, 2 essays, 4 evaluations\)"):
        expand(load(tmp_path, max_generations=6))


def test_an_active_catalog_that_is_there_may_stay_larger_than_the_limit(tmp_path, settings):
    source = cohorts.resolve(load(tmp_path), "auto")
    cohorts.write(settings, cohorts.expand_source(load(tmp_path), source))
    small = load(tmp_path, max_generations=1)
    assert cohorts.resolve(small, "auto").cohort_id == source.cohort_id
    assert len(cohorts.expand_source(small, source).membership) == sum(rows(settings, source.cohort_id).values())


def test_new_cohort_refuses_an_explosion_and_writes_nothing(tmp_path, monkeypatch, capsys):
    make(tmp_path)
    monkeypatch.chdir(tmp_path)
    write_text(tmp_path / "config" / "config.yaml", "max_generations: 100\n")
    assert cli.main(["new-cohort", "big", "--k", "2"]) == 2
    assert "cohort big: this expansion adds" in capsys.readouterr().err
    assert not (tmp_path / "data" / "cohorts").exists()


def test_cohort_update_refuses_a_membership_of_an_older_tool(tmp_path, monkeypatch, capsys):
    settings = make(tmp_path)
    declare(settings)
    expand(settings)
    (settings.data.cohort("one").spec / "config.yaml").unlink()
    settings.data.cohort("one").spec.rmdir()
    monkeypatch.chdir(tmp_path)
    assert cli.main(["cohort-update", "one"]) == 2
    assert "its membership.csv is used as it is" in capsys.readouterr().err


@pytest.mark.slow
def test_a_finished_cohort_buys_nothing_until_the_edited_table_is_adopted(tmp_path):
    project = Project(tmp_path, TWO_BY_TWO.replace("  evaluation_replicate: [1]\n", ""))
    table = project.data / "1_raw" / "replication_config.csv"
    with OfflineServer(usd_per_call=0.01) as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        project.snakemake("evaluations", env=env)
        bought = len(server.requests)
        table.write_text(table.read_text().replace("evaluation,2", "evaluation,1"))
        command = "`daydream cohort-update mini` adopts the table"
        assert command in project.snakemake("evaluations", env=env)
        assert command in project.snakemake("-n", "evaluations", env=env)
        assert command in project.daydream("plan") and command in project.daydream("status")
        assert (len(server.requests), len(project.members("evaluation"))) == (bought, 16)
        output = project.daydream("cohort-update", "mini")
        assert "drops 8 evaluations, which cost 0.0800 USD and stay in the store" in output
        assert command not in project.daydream("plan")
        project.declare((project.cohort_folder / "spec" / "config.yaml").read_text().replace(", sim-judge-b]", "]"))
        assert "drops 4 evaluations, which cost 0.0400 USD" in project.daydream("plan")
        assert "drops 4 evaluations, which cost 0.0400 USD" in project.snakemake("cohort", env=env)
        assert len(server.requests) == bought
    assert len(json.loads(project.daydream("plan", "--json"))["stages"]["evaluation"]) == 1


@pytest.mark.slow
def test_an_explosion_is_refused_by_every_command(tmp_path):
    project = Project(tmp_path)
    project.configure("max_generations: 3\n")
    said = "this expansion adds 14 generations (2 drafts, 4 essays, 8 evaluations), more than max_generations = 3"
    assert said in project.daydream("plan", code=2)
    assert said in project.daydream("check", "--json", code=1)
    assert said in project.snakemake("cohort", code=1)
    assert not (project.cohort_folder / "membership.csv").exists()
