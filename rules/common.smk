"""
What the rules share: functions that take wildcards. No rules.
"""

import inspect
import re

ID = r"[A-Za-z0-9][A-Za-z0-9._-]*"


wildcard_constraints:
    cohort=ID,
    gen_id=ID,
    index=r"\d+",
    digest=r"[0-9a-f]{12}",
    run=r"[0-9a-f]{12}",
    scope="|".join([runs.ALL, *STAGES]),


# cohorts whose checkpoint is done: asking Snakemake again for each of thousands of jobs takes seconds
GIVEN = {name for name in COHORTS if run_of.sources[name].mode == "given"}
# a job in a process of its own runs after the checkpoints; it cannot ask for them
READY = set(GIVEN) if workflow.is_main_process else set(COHORTS)
# a membership.csv of an older tool is no output of the checkpoint
EXPANDABLE = f"(?!({'|'.join(map(re.escape, sorted(GIVEN)))})/){ID}"


def of_wildcards(function):
    """Make a function ready to be asked by every job.

    It looks at the catalogs once a second, and carries its signature, which Python would work out each time.
    """
    held = catalogs.held(generations.batches.CATALOG_SECONDS)(function)
    held.__signature__ = inspect.signature(function)
    return held


def due(is_due):
    """Return an input that makes its job run: a file newer than all outputs if `is_due`, else nothing.

    Snakemake runs a job when an input is newer than its outputs. Much that makes our jobs due shows in no file's
    time: a setting that differs from the manifest, another parser, a file that is gone beside raw.txt, open work
    behind tables that exist.
    """
    return [runs.newest_file(DATA, shared=not workflow.dryrun)] if is_due else []


def expanded(cohort):
    """Return a cohort's membership, after its checkpoint has run."""
    if cohort not in READY:
        refuse_parts()
        checkpoints.cohort_membership.get(cohort=cohort)
        READY.add(cohort)
    with one_message():
        if workflow.is_main_process:
            run_of.warn(cohort)
        return run_of.membership(cohort)


def entry_of(stage, wildcards):
    """Return the membership row of the generation that a job is about."""
    for cohort in COHORTS:
        expanded(cohort)
    with one_message():
        return run_of.entry(stage, wildcards.gen_id)


def entry_to_make(stage, wildcards):
    """Return the row of a generation whose answer a job gets; ends the run if a mistake would spoil it, or without a key."""
    entry = entry_of(stage, wildcards)
    if run_of.is_bought_or_copied(entry):
        with one_message():
            # in a job of its own process a missing key is a failed call
            if workflow.is_main_process:
                run_of.refuse_mistakes()
                if on_cluster():
                    runs.require_chunks(settings)
                    runs.require_keys_on_file(caller, [entry])
                if not workflow.dryrun:
                    run_of.require_key(caller, entry)
    return entry


def declaration_of(wildcards):
    """Return the files that declare a cohort: its spec and the catalogs."""
    if wildcards.cohort not in run_of.sources:
        raise UserError(
            f"cohort {wildcards.cohort} is not one of this run ({', '.join(COHORTS)})\n"
            f"Hint: add --config cohort={wildcards.cohort}"
        )
    with one_message():
        # a dry run, too, shows what is wrong in a table
        catalogs.load(DATA)
    return list(run_of.sources[wildcards.cohort].files)


def changed_declaration_of(wildcards):
    """Return an input that makes the expansion run if the declaration differs from the last one's."""
    with one_message():
        source = run_of.sources[wildcards.cohort]
        return due(cohorts.differs_from_manifest(settings, source))


def redoes():
    """Return whether finished work is asked for as well: -F, -R and fresh= reach only jobs that somebody asks for."""
    return bool(
        settings.fresh
        or workflow.dag_settings.forceall
        or workflow.dag_settings.forcerun
    )


markers = runs.Markers(run_of)
texts_of = runs.OpenTexts(run_of, markers, redoes)


def texts_of_part(wildcards):
    """Return the texts of a part of what a cohort still lacks."""
    if not workflow.is_main_process:
        # a job's own process: the one that started it has waited for them
        return []
    if not workflow.dryrun:
        markers.keep()
    named = wildcards.cohort, wildcards.scope, int(wildcards.index)
    with one_message():
        return texts_of.of_part(*named)


def open_of(stage=None):
    """Return an input function: what is still to be made, of a stage or for the tables.

    These are the parsed texts or the markers of their parts, in batch mode the outcomes of the chunks that make them.
    """

    def still_to_make(wildcards):
        if settings.partial:
            return []
        named = [wildcards.cohort] if hasattr(wildcards, "cohort") else COHORTS
        for cohort in COHORTS if settings.batch else named:
            expanded(cohort)
        scope = stage or runs.ALL
        with one_message():
            if settings.batch:
                return [
                    batch_of.outcome(cohort, scope)
                    for cohort in named
                    if batch_of.of_cohort(cohort, scope)
                ]
            return [
                path for cohort in named for path in texts_of.of_cohort(cohort, scope)
            ]

    return still_to_make


def unless_sharded(reports):
    """Return what a run ends with: its reports, or with `shard` only the texts of its slice."""
    if not COHORTS:
        return MEMBERSHIPS
    return [*MEMBERSHIPS, open_of()] if settings.shard else reports


def work_before_results(wildcards):
    """Return what is still to be made before a cohort's tables, which are due then."""
    found = open_of()(wildcards)
    return [*found, *due(found)]


def news_since_results(wildcards):
    """Return an input that makes the tables due if scores, failures or settings came since they were written."""
    expanded(wildcards.cohort)
    return due(runs.has_news(run_of, wildcards.cohort))


def news_since_cross(wildcards):
    """Return an input that makes the tables over the whole store due if scores came since they were written."""
    return due(runs.has_cross_news(run_of))


def reports_before_cross(wildcards):
    """Return what the run writes of its cohorts anyway: the page over all of them shows their tables and their links."""
    targets = {name.removeprefix(PREFIX) for name in workflow.dag_settings.targets}
    if settings.shard:
        return []
    if targets & {"all", "report"}:
        return [DATA.cohort(name).page for name in COHORTS]
    return [
        DATA.cohort(name).aggregated_scores for name in COHORTS if "results" in targets
    ]


def texts_behind(wildcards):
    """Return the catalogs and texts of a cohort: an edit of theirs shows in the tables, and buys nothing."""
    expanded(wildcards.cohort)
    return run_of.texts_behind(wildcards.cohort)


def template_of(stage):
    """Return an input function: the template of a generation."""
    return of_wildcards(
        lambda wildcards: ancient(run_of.template_file(entry_to_make(stage, wildcards)))
    )


@of_wildcards
def concept_texts_of(wildcards):
    """Return the texts of a draft's concepts."""
    return ancient(run_of.concept_files(entry_of(FIRST, wildcards)))


def parent_of(stage):
    """Return an input function: the parsed text that a prompt is made of."""
    return of_wildcards(
        lambda wildcards: ancient(run_of.parent_parsed(entry_of(stage, wildcards)))
    )


def raw_to_parse(stage):
    """Return an input function: raw.txt, as a plain input only when parsed.txt has to follow it."""

    @of_wildcards
    def raw(wildcards):
        entry = entry_of(stage, wildcards)
        files = run_of.files(entry)
        if run_of.needs_parse(entry) or settings.is_fresh(stage):
            return [files.raw, *due(files.parsed.exists())]
        return ancient(files.raw)

    return raw
