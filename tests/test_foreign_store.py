"""Stores that another tool has filled: used as they are, added to, parsed again, checked."""

import json
import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.foreign import ForeignStore
from tests.project import Project, job_counts, read_csv
from tests.small_cohort import load
from workflow_lib import cohorts, generations, tables
from workflow_lib.inspect import health
from workflow_lib.inspect.findings import fix
from workflow_lib.offline.server import OfflineServer
from workflow_lib.runs import Run


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path, cohort="older")
    shutil.rmtree(project.cohort_folder)
    return project


def state(project: Project) -> dict[str, tuple[int, bytes]]:
    """Return time and bytes of every file of the store."""
    found = (path for path in (project.data / "gens").rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


def set_parser(project: Project, table: str, template: str, parser: str) -> None:
    path = project.data / "1_raw" / f"{table}.csv"
    rows = read_csv(path)
    for row in rows:
        if row["template_id"] == template:
            row["parser"] = parser
    tables.write(path, list(rows[0]), rows)


def shuffle_times(folder: Path) -> None:
    dice = random.Random(7)
    for path in folder.rglob("*"):
        when = dice.randrange(1_500_000_000, 1_700_000_000)
        os.utime(path, (when, when))


@pytest.mark.slow
def test_a_store_of_hundreds_is_used_as_it_is(project: Project):
    store = ForeignStore(project.data)
    assert len(store.rows) == 336
    before = state(project)
    membership = (project.cohort_folder / "membership.csv").read_bytes()
    with OfflineServer() as server:
        project.snakemake("all", "cross_experiment", env={"DD_OFFLINE_BASE_URL": server.url})
        assert not server.requests
    assert state(project) == before
    assert (project.cohort_folder / "membership.csv").read_bytes() == membership
    rows = project.scores()
    assert len(rows) == 288 and all(row["score"] and not row["error"] for row in rows)
    assert {row["generation_model"] for row in rows} == {"sim-writer-a", "sim-writer-b"}
    assert {row["draft_template"] for row in rows} == {"analytical-memo-v2", "socratic-dialogue-v1"}
    assert all(row["combo_id"] in store.combos and row["generation_response_path"] for row in rows)
    assert len(read_csv(project.data / "7_cross_experiment" / "aggregated_scores.csv")) == 288
    assert "Nothing is wrong" in project.daydream("check")
    assert "Nothing to be done" in project.snakemake("-n")


@pytest.mark.slow
def test_membership_of_another_tool_survives_forced_runs_failures_and_delete_all_output(project: Project):
    ForeignStore(project.data)
    membership = project.cohort_folder / "membership.csv"
    before = (membership.stat().st_mtime_ns, membership.read_bytes())
    with OfflineServer() as server:
        for arguments in (("-F", "cohort"), ("-R", "cohort_membership", "--", "cohort"), ("--delete-all-output",)):
            project.snakemake(*arguments, env={"DD_OFFLINE_BASE_URL": server.url}, code=None)
            assert (membership.stat().st_mtime_ns, membership.read_bytes()) == before, arguments
        assert not server.requests


@pytest.mark.full
@pytest.mark.slow
def test_membership_of_another_tool_is_never_replaced_by_a_declaration_of_the_same_name(project: Project):
    store = ForeignStore(project.data)
    membership = project.cohort_folder / "membership.csv"
    before = (membership.stat().st_mtime_ns, membership.read_bytes())
    listed = project.folder / "essays.txt"
    listed.write_text(f"# mode: reuse-essays\n{store.ids('essay')[0]}\n")
    spec = Path("data/cohorts/older/spec")
    run = ["cohort", "--config", "cohort=older"]
    with_spec = [["snakemake", *run], ["snakemake", "-F", *run], ["snakemake", "--delete-all-output", *run[1:]]]
    with_spec.append(["daydream", "cohort-update", "older"])
    with_list = [["snakemake", *run, f"selection={listed}"]]
    with_list.append(["daydream", "cohort-update", "older", "--selection", f"{listed}"])
    with_auto = [["snakemake", *run, "auto=true", "max_generations=1000000"]]
    for commands, declared in ((with_spec, f"{spec}"), (with_list, f"selection: {listed}"), (with_auto, "auto: true")):
        if commands is with_spec:
            project.declare(store.spec.replace("[novelty, creativity]", "[novelty]"))
        for tool, *arguments in commands:
            output = getattr(project, tool)(*arguments, code=1)
            assert (membership.stat().st_mtime_ns, membership.read_bytes()) == before, arguments
            assert f"{membership.relative_to(project.folder)}: " in output
            assert declared in output and "move membership.csv away" in output
            assert "Traceback" not in output
        shutil.rmtree(project.folder / spec, ignore_errors=True)
    rejudge = ["rejudge", "older", "--essays", f"{listed}", "--judges", "sim-judge-c"]
    for arguments in (["new-cohort", "older"], ["cohort-from-list", "older", "--candidates", f"{listed}"], rejudge):
        assert "exists already" in project.daydream(*arguments, code=2)
    assert (membership.stat().st_mtime_ns, membership.read_bytes()) == before
    # what the message says to do
    project.declare(store.spec)
    membership.rename(project.cohort_folder / "membership-before.csv")
    project.snakemake(*run)
    assert {row["gen_id"] for row in project.members(cohort="older")} == {row["gen_id"] for row in store.rows}


@pytest.mark.slow
def test_a_new_judge_of_a_foreign_store_costs_only_its_own_calls(project: Project):
    store = ForeignStore(project.data)
    judged = store.spec.replace("[novelty, creativity]", "[novelty]").replace(
        "sim-judge-b]", "sim-judge-b, sim-judge-c]"
    )
    project.declare(judged, "judged")
    before = state(project)
    with OfflineServer() as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        project.snakemake("--config", "cohort=judged", env=env)
        assert Counter(one["model"] for one in server.requests) == {"sim-judge-c": 36 * 2}
    now = state(project)
    assert {name: now[name] for name in before} == before
    new = {Path(name).parent for name in now if name not in before}
    assert all("/evaluation/" in f"{path}/" for path in new)
    assert set(store.ids("essay")) == {row["gen_id"] for row in project.members("essay", "judged")}
    rows = project.scores("judged")
    assert len(rows) == 36 * 3 * 2 and all(row["score"] for row in rows)


@pytest.mark.slow
def test_a_changed_parser_parses_exactly_its_own_again_without_a_call(project: Project):
    """Half of the evaluations have a record of their parser; for the others the first expansion is the baseline."""
    store = ForeignStore(project.data)
    project.declare(store.spec, "same")
    config = ("--config", "cohort=same")
    with OfflineServer() as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        project.snakemake("cohort", *config, env=env)
        shuffle_times(project.data / "gens")
        assert Run(load(project.folder, "same")).open_work("same") == []
        before = state(project)
        set_parser(project, "evaluation_templates", "creativity", "complex")
        project.snakemake("cohort", *config, env=env)
        counts = job_counts(project.snakemake(*config, env=env))
        assert {name: count for name, count in counts.items() if name.endswith(("_raw", "_parsed"))} == {
            "evaluation_parsed": 144
        }
        assert not server.requests
    assert Run(load(project.folder, "same")).open_work("same") == []
    assert len([row for row in project.scores("same") if row["score"]]) == 288
    changed = {Path(name) for name, found in state(project).items() if before.get(name) != found}
    assert {path.name for path in changed} == {"parsed.txt", "parsed_metadata.json"}
    assert {path.parent.name for path in changed} == set(store.ids("evaluation", template_id="creativity"))


@pytest.mark.slow
def test_shuffled_times_of_a_store_with_recorded_sums_ask_for_no_parse(project: Project):
    store = ForeignStore(project.data)
    settings = load(project.folder, "older")
    run = Run(settings)
    members = run.membership("older")
    for entry in members:
        generations.parse(settings, entry)
    shuffle_times(project.data / "gens")
    assert run.open_work("older") == []
    copy = project.folder / "copy"
    shutil.copytree(project.data, copy / "data", copy_function=shutil.copyfile)
    assert Run(load(copy, "older")).open_work("older") == []
    # an answer that was put in place by hand does ask for one
    raw = project.generation("draft", store.ids("draft")[0]) / "raw.txt"
    raw.write_text("Another\ndraft\nof three lines.")
    os.utime(raw, (1_900_000_000, 1_900_000_000))
    assert [entry.gen_id for entry in run.open_work("older")] == [store.ids("draft")[0]]


def test_a_membership_with_all_columns_says_the_same_as_one_of_gen_ids_alone(project: Project):
    store = ForeignStore(project.data)
    rebuilt = cohorts.load_membership(load(project.folder, "older"), "older")
    store.write_membership(full=True)
    assert cohorts.load_membership(load(project.folder, "older"), "older")[:] == rebuilt[:]


def test_a_parser_changes_for_a_membership_of_another_tool_where_its_name_is_recorded(project: Project):
    store = ForeignStore(project.data)
    run = Run(load(project.folder, "older"))
    assert run.open_work("older") == []
    set_parser(project, "evaluation_templates", "creativity", "complex")
    found = {entry.gen_id for entry in run.open_work("older")}
    assert found == set(store.ids("evaluation", template_id="creativity", llm_model_id="sim-judge-a"))


def test_the_spec_of_a_foreign_store_declares_exactly_it(project: Project):
    store = ForeignStore(project.data)
    project.declare(store.spec, "same")
    settings = load(project.folder, "same")
    found = cohorts.expand_source(settings, cohorts.resolve(settings, "same")).membership
    assert found.by_id.keys() == {row["gen_id"] for row in store.rows}


# damage


def rewrite(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def drop_row(path: Path, start: str) -> None:
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(start)]
    assert len(kept) < len(lines)
    path.write_text("".join(kept))


def damage(project: Project, store: ForeignStore) -> list[tuple[str, str]]:
    """Damage a store in fourteen ways; returns kind and path of what is to be found."""
    gens, catalogs = project.data / "gens", project.data / "1_raw"
    # an evaluation each, of another essay each
    victims = [store.ids("evaluation", parent_gen_id=essay)[0] for essay in store.ids("essay")]
    verdict = [gens / "evaluation" / gen_id for gen_id in victims]
    expected: list[tuple[str, str]] = []

    def expect(kind: str, path: Path) -> None:
        expected.append((kind, path.relative_to(project.data).as_posix()))

    (verdict[0] / "metadata.json").unlink()
    expect("missing_file", verdict[0] / "metadata.json")
    (verdict[1] / "metadata.json").write_text("{half")
    expect("broken_metadata", verdict[1] / "metadata.json")
    (verdict[2] / "raw.txt").write_text("")
    expect("empty_file", verdict[2] / "raw.txt")
    (verdict[3] / "raw.txt").unlink()
    expect("missing_file", verdict[3] / "raw.txt")
    (verdict[4] / "parsed.txt").write_text("")
    expect("empty_file", verdict[4] / "parsed.txt")
    (verdict[5] / "parsed.txt").unlink()
    expect("missing_file", verdict[5] / "parsed.txt")
    rewrite(verdict[6] / "metadata.json", replicate=7)
    expect("id_mismatch", verdict[6] / "metadata.json")
    lone = store.ids("draft", template_id="retrospective-2045-v1")[0]
    drop_row(catalogs / "draft_templates.csv", "retrospective-2045-v1,")
    expect("unknown_template", gens / "draft" / lone / "metadata.json")
    drop_row(catalogs / "llm_models.csv", "sim-judge-c,")
    of_lone = store.ids("evaluation", llm_model_id="sim-judge-c")[0]
    expect("unknown_model", gens / "evaluation" / of_lone / "metadata.json")
    other = store.ids("draft", template_id="inventors-notebook-v1")[0]
    drop_row(project.data / "combo_mappings.csv", store.rows_by_id[other]["combo_id"])
    expect("unknown_combo", gens / "draft" / other / "metadata.json")
    drop_row(catalogs / "concepts_metadata.csv", "flywheel-effect,")
    expect("unknown_concept", project.data / "combo_mappings.csv")
    first, second = sorted(store.ids("essay", template_id="structured-analysis-v2")[:2])
    shutil.copy(gens / "essay" / first / "raw.txt", gens / "essay" / second / "raw.txt")
    expect("duplicate_raw", gens / "essay" / first / "raw.txt")
    drop_row(project.cohort_folder / "membership.csv", f"evaluation,{victims[7]},")
    expect("orphan", verdict[7])
    essay = store.ids("essay", parent_gen_id=other)[0]
    shutil.rmtree(gens / "essay" / essay)
    expect("broken_parent", gens / "evaluation" / store.ids("evaluation", parent_gen_id=essay)[0] / "metadata.json")
    (project.data / "cohorts" / "hollow").mkdir()
    expect("empty_cohort", project.data / "cohorts" / "hollow")
    return expected


class LoneStore(ForeignStore):
    """With two more lineages whose template, judge and combo nothing else uses, and a combo that nothing uses."""

    def __init__(self, data: Path):
        super().__init__(data, full=True)
        new, unused = ("combo_v1_0123456789ab", "combo_v1_ba9876543210")
        self.register(new, ("economic-moat", "data-flywheel"))
        self.register(unused, ("flywheel-effect", "data-flywheel"))
        first = self.essay(
            self.draft(self.combos[0], "retrospective-2045-v1"), "structured-analysis-v2", "sim-writer-a"
        )
        self.evaluation(first, "novelty", "sim-judge-c", 1)
        second = self.essay(self.draft(new, "inventors-notebook-v1"), "structured-analysis-v2", "sim-writer-a")
        self.evaluation(second, "novelty", "sim-judge-a", 1)
        self.write_membership(full=True)
        self.rows_by_id = {row["gen_id"]: row for row in self.rows}


@pytest.mark.slow
def test_every_damage_is_found_once_with_its_file_and_a_remedy(project: Project):
    store = LoneStore(project.data)
    settings = load(project.folder, "older")
    assert health.check(settings) == []
    expected = damage(project, store)
    found = health.check(settings)
    assert sorted((one.kind, one.path) for one in found) == sorted(expected) and len(expected) == 15
    assert all(one.message and one.remedy for one in found)
    before = project.snapshot()
    remaining, troubles = fix(found)
    assert not troubles
    assert {(one.kind, one.path) for one in found} - {(one.kind, one.path) for one in remaining} == {
        expected[index] for index in (0, 1, 4, 5)
    }
    after = project.snapshot()
    assert {name for name in after if before.get(name) != after[name]} >= {
        expected[index][1].removeprefix("gens/") for index in (0, 1, 4, 5)
    }
    assert not [one for one in health.check(settings) if one.fixable]


def test_one_lost_metadata_is_one_finding_also_where_membership_needs_it(project: Project):
    """With gen_ids alone, a cohort cannot be read without it; the rest of the store is no orphan for that."""
    store = ForeignStore(project.data)
    path = project.generation("draft", store.ids("draft")[0]) / "metadata.json"
    path.unlink()
    found = health.check(load(project.folder, "older"))
    assert [(one.kind, one.path) for one in found] == [("missing_file", path.relative_to(project.data).as_posix())]
    assert found[0].remedy and not found[0].fixable
