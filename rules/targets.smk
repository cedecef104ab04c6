"""
What the command line asks this run for. No rules.
"""

# another workflow may use this one as a module, under other names
PREFIX = rules.cohort.rule.name.removesuffix("cohort")


def refuse_parts():
    """End a run that is to stop at a rule, or to leave one out: through the checkpoint, Snakemake would do nothing."""
    if workflow.is_main_process:
        chosen = workflow.dag_settings
        with one_message():
            runs.refuse_part("--until", chosen.until, PREFIX, DATA.root)
            runs.refuse_part("--omit-from", chosen.omit_from, PREFIX, DATA.root)


def asks_for_tables():
    """Return whether tables follow the answers of the run."""
    targets = {name.removeprefix(PREFIX) for name in workflow.dag_settings.targets}
    asked = (targets or {"all"}) & {"all", "report", "results"}
    return bool(asked) and not settings.shard


def asks_for_pages():
    """Return whether the targets of the run are, or contain, the pages of its cohorts."""
    return set(workflow.dag_settings.targets) <= {f"{PREFIX}all", f"{PREFIX}report"}
