"""
Results: from the scores of a cohort to its tables and its page.

REQUIRED INPUTS:  data/cohorts/{cohort}/membership.csv      (rules/cohort.smk)
                  data/gens/*/{gen_id}/parsed.txt           those that are still to be made, or newer
OUTPUTS:          data/cohorts/{cohort}/reports/            tables, see docs/tables.md
                  data/cohorts/{cohort}/reports/html/       the page that people look at
`snakemake --report` carries what is marked in_report(): tables and figures, and nothing that a model wrote.
"""


rule open_texts:
    """Wait for some hundreds of the texts that a cohort lacks, so that no job waits for all of them."""
    input:
        texts_of_part,
    output:
        touch(f"{BATCHES}/{{run}}/{{scope}}/{{cohort}}/texts/{{index}}"),


rule batch_outcome:
    """Fail if a generation of a batch run did: chunks never fail, so that one failure holds back no others."""
    input:
        chunks_of_scope,
    output:
        f"{BATCHES}/{{run}}/{{scope}}/{{cohort}}.json",
    log:
        "logs/batch_outcome/{run}/{scope}-{cohort}.log",
    run:
        write_outcome(wildcards, output[0], log[0])


rule cohort_results:
    """Write every table of a cohort."""
    input:
        membership=f"{COHORT_DIRS}/{{cohort}}/membership.csv",
        texts=texts_behind,
        open_work=work_before_results,
        news=news_since_results,
    output:
        [in_report(path, "tables") for path in DATA.cohort("{cohort}").shared_tables],
        update(DATA.cohort("{cohort}").failures),
        update(DATA.cohort("{cohort}").completeness),
    log:
        "logs/cohort_results/{cohort}.log",
    run:
        with logged(log[0]):
            runs.write_tables(run_of, wildcards.cohort)


rule cohort_page:
    """Write the page of a cohort, and one per essay."""
    input:
        rules.cohort_results.output,
    output:
        [in_report(path, "figures") for path in DATA.cohort("{cohort}").figures],
        page=update(DATA.cohort("{cohort}").page),
    log:
        "logs/cohort_page/{cohort}.log",
    run:
        with logged(log[0]):
            runs.write_page(run_of, wildcards.cohort)


rule results:
    """The tables of every cohort of the run."""
    input:
        unless_sharded([DATA.cohort(name).aggregated_scores for name in COHORTS]),


rule report:
    """The page of every cohort of the run."""
    input:
        unless_sharded(
            [
                path
                for name in COHORTS
                for path in (DATA.cohort(name).page, *DATA.cohort(name).figures)
            ]
        ),


rule cross_experiment:
    """Tables and a page over every evaluation of the store, whichever cohort it was bought for."""
    input:
        news=news_since_cross,
        reports=reports_before_cross,
    output:
        [update(path) for path in DATA.cross_tables],
        update(DATA.cross_page),
        update(DATA.cross_selection),
    log:
        "logs/cross_experiment.log",
    run:
        with logged(log[0]):
            runs.write_cross(run_of)
