"""Choosing essays and declaring cohorts: top, select, promising, cohort-from-list, new-cohort."""

import csv
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import SOURCE, TWO_BY_TWO, clean_environment, read_csv
from tests.small_cohort import declare, expand, make_bought, make_project, run_all
from workflow_lib import catalogs, cli, cohorts, spec
from workflow_lib.cohorts import authoring
from workflow_lib.files import read_json, write_json
from workflow_lib.inspect import candidates, rankings
from workflow_lib.results import reports

SPEC = TWO_BY_TWO.replace("evaluation_replicate: [1]", "evaluation_replicate: [1, 2]").replace(
    "[novelty]", "[novelty, creativity]"
)
# per essay, in the order of membership: novelty by judge a (two replicates), then by judge b
NOVELTY = [((9.0, 1.0), (7.0, 7.0)), ((6.0, 6.0), (6.0, 5.0)), ((8.0, 2.0), (8.0, 3.0)), ((1.0, 1.0), (2.0, 2.0))]
BEST = [8.0, 6.0, 8.0, 1.5]


@pytest.fixture
def settings(own_folder: Path):
    return make_project(own_folder, SPEC)


@pytest.fixture
def scored(own_folder: Path):
    """The settings of a cohort whose novelty scores are `NOVELTY`, and none of whose creativity is scored."""
    settings = make_bought(own_folder, SPEC)
    membership = cohorts.load_membership(settings, "mini")
    essays = [entry.gen_id for entry in membership.stage("essay")]
    for entry in membership.stage("evaluation"):
        files = settings.data.generation("evaluation", entry.gen_id)
        if entry.template_id == "creativity":
            files.parsed.unlink(missing_ok=True)
            continue
        judge = ["sim-judge-a", "sim-judge-b"].index(entry.llm_model_id)
        score = NOVELTY[essays.index(entry.parent_gen_id)][judge][entry.replicate - 1]
        files.parsed.write_text(f"{score!r}\n")
    return settings


def essays_of(settings) -> list[str]:
    return [entry.gen_id for entry in cohorts.load_membership(settings, "mini").stage("essay")]


def run_json(capsys, *arguments: str):
    assert cli.main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def ranked_by_best(settings) -> list[tuple[str, float]]:
    pairs = zip(essays_of(settings), BEST, strict=True)
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def test_top_ranks_by_adjusted_scores_as_the_table_does(scored, capsys):
    found = run_json(capsys, "top", "--top-n", "2")
    first, second, third, _ = essays_of(scored)
    assert found["by"] == "adjusted" and [one["gen_id"] for one in found["essays"]] == [first, second]
    reports.write(scored, "mini", cohorts.load_membership(scored, "mini"))
    table = {row["parent_gen_id"]: row for row in read_csv(scored.data.cohort("mini").analysis("adjusted_scores"))}
    for one in found["essays"]:
        row = table[one["gen_id"]]
        assert f"{one['score']:.3f}" == row["estimate"] and f"{one['ci_high']:.3f}" == row["ci_high"]
        assert [str(one[name]) for name in ("rank", "rank_low", "rank_high")] == [
            row[name] for name in ("rank", "rank_low", "rank_high")
        ]
    assert found["essays"][0]["by_judge"] == {"sim-judge-a": 5.0, "sim-judge-b": 7.0}
    only_a = run_json(capsys, "top", "--judges", "sim-judge-a", "--template", "novelty")["essays"]
    # one judge: nothing to shrink by, equal means share a rank
    assert [(one["rank"], one["score"]) for one in only_a] == [(1, 6.0), (2, 5.0), (2, 5.0), (4, 1.0)]
    assert cli.main(["top"]) == 0
    shown = capsys.readouterr().out
    assert shown.index(first) < shown.index(second) < shown.index(third)
    assert "judged by" not in shown


def test_top_by_best_is_the_older_rule(scored, capsys):
    found = run_json(capsys, "top", "--by", "best", "--template", "novelty")["essays"]
    assert [(one["gen_id"], one["score"]) for one in found] == ranked_by_best(scored)
    assert [one["rank"] for one in found] == [1, 1, 3, 4]
    assert cli.main(["top", "--by", "best"]) == 2
    assert "--template" in capsys.readouterr().err


