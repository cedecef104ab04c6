"""
Cohorts: from a spec, or the active catalog, to the list of generations that it declares.

REQUIRED INPUTS:  data/cohorts/{cohort}/spec/config.yaml and items/, the tables of data/1_raw/
OUTPUTS:          data/cohorts/{cohort}/membership.csv      one row per generation
                  data/cohorts/{cohort}/manifest.json       counts, sums and settings of the expansion
                  data/cohorts/{cohort}/tasks/*.csv         the same rows, readable, per stage
"""


checkpoint cohort_membership:
    """Expand a cohort: write down its generations."""
    input:
        declared=declaration_of,
        change=changed_declaration_of,
    output:
        # update(): a failed expansion leaves the previous files as they are. A membership.csv that an older tool
        # wrote is none of them: Snakemake may delete outputs
        membership=update(f"{COHORT_DIRS}/{{cohort}}/membership.csv"),
        manifest=update(f"{COHORT_DIRS}/{{cohort}}/manifest.json"),
        drafts=update(f"{COHORT_DIRS}/{{cohort}}/tasks/draft_tasks.csv"),
        essays=update(f"{COHORT_DIRS}/{{cohort}}/tasks/essay_tasks.csv"),
        evaluations=update(f"{COHORT_DIRS}/{{cohort}}/tasks/evaluation_tasks.csv"),
    log:
        "logs/cohort_membership/{cohort}.log",
    wildcard_constraints:
        cohort=EXPANDABLE,
    run:
        with logged(log[0]) as say:
            runs.expand(run_of, wildcards.cohort, say)


rule cohort:
    """Only the lists of generations; with them, `snakemake -n` is the full plan."""
    input:
        MEMBERSHIPS,
