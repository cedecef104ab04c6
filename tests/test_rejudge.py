"""Judging the best essays again by another judge, from the command line."""

import json
from collections import Counter

import pytest

from tests.project import SOURCE, Project
from tests.small_cohort import COHORT, expand, load, make_bought, run_all
from workflow_lib import cohorts
from workflow_lib.cohorts import rejudging
from workflow_lib.errors import ConfigError, DayDreamError
from workflow_lib.files import read_json, write_text
from workflow_lib.offline.server import OfflineServer

DEMO = (SOURCE / "data" / "cohorts" / "demo" / "spec" / "config.yaml").read_text()
# one of the three combos of the demo: 6 drafts, 12 essays, 144 evaluations
ONE_COMBO = DEMO.replace(", generator-verifier-gap]", "]")


@pytest.fixture
def small(tmp_path):
    """A small cohort that was bought: 4 essays, judged by novelty."""
    settings = make_bought(tmp_path)
    essays = [entry.gen_id for entry in cohorts.load_membership(settings, COHORT).stage("essay")]
    return settings, essays


def rows(membership):
    return Counter((one.template_id, one.llm_model_id, one.replicate) for one in membership.stage("evaluation"))


def test_essays_are_judged_by_the_templates_of_before_unless_others_are_named(small):
    settings, essays = small
    made = rejudging.rejudge(settings, "second", essays[:2], ["sim-judge-c"], replicates=1)
    assert [entry.gen_id for entry in made.stage("essay")] == essays[:2]
    assert rows(made) == {("novelty", "sim-judge-c", 1): 2}
    other = rejudging.rejudge(settings, "third", essays[:1], ["sim-judge-a", "sim-judge-c"], ["creativity", "novelty"])
    assert sorted(rows(other)) == sorted(
        [
            *(("creativity", judge, replicate) for judge in ("sim-judge-a", "sim-judge-c") for replicate in (1, 2)),
            # after the highest that exists: bought by the first cohort, or given to the second
            *(("novelty", judge, replicate) for judge in ("sim-judge-a", "sim-judge-c") for replicate in (2, 3)),
        ]
    )


def test_the_list_declares_the_cohort_from_then_on(small):
    settings, essays = small
    made = rejudging.rejudge(settings, "second", essays, ["sim-judge-c"], ["creativity"], 2)
    path = settings.data.curation / "second.txt"
    assert path.read_text().splitlines() == [
        "# mode: reuse-essays", "# templates: creativity", "# judges: sim-judge-c", "# replicates: 2", *essays
    ]  # fmt: skip
    source = cohorts.resolve(settings, "second")
    assert not cohorts.differs_from_manifest(settings, source)
    assert cohorts.expand_source(settings, source).membership[:] == made[:]
    # the table of counts has no say in it
    write_text(settings.data.catalog("replication_config"), "stage,replicates\ndraft,3\nessay,3\nevaluation,3\n")
    assert cohorts.differing_counts(settings, source) == []


@pytest.mark.parametrize(
    ("judges", "templates", "said"),
    [
        (["sim-judge-d"], [], "unknown model 'sim-judge-d'"),
        (["sim-judge-c"], ["noveltie"], "unknown evaluation template 'noveltie'"),
    ],
)
def test_an_unknown_name_leaves_nothing_behind(small, judges, templates, said):
    settings, essays = small
    with pytest.raises(ConfigError, match=said):
        rejudging.rejudge(settings, "second", essays, judges, templates)
    with pytest.raises(DayDreamError, match="there is no essay 'e_none' in the store"):
        rejudging.rejudge(settings, "second", [*essays, "e_none"], ["sim-judge-c"], ["novelty"])
    assert not settings.data.curation.exists() or not list(settings.data.curation.iterdir())
    assert not settings.data.cohort("second").folder.exists()


def test_a_name_that_is_taken_is_refused(small):
    settings, essays = small
    with pytest.raises(ConfigError, match="this cohort exists already"):
        rejudging.rejudge(settings, COHORT, essays, ["sim-judge-c"])
    path = settings.data.curation / "second.txt"
    write_text(path, "mine")
    with pytest.raises(ConfigError, match="may have been edited by hand"):
        rejudging.rejudge(settings, "second", essays, ["sim-judge-c"])
    assert path.read_text() == "mine"


@pytest.mark.slow
def test_the_top_five_of_the_demo_are_judged_again_by_another_judge(tmp_path):
    project = Project(tmp_path, ONE_COMBO, "demo")
    table = project.data / "1_raw" / "llm_models.csv"
    head, *models = table.read_text().splitlines()
    columns = head.split(",")
    priced = {"id": "second-opinion", "model": "sim-judge-c", "endpoint": "offline", "pool": "offline"}
    priced |= {"input_usd_per_mtok": "10", "output_usd_per_mtok": "20"}
    write_text(table, "\n".join([head, *models, ",".join(priced.get(name, "") for name in columns)]) + "\n")
    settings = load(project.folder, "demo")
    expand(settings, "demo")
    run_all(settings, "demo")
    best = json.loads(project.daydream("top", "--top-n", "5", "--json"))["essays"]
    before = project.snapshot()

    said = project.daydream("rejudge", "second", "--top", "5", "--judges", "second-opinion", "--replicates", "2")
    assert "30 evaluations of 5 essays, by second-opinion" in " ".join(said.split())
    assert project.snapshot() == before
    evaluations = json.loads(project.daydream("plan", "--cohort", "second", "--json"))["stages"]["evaluation"]
    assert list(evaluations) == ["second-opinion"]
    plan = evaluations["second-opinion"]
    assert (plan["rows"], plan["to_do"]) == (30, 30)
    # 10 and 20 USD per million tokens
    expected = plan["prompt_tokens"] * 10e-6 + plan["completion_tokens"] * 20e-6
    assert plan["cost_expected_usd"] == pytest.approx(expected, rel=1e-3) and expected > 0

    with OfflineServer() as server:
        project.snakemake("--config", "cohort=second", env={"DD_OFFLINE_BASE_URL": server.url})
    assert [request["model"] for request in server.requests] == ["sim-judge-c"] * 30
    made = project.members("evaluation", "second")
    assert Counter(row["parent_gen_id"] for row in made) == {one["gen_id"]: 6 for one in best}
    assert {row["template_id"] for row in made} == {"daydreaming-verification-v2", "novelty-v2", "style-coherence-v2"}
    assert len([row for row in project.scores("second") if row["score"]]) == 30
    after = project.snapshot()
    assert {path: after[path] for path in before} == before
    assert read_json(project.data / "cohorts" / "second" / "manifest.json")["mode"] == "curated"