def test_top_says_when_essays_were_judged_by_others(scored, capsys):
    first = essays_of(scored)[0]
    for entry in cohorts.load_membership(scored, "mini").stage("evaluation"):
        if entry.parent_gen_id == first and entry.llm_model_id == "sim-judge-b":
            scored.data.generation("evaluation", entry.gen_id).parsed.unlink(missing_ok=True)
    assert cli.main(["top"]) == 0
    shown = capsys.readouterr().out
    assert "judged by sim-judge-a, sim-judge-b by novelty: 3" in shown
    assert "judged by sim-judge-a by novelty: 1" in shown


def test_top_of_a_cohort_without_scores_says_so(settings, capsys):
    assert cli.main(["top"]) == 0
    assert "No essay of mini has a score yet." in capsys.readouterr().out


def test_select_averages_each_judges_best_score(scored, capsys):
    found = run_json(capsys, "select", "--template", "novelty", "--top-n", "3", "--by", "best")
    assert [(one["gen_id"], one["score"]) for one in found["essays"]] == ranked_by_best(scored)[:3]
    rows = read_csv(scored.data.curation / "top_essay_candidates.csv")
    assert [(row["selected"], row["gen_id"], row["score"]) for row in rows] == [
        ("true", gen_id, f"{score:.2f}") for gen_id, score in ranked_by_best(scored)[:3]
    ]
    assert rows[0]["generation_response_path"] == f"gens/essay/{rows[0]['gen_id']}/parsed.txt"
    assert not (scored.data.curation / "selected_essays.txt").exists()


@pytest.mark.parametrize(
    ("how", "count"), [(["--max-only"], 2), (["--score-span", "2"], 3), (["--top-n", "1", "--by", "best"], 1)]
)
def test_select_by_span_count_or_maximum(scored, capsys, how, count):
    found = run_json(capsys, "select", "--template", "novelty", "--cohort", "mini", "--write-selection", *how)
    wanted = [gen_id for gen_id, _ in ranked_by_best(scored)[:count]]
    assert [one["gen_id"] for one in found["essays"]] == wanted
    assert (scored.data.curation / "selected_essays.txt").read_text().splitlines() == wanted


def test_select_ranks_by_adjusted_scores_by_default(scored, capsys):
    found = run_json(capsys, "select", "--template", "novelty", "--top-n", "2")
    assert found["by"] == "adjusted"
    # means of the judges' means: 6, 5.75, 5.25 and 1.5
    assert [one["gen_id"] for one in found["essays"]] == essays_of(scored)[:2]
    assert cli.main(["select", "--template", "novelty", "--max-only", "--by", "adjusted"]) == 2
    assert "leave out --by adjusted" in capsys.readouterr().err


def test_answers_of_another_model_are_not_ranked(scored, capsys):
    first = essays_of(scored)[0]
    for entry in cohorts.load_membership(scored, "mini").stage("evaluation"):
        if entry.parent_gen_id == first:
            path = scored.data.generation("evaluation", entry.gen_id).raw_metadata
            write_json(path, read_json(path) | {"served_model": "another"})
    found = run_json(capsys, "top")["essays"]
    assert first not in [one["gen_id"] for one in found] and len(found) == 3


def test_select_never_overwrites_an_edited_list_unasked(scored, capsys):
    assert cli.main(["select", "--template", "novelty"]) == 0
    path = scored.data.curation / "top_essay_candidates.csv"
    path.write_text("edited by hand")
    assert cli.main(["select", "--template", "novelty"]) == 1
    assert path.read_text() == "edited by hand"
    assert "--overwrite" in capsys.readouterr().err
    assert cli.main(["select", "--template", "novelty", "--overwrite"]) == 0
    assert len(read_csv(path)) == 4


