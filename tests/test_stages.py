"""Stages are data: a further one is a row in stages.py and what docs/architecture.md lists beside it."""

import shutil
from pathlib import Path

import pytest

from tests.project import SOURCE, daydream, read_csv, snakemake


def stage_row(name: str, parent: str, prefix: str, variable: str) -> str:
    """Return the row of a further stage in stages.py."""
    return f'''    Stage(
        name="{name}",
        parent="{parent}",
        prefix="{prefix}",
        variables=("{variable}",),
        models=PARENTS,
        task=("parent.task_id", "template_id", "replicate"),
        task_columns={{"{name}_task_id": "task_id", "gen_id": "gen_id", "parent_gen_id": "parent_gen_id"}},
        score_columns=ScoreColumns("{name}_template", "{name}_model", "{name}_response_path"),
        answer_tokens=1000.0,
        seconds=30.0,
    ),
'''


CRITIQUE = stage_row("critique", "draft", "c_", "draft")
REVISION = stage_row("revision", "essay", "r_", "essay")
SPEC = """
combos: {concepts: [default-mode-network, economic-moat], k: 2, level: sentence}
axes:
  draft_template: [analytical-memo-v2]
  draft_llm: [sim-writer-a]
  critique_template: [sharpen]
  essay_template: [creative-synthesis-v10, copy-v1]
  revision_template: [tighten]
  evaluation_template: [novelty]
  evaluation_llm: [sim-judge-a]
  evaluation_replicate: [1]
output: {field_order: [combo_id, draft_template]}
"""


@pytest.fixture(scope="module")
def revised(tmp_path_factory) -> Path:
    """A copy of the project with two more stages, before and after the essay, and a cohort that uses them."""
    folder = tmp_path_factory.mktemp("revised")
    for name in ("workflow_lib", "rules", "profiles", "report", "data/1_raw"):
        shutil.copytree(SOURCE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text("cohort: four\n")

    stages = folder / "workflow_lib" / "stages.py"
    before, essay, after = stages.read_text().partition('    Stage(\n        name="essay",\n')
    own, evaluation, last = after.partition('    Stage(\n        name="evaluation",\n')
    own = own.replace('parent="draft"', 'parent="critique"', 1)
    last = last.replace('parent="essay"', 'parent="revision"', 1)
    stages.write_text(before + CRITIQUE + essay + own + REVISION + evaluation + last)
    snakefile = (SOURCE / "Snakefile").read_text()
    include = 'include: "rules/essay.smk"\n'
    assert include in snakefile
    for name in ("critique", "revision"):
        rules = (folder / "rules" / "essay.smk").read_text()
        (folder / "rules" / f"{name}.smk").write_text(rules.replace("essay", name))
        snakefile = snakefile.replace(include, f'{include}include: "rules/{name}.smk"\n')
        (folder / "data" / "1_raw" / "templates" / name).mkdir()
    (folder / "Snakefile").write_text(snakefile)
    raw = folder / "data" / "1_raw"
    (raw / "critique_templates.csv").write_text("template_id,parser\nsharpen,identity\n")
    (raw / "templates" / "critique" / "sharpen.txt").write_text(
        "Write this draft again in 300 words, without its weakest part.\n\n<draft>\n{{ draft }}\n</draft>\n"
    )
    (raw / "revision_templates.csv").write_text("template_id,parser\ntighten,essay_block\n")
    (raw / "templates" / "revision" / "tighten.txt").write_text(
        "Revise this essay, between <essay> and </essay>.\n\n{{ essay }}\n"
    )
    (folder / "data" / "cohorts" / "four" / "spec").mkdir(parents=True)
    (folder / "data" / "cohorts" / "four" / "spec" / "config.yaml").write_text(SPEC)
    return folder


@pytest.mark.slow
def test_a_further_stage_runs_from_spec_to_page(revised):
    own = {"PYTHONPATH": str(revised)}
    use = ("-s", "Snakefile", "--cores", "4")
    snakemake(revised, *use, env=own)
    cohort = revised / "data" / "cohorts" / "four"
    members = {row["gen_id"]: row for row in read_csv(cohort / "membership.csv")}
    evaluations = [row for row in members.values() if row["stage"] == "evaluation"]
    lineage = [members[members[row["parent_gen_id"]]["parent_gen_id"]]["stage"] for row in evaluations]
    assert lineage == ["essay", "essay"]
    scores = read_csv(cohort / "reports" / "parsing" / "aggregated_scores.csv")
    assert {row["generation_template"] for row in scores} == {"tighten"}
    assert all(row["score"] and row["stale_lineage"] == "false" for row in scores)
    assert {row["draft_template"] for row in scores} == {"analytical-memo-v2"}
    assert len(read_csv(cohort / "tasks" / "revision_tasks.csv")) == 2
    essays = read_csv(cohort / "tasks" / "essay_tasks.csv")
    assert {members[row["parent_gen_id"]]["stage"] for row in essays} == {"critique"}
    # what is called after the draft stays the draft's, whatever lies between
    assert {row["draft_template"] for row in essays} == {"analytical-memo-v2"}
    drafts = read_csv(cohort / "tasks" / "draft_tasks.csv")
    assert {row["draft_task_id"] for row in essays} == {row["draft_task_id"] for row in drafts}
    assert (cohort / "reports" / "html" / "index.html").exists()
    assert "Nothing to be done" in snakemake(revised, *use, "-n", env=own)
    assert "Nothing is wrong" in daydream(revised, "check", env=own)
    assert "revision" in daydream(revised, "status", env=own)
