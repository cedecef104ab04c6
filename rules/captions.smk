"""
How tables and figures appear in `snakemake --report`. No rules.
"""


def in_report(path, kind):
    """Mark a table or figure of a cohort for `snakemake --report`; report/ has a sentence about each."""
    return report(
        update(path),
        caption=f"../report/{path.stem}_{kind}.rst",
        category=cohort_in_report,
        subcategory=kind,
        labels={"name": path.stem.replace("_", " ")},
    )


def cohort_in_report(wildcards):
    """Return what the report calls a cohort: results of offline models must not pass for real ones."""
    with one_message():
        return run_of.label(wildcards.cohort)
