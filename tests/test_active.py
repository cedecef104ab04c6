"""The active catalog as a cohort: which generations it has, and run by the real workflow."""

import re

import pytest

from tests import tiny_root
from tests.project import Project, read_csv
from tests.tiny_root import expand, load, make, members
from workflow_lib import catalogs, cohorts
from workflow_lib.cohorts import active
from workflow_lib.errors import ConfigError
from workflow_lib.offline.server import OfflineServer
from workflow_lib.settings import Settings

NARROW = "k: 3\ntemplate_filter: {draft: [plain], essay: ['*']"


@pytest.fixture
def tiny(tmp_path) -> Project:
    """A project with three active concepts and tiny catalogs, narrowed to one combo."""
    project = Project.__new__(Project)
    project.folder, project.data, project.cohort = tmp_path, tmp_path / "data", "auto"
    tiny_root.make(tmp_path)
    project.configure(f"{NARROW}, evaluation: [nov*]}}\n")
    return project


@pytest.fixture
def settings(tmp_path) -> Settings:
    return make(tmp_path)


def refusal(settings: Settings) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        expand(settings, "auto")
    return caught.value


def test_the_active_catalog_takes_what_is_active_and_fit_for_the_stage(settings):
    expansion = expand(settings, "auto")
    assert len(expansion.combos) == 3
    assert members(expansion.membership, "draft")[:4] == [
        ("plain", "wa", 1),
        ("plain", "wb", 1),
        ("block", "wa", 1),
        ("block", "wb", 1),
    ]
    assert len(expansion.membership.stage("draft")) == 3 * 2 * 2
    assert len(expansion.membership.stage("essay")) == 12 * 3
    assert len(expansion.membership.stage("evaluation")) == 36 * 2 * 2
    for essay in expansion.membership.stage("essay"):
        assert essay.llm_model_id == expansion.membership.parent(essay).llm_model_id


@pytest.mark.parametrize(
    ("sizes", "count"), [({"k": 3}, 1), ({"k": 1}, 3), ({"k_max": 3}, 4), ({"k": 2, "k_max": 3}, 3)]
)
def test_k_and_k_max(tmp_path, settings, sizes, count):
    assert len(expand(load(tmp_path, **sizes), "auto", write=False).combos) == count


def test_template_filter_narrows_by_pattern(tmp_path, settings):
    narrowed = load(tmp_path, template_filter={"draft": ["pl*"], "essay": ["long", "cop*"], "evaluation": ["x"]})
    expansion = expand(narrowed, "auto", write=False)
    assert {entry.template_id for entry in expansion.membership.stage("draft")} == {"plain"}
    assert {entry.template_id for entry in expansion.membership.stage("essay")} == {"long", "copied"}
    assert expansion.membership.stage("evaluation") == []


def test_an_explosion_is_refused_with_the_counts_per_stage(tmp_path, settings):
    error = refusal(load(tmp_path, max_generations=191))
    assert "192 generations (12 drafts, 36 essays, 144 evaluations)" in error.message
    assert "max_generations = 191" in error.message
    assert len(expand(load(tmp_path, max_generations=192), "auto", write=False).membership) == 192


def test_counts_of_an_explosion_know_copies_and_replicates(tmp_path):
    make(tmp_path, replication_config="stage,replicates\ndraft,2\nessay,3\nevaluation,2\n")
    whole = expand(load(tmp_path, max_generations=10**6), "auto", write=False).membership
    error = refusal(load(tmp_path, max_generations=1))
    for stage in ("draft", "essay", "evaluation"):
        assert f"{len(whole.stage(stage)):,} {stage}s" in error.message


def test_an_active_catalog_without_drafts_is_refused(tmp_path, settings):
    assert "makes no draft" in refusal(load(tmp_path, template_filter={"draft": ["zz*"]})).message
    assert "makes no draft" in refusal(load(tmp_path, k=9)).message


def test_the_computed_name_depends_on_content_alone(tmp_path, settings):
    name = cohorts.resolve(settings, "auto").cohort_id
    assert re.fullmatch("cohort-[0-9a-f]{12}", name)
    concepts = settings.data.catalog("concepts_metadata")
    head, *rows = concepts.read_text().splitlines()
    concepts.write_text("\n".join([head, *reversed(rows)]) + "\n")
    assert cohorts.resolve(load(tmp_path), "auto").cohort_id == name
    assert cohorts.resolve(load(tmp_path, k=3), "auto").cohort_id != name
    replication = settings.data.catalog("replication_config")
    replication.write_text(replication.read_text().replace("draft,1", "draft,2"))
    assert cohorts.resolve(load(tmp_path), "auto").cohort_id != name


