"""
DayDreaming: concepts are mixed into combos; models write drafts and essays of them; judges score the essays.

  data/cohorts/{cohort}/spec/          declares a cohort                      written by people
  data/cohorts/{cohort}/membership.csv its generations                        rules/cohort.smk (a checkpoint)
  data/gens/draft/{gen_id}/            raw.txt -> parsed.txt                  rules/draft.smk
  data/gens/essay/{gen_id}/            of a draft's parsed.txt                rules/essay.smk
  data/gens/evaluation/{gen_id}/       of an essay's parsed.txt               rules/evaluation.smk
  data/cohorts/{cohort}/reports/       tables and page                        rules/results.smk
"""

from snakemake.utils import min_version

min_version("9.27")


report: "report/workflow.rst"


include: "rules/start.smk"
include: "rules/messages.smk"
include: "rules/cluster.smk"
include: "rules/common.smk"
include: "rules/pools.smk"
include: "rules/chunks.smk"
include: "rules/times.smk"
include: "rules/cohort.smk"
include: "rules/targets.smk"
include: "rules/draft.smk"
include: "rules/essay.smk"
include: "rules/evaluation.smk"
include: "rules/captions.smk"
include: "rules/results.smk"
include: "rules/graph.smk"


# they take little, and stay with the process that was started by hand, also where a cluster makes the rest
localrules:
    cohort_membership,
    open_texts,
    batch_outcome,
    cohort_results,
    cohort_page,
    cross_experiment,


if settings.provider_batch:

    # waiting for a service is nothing to keep a node of a cluster for
    localrules:
        draft_batch,
        essay_batch,
        evaluation_batch,


onstart:
    look_sparingly()
    run_of.tables_to_prepare = asks_for_tables()
    if on_cluster():
        runs.forget_keys(settings)
        look_steadily()


onsuccess:
    runs.after_success(run_of, markers, to_screen, wants_pages=asks_for_pages())


onerror:
    runs.after_failure(run_of, batch_of, to_screen)


rule all:
    """Tables and page of every cohort of the run."""
    default_target: True
    input:
        rules.results.input,
        rules.report.input,
