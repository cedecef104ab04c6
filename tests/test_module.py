"""The workflow as a module of another one."""

import pytest

from tests.project import SOURCE, Project, job_counts

pytestmark = pytest.mark.slow

OUTER = f"""
module daydream:
    snakefile: "{SOURCE}/Snakefile"
    config: {{"cohort": "mini", **config}}


use rule * from daydream as dd_*


rule best:
    default_target: True
    input:
        "data/cohorts/mini/reports/parsing/aggregated_scores.csv",
    output:
        "best.txt",
    shell:
        "cut -d, -f1,5 {{input}} > {{output}}"


onsuccess:
    daydream.onsuccess()


onerror:
    daydream.onerror()
"""


def test_another_workflow_uses_this_one_as_a_module(project: Project):
    outer = project.folder / "outer" / "Snakefile"
    outer.parent.mkdir()
    outer.write_text(OUTER)
    options = ("-s", str(outer), "--cores", "4", "--workflow-profile", str(SOURCE / "profiles" / "default"))
    assert "snakemake dd_drafts" in project.snakemake(*options, "--until", "dd_draft_raw", code=1)
    project.snakemake(*options)
    lines = (project.folder / "best.txt").read_text().splitlines()
    assert lines[0] == "gen_id,score" and len(lines) == 1 + 8
    assert "Nothing to be done" in project.snakemake(*options, "-n")
    assert job_counts(project.snakemake(*options, "-n", "-R", "dd_draft_raw", "--", "dd_drafts")) == {"dd_draft_raw": 2}
    # a failed run of the outer workflow ends with tables, like one of this workflow
    project.configure("stages: {evaluation: {max_tokens: 1}}\n")
    output = project.snakemake(*options, "-F", "--config", "fresh=evaluation", code=1)
    assert "truncated" in output
