"""
Results: from the scores of a cohort to its tables and its page.

REQUIRED INPUTS:  data/cohorts/{cohort}/membership.csv      (rules/cohort.smk)
                  data/gens/*/{gen_id}/parsed.txt           those that are still to be made, or newer
OUTPUTS:          data/cohorts/{cohort}/reports/            tables, see docs/tables.md
                  data/cohorts/{cohort}/reports/html/       the page that people look at
"""


rule cohort_results:
    """Write every table of a cohort."""
    input:
        membership=f"{COHORT_DIRS}/{{cohort}}/membership.csv",
        texts=texts_behind,
        open_work=open_of(*STAGES),
        news=news_since_results,
    output:
        [update(path) for path in results_of("{cohort}")],
    log:
        "logs/cohort_results/{cohort}.log",
    run:
        with logged(log[0]):
            results.write(settings, wildcards.cohort, run_of.membership(wildcards.cohort))


rule results:
    """The tables of every cohort of the run."""
    input:
        [DATA.cohort(name).aggregated_scores for name in COHORTS],