def test_select_names_what_does_not_exist(scored, capsys):
    assert cli.main(["select", "--template", "noveltyy"]) == 2
    assert "did you mean 'novelty'?" in capsys.readouterr().err
    assert cli.main(["select", "--template", "novelty", "--judges", "sim-judge-x"]) == 2
    assert cli.main(["select", "--template", "novelty", "--cohort", "none"]) == 2
    assert cli.main(["select", "--template", "style-coherence"]) == 1
    assert cli.main(["select", "--template", "novelty", "--top-n", "0"]) == 2


def test_promising_lists_what_lacks_the_target(scored, capsys, tmp_path):
    evaluations = cohorts.load_membership(scored, "mini").stage("evaluation")
    first = essays_of(scored)[0]
    done = next(one for one in evaluations if (one.parent_gen_id, one.template_id) == (first, "creativity"))
    scored.data.generation("evaluation", done.gen_id).parsed.write_text("4.0\n")
    out = tmp_path / "lacking.txt"
    found = run_json(
        capsys,
        "promising",
        "--baseline",
        "novelty",
        "--target",
        "creativity",
        "--top-n",
        "3",
        "--out",
        str(out),
        "--by",
        "best",
    )
    ranked = [gen_id for gen_id, _ in ranked_by_best(scored)[:3]]
    assert [one["gen_id"] for one in found["essays"]] == ranked
    assert {one["gen_id"]: one["target_score"] for one in found["essays"]}[first] == 4.0
    assert found["lacking"] == [gen_id for gen_id in ranked if gen_id != first]
    assert out.read_text().splitlines() == [
        "# mode: reuse-essays",
        "# fill-up",
        "# templates: creativity",
        *found["lacking"],
    ]
    assert cli.main(["promising", "--baseline", "novelty", "--target", "creativity"]) == 0
    assert "3 essays without a score by creativity" in capsys.readouterr().out