def test_k_is_compared_with_the_manifest(tmp_path, settings):
    auto = load(tmp_path, auto=True)
    expand(auto, "mine")
    assert not cohorts.differs_from_manifest(auto, cohorts.resolve(auto, "mine"))
    wider = load(tmp_path, auto=True, k_max=3)
    assert cohorts.differs_from_manifest(wider, cohorts.resolve(wider, "mine"))


def test_widening_k_keeps_every_generation(tmp_path, settings):
    narrow = expand(load(tmp_path, auto=True), "mine").membership
    wide = expand(load(tmp_path, auto=True, k_max=3), "mine").membership
    assert set(narrow) < set(wide)


@pytest.mark.parametrize(
    ("narrowed", "stages"),
    [
        ({"essay": ["none"]}, ["draft"]),
        ({"evaluation": ["none"]}, ["draft", "essay"]),
        ({}, ["draft", "essay", "evaluation"]),
    ],
)
def test_a_stage_without_active_templates_ends_the_cohort_there(tmp_path, narrowed, stages):
    tiny_root.make(tmp_path)
    found = tiny_root.expand(tiny_root.load(tmp_path, template_filter=narrowed), "auto", write=False).membership
    assert [stage for stage in ("draft", "essay", "evaluation") if found.stage(stage)] == stages


def test_a_catalog_without_judges_ends_at_essays(tmp_path):
    models = tiny_root.TABLES["llm_models"].replace("false,true", "false,false")
    found = tiny_root.expand(tiny_root.make(tmp_path, llm_models=models), "auto", write=False).membership
    assert found.stage("essay") and not found.stage("evaluation")


def test_a_filter_of_one_stage_leaves_the_others_alone(tmp_path):
    tiny_root.make(tmp_path)
    settings = tiny_root.load(tmp_path, template_filter={"draft": ["block"]})
    found = active.active_catalog(settings, catalogs.load(settings.data)).templates
    assert found == {"draft": ["block"], "essay": ["structured", "long", "copied"], "evaluation": ["novelty", "style"]}


@pytest.mark.parametrize("limit", [18_647, 18_648])
def test_tens_of_thousands_of_rows_are_refused_or_accepted_as_configured(tmp_path, limit):
    concepts = "concept_id,name\n" + "".join(f"c{number},C{number}\n" for number in range(37))
    tiny_root.make(tmp_path, concepts_metadata=concepts)
    narrowed = {"essay": ["structured", "copied"], "evaluation": ["novelty"]}
    settings = tiny_root.load(tmp_path, max_generations=limit, template_filter=narrowed)
    if limit < 18_648:
        counts = r"18,648 generations \(2,664 drafts, 5,328 essays, 10,656 evaluations\)"
        with pytest.raises(ConfigError, match=counts):
            cohorts.resolve(settings, "auto")
        return
    # 666 pairs x 2 templates x 2 writers, 2 essays of each, 2 judges of each
    manifest = cohorts.expand_source(settings, cohorts.resolve(settings, "auto")).manifest
    assert manifest["counts"] == {"draft": 2_664, "essay": 5_328, "evaluation": 10_656}


@pytest.mark.full
@pytest.mark.slow
def test_auto_runs_to_its_page_under_one_name_and_a_wider_one_under_another(tiny: Project):
    with OfflineServer() as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        tiny.snakemake(env=env)
        # 2 drafts; 2 essays each and a copy; 2 judges for each of 6
        assert len(server.requests) == 2 + 4 + 12
        (folder,) = (tiny.data / "cohorts").iterdir()
        assert re.fullmatch("cohort-[0-9a-f]{12}", folder.name)
        assert len(read_csv(folder / "reports" / "parsing" / "aggregated_scores.csv")) == 12
        assert (folder / "reports" / "html" / "index.html").exists()
        # DD_COHORT comes before config.yaml
        tiny.cohort = "typo"
        tiny.configure(f"{NARROW}, evaluation: [nov*]}}\n")
        assert "Nothing to be done" in tiny.snakemake(env=env | {"DD_COHORT": "auto"})
        output = tiny.snakemake(code=1, env=env)
        assert "there is no cohort 'typo'" in output and folder.name in output and "Traceback" not in output
        limited = ("-n", "--config", "max_generations=10", "cohort=auto")
        assert "Nothing to be done" in tiny.snakemake(*limited, env=env)
        output = tiny.snakemake(*limited, "description_level=sentence", code=1, env=env)
        assert "makes 20 generations (2 drafts, 6 essays, 12 evaluations)" in output and "Traceback" not in output
        # under a name it may grow, and buys only what is new
        tiny.cohort = "mine"
        tiny.configure(f"auto: true\n{NARROW}}}\n")
        tiny.snakemake("evaluations", env=env)
        assert len(tiny.members()) == 2 + 6 + 24
        assert len(server.requests) == 18 + 12