def test_cohort_from_list_holds_exactly_the_selected_essays(scored, capsys):
    assert cli.main(["select", "--template", "novelty"]) == 0
    path = scored.data.curation / "top_essay_candidates.csv"
    rows = read_csv(path)
    rows[1]["selected"] = "false"
    with open(path, "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    chosen = {row["gen_id"] for row in rows if row["selected"] == "true"}
    assert cli.main(["cohort-from-list", "best"]) == 0
    before = cohorts.load_membership(scored, "mini")
    after = cohorts.load_membership(scored, "best")
    assert {entry.gen_id for entry in after.stage("essay")} == chosen
    assert {entry.gen_id for entry in after.stage("evaluation")} == {
        entry.gen_id for entry in before.stage("evaluation") if entry.parent_gen_id in chosen
    }
    # what the spec declares is what was written
    cells = spec.rows(spec.load(scored.data.cohort("best").spec))
    assert len(cells) == len(after.stage("evaluation"))
    assert expand(scored, "best").entries == after.entries
    capsys.readouterr()
    assert cli.main(["status", "--cohort", "best", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["stages"]["essay"]["done"] == len(chosen)


def test_cohort_from_list_of_essays_without_evaluations(settings, tmp_path):
    run_all(settings, stages=["draft", "essay"])
    listed = tmp_path / "list.txt"
    essays = essays_of(settings)[:3]
    listed.write_text("# chosen by hand\n" + "\n".join(essays) + "\n")
    assert cli.main(["cohort-from-list", "plain", "--candidates", str(listed)]) == 0
    membership = cohorts.load_membership(settings, "plain")
    assert sorted(entry.gen_id for entry in membership.stage("essay")) == sorted(essays)
    assert membership.stage("evaluation") == []
    assert (settings.data.cohort("plain").spec / "config.yaml").exists()


def test_cohort_from_list_that_no_spec_gives_back_is_a_membership_alone(scored, tmp_path):
    first, second, *_ = essays_of(scored)
    for entry in cohorts.load_membership(scored, "mini").stage("evaluation"):
        if entry.parent_gen_id == second:
            folder = scored.data.generation("evaluation", entry.gen_id).folder
            folder.rename(tmp_path / entry.gen_id)
    listed = tmp_path / "list.txt"
    listed.write_text(f"{first}\n{second}\n")
    assert cli.main(["cohort-from-list", "mixed", "--candidates", str(listed)]) == 0
    assert not scored.data.cohort("mixed").spec.exists()
    membership = cohorts.expand_source(scored, cohorts.resolve(scored, "mixed")).membership
    assert {entry.gen_id for entry in membership.stage("essay")} == {first, second}
    assert {entry.parent_gen_id for entry in membership.stage("evaluation")} == {first}


def test_cohort_from_list_of_a_store_whose_essay_ids_have_no_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = TWO_BY_TWO.replace("essay_template: [", "essay_llm: [sim-writer-b]\n  essay_template: [")
    settings = make_project(tmp_path, text + "ids: {essay_model: never}\n")
    run_all(settings)
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(essays_of(settings)))
    assert cli.main(["cohort-from-list", "old", "--candidates", str(listed)]) == 0
    assert {entry.gen_id for entry in cohorts.load_membership(settings, "old")} == {
        entry.gen_id for entry in cohorts.load_membership(settings, "mini")
    }
    assert read_json(settings.data.cohort("old").manifest)["ids"]["essay_model"] == "never"


def test_cohort_from_list_refuses_what_it_cannot_do(scored, capsys, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("e_unknown\n")
    assert cli.main(["cohort-from-list", "new", "--candidates", str(listed)]) == 1
    assert "there is no essay 'e_unknown' in the store" in capsys.readouterr().err
    assert not scored.data.cohort("new").folder.exists()
    listed.write_text("../../etc\n")
    assert cli.main(["cohort-from-list", "new", "--candidates", str(listed)]) == 1
    listed.write_text("# nothing\n")
    assert cli.main(["cohort-from-list", "new", "--candidates", str(listed)]) == 1
    listed.write_text(essays_of(scored)[0])
    assert cli.main(["cohort-from-list", "mini", "--candidates", str(listed)]) == 2
    assert cli.main(["cohort-from-list", "../x", "--candidates", str(listed)]) == 2


def test_new_cohort_from_flags_expands_to_what_was_asked(settings, capsys):
    flags = [
        *("--concepts", "mind-wandering,data-flywheel,economic-moat", "--k", "2,3", "--level", "sentence"),
        *("--draft-template", "analytical-memo-v2", "--draft-llm", "sim-writer-a,sim-writer-b"),
        *("--essay-template", "copy-v1", "--evaluation-template", "novelty", "--evaluation-llm", "sim-judge-a"),
        *("--evaluation-replicates", "3", "--notes", "for a test"),
    ]
    assert cli.main(["new-cohort", "flags", *flags]) == 0
    assert "8 drafts, 8 essays, 24 evaluations" in capsys.readouterr().out
    membership = expand(settings, "flags")
    assert len(membership.stage("evaluation")) == 24
    assert read_json(settings.data.cohort("flags").manifest)["notes"] == "for a test"
    assert cli.main(["new-cohort", "flags", *flags]) == 2
    assert "exists already" in capsys.readouterr().err


def test_new_cohort_can_end_early(settings):
    common = ["--concepts", "mind-wandering,data-flywheel", "--draft-llm", "sim-writer-a"]
    assert cli.main(["new-cohort", "drafts", *common, "--essay-template", "none"]) == 0
    assert expand(settings, "drafts").stage("essay") == []
    assert cli.main(["new-cohort", "essays", *common, "--evaluation-template", "none"]) == 0
    membership = expand(settings, "essays")
    assert membership.stage("essay") and not membership.stage("evaluation")


def test_new_cohort_of_registered_combos(settings):
    combo = cohorts.load_membership(settings, "mini")[0].combo_id
    assert cli.main(["new-cohort", "again", "--combos", combo, "--essay-template", "none"]) == 0
    assert {entry.combo_id for entry in expand(settings, "again")} == {combo}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--draft-llm", "sim-writer-x"], "unknown model 'sim-writer-x'"),
        (["--concepts", "mind-wanderin"], "did you mean 'mind-wandering'?"),
        (["--essay-template", "copy-v2"], "unknown essay template 'copy-v2'"),
        (["--combos", "combo_v1_000000000000"], "unknown combo"),
        (["--k", "99"], "99"),
    ],
)
def test_new_cohort_with_a_wrong_level_writes_nothing(settings, capsys, flags, message):
    assert cli.main(["new-cohort", "wrong", *flags]) != 0
    assert message in capsys.readouterr().err
    assert not settings.data.cohort("wrong").folder.exists()


def test_new_cohort_by_questions(settings):
    known = catalogs.load(settings.data)
    concepts = list(known.concepts)
    answers = iter(
        [
            f"1-2, {concepts[2]}, 2",  # a range and a name, and one of them again
            "x",  # no number
            "2",
            "",  # the offered level
            "analytical-memo-v2",
            "sim-writer-a",
            "none",  # no number
            "2",
            "copy-v9",  # unknown
            "copy-v1",
            "",  # the draft's model
            "",  # as replication_config.csv says
            "none",
        ]
    )
    asked: list[str] = []

    def question(text: str) -> str:
        asked.append(text)
        return next(answers)

    choice = authoring.ask(settings, known, question)
    assert choice.concepts == concepts[:3]
    assert (choice.k, choice.level) == ([2], "paragraph")
    assert choice.templates == {"draft": ["analytical-memo-v2"], "essay": ["copy-v1"], "evaluation": ["none"]}
    assert choice.models == {"draft": ["sim-writer-a"], "essay": []}
    assert choice.replicates == {"draft": 2}
    assert any("there is no 'copy-v9'" in text for text in asked)
    _, expansion = authoring.prepared(settings, known, "asked", choice)
    # three pairs of concepts, two drafts of each, one copy of each draft
    assert len(expansion.membership) == 12 and not settings.data.cohort("asked").folder.exists()


@pytest.mark.slow
def test_new_cohort_asks_at_a_terminal(settings, tmp_path):
    ours, theirs = pty.openpty()
    os.write(ours, b"1,2\n2\nsentence\nanalytical-memo-v2\nsim-writer-a\n3\nnone\n\n")
    done = subprocess.run(
        [sys.executable, "-m", "workflow_lib", "new-cohort", "asked"],
        cwd=tmp_path,
        env=clean_environment() | {"PYTHONPATH": str(SOURCE)},
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 0, done.stderr
    assert "Templates of stage draft:" in done.stdout and "Replicates of stage draft [1]: " in done.stdout
    size = "3 drafts, 0 essays, 0 evaluations; 3 calls to make, 0.0000 USD expected, 0.0000 at most"
    assert done.stdout.index(size) < done.stdout.index("Write it? [Y/n]: ")
    assert len(expand(settings, "asked")) == 3


def test_registry_that_lost_a_combo_is_reported(scored, capsys, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text(essays_of(scored)[0])
    scored.data.combo_mappings.unlink()
    assert cli.main(["cohort-from-list", "lost", "--candidates", str(listed)]) == 1
    assert "unknown combo" in capsys.readouterr().err
    assert not scored.data.cohort("lost").folder.exists()


def test_candidates_ignore_essays_without_a_draft(scored):
    membership = cohorts.load_membership(scored, "mini")
    essay = membership.stage("essay")[0]
    metadata = scored.data.generation("essay", essay.gen_id).metadata
    write_json(metadata, {key: value for key, value in read_json(metadata).items() if key != "parent_gen_id"})
    ranked = rankings.rank(scored, rankings.judgements(scored, None), "best", "novelty")
    assert essay.gen_id in {one.gen_id for one in ranked}
    assert candidates.describe(next(one for one in ranked if one.gen_id == essay.gen_id))["draft_template"] == ""


def test_declared_cohort_and_new_cohort_agree_on_names(settings, capsys):
    declare(settings, TWO_BY_TWO, "taken")
    assert cli.main(["new-cohort", "taken"]) == 2
    assert cli.main(["new-cohort", "auto"]) == 2
    assert cli.main(["new-cohort", "a/b"]) == 2
