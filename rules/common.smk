"""
What the rules share: the run's settings, and functions that take wildcards. No rules.

Everything else is in workflow_lib/, which knows nothing of Snakemake.
"""

import contextlib
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir).resolve()))

from workflow_lib import calls, catalogs, cohorts, generations, runs
from workflow_lib import settings as settings_module
from workflow_lib.calls.endpoints import OFFLINE
from workflow_lib.errors import DayDreamError
from workflow_lib.generations import failures, preflight
from workflow_lib.stages import FIRST


@contextlib.contextmanager
def one_message():
    """Turn an error that the user can act upon into its message, without a traceback."""
    try:
        yield
    except DayDreamError as error:
        raise UserError(error) from None


def stop(error):
    """End the run with a message; raised while the Snakefile is read, an error would show a traceback."""
    print(f"\n{error}\n", file=sys.stderr)
    raise SystemExit(1)


def without_cohort(error):
    """Return an input function that ends the run: its target needs a cohort, and there is none."""

    def fail(wildcards):
        raise UserError(error)

    return fail


try:
    settings = settings_module.load(config)
    run_of = runs.Run(settings)
    COHORTS = list(run_of.sources)
    MEMBERSHIPS = [f"{settings.data.cohort(name).membership}" for name in COHORTS]
except DayDreamError as error:
    if "settings" not in globals() or not settings.cross_cohort:
        stop(error)
    # tables over other cohorts need none of their own; every other target does
    COHORTS = []
    MEMBERSHIPS = [without_cohort(error)]
    run_of.sources = {}

if settings.selection and any(
    source.mode == "spec" for source in run_of.sources.values()
):
    print(
        f"Note: {', '.join(COHORTS)} is declared by its spec; the selection is not used. Give the curated cohort a "
        "name of its own with --config cohort=NAME.",
        file=sys.stderr,
    )

if workflow.is_main_process and any(Path(".snakemake/locks").glob("*")):
    print(
        "Note: another snakemake is at work in this folder, or one was killed. If Snakemake finds the folder locked "
        "and none is running, `snakemake --unlock` frees it; every answer that arrived is kept.",
        file=sys.stderr,
    )

DATA = settings.data
GENS = f"{DATA.gens}"
COHORT_DIRS = f"{DATA.cohorts}"
BATCHES = f"{DATA.coordination / 'batches'}"
caller = calls.Caller(settings)


wildcard_constraints:
    cohort=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    gen_id=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    index=r"\d+",
    digest=r"[0-9a-f]{12}",


# a limit that holds with or without a profile: Snakemake never starts more jobs of a pool than may call
for pool, limits in settings.pools.items():
    if limits.max_concurrent:
        workflow.register_resource(f"pool_{pool}", limits.max_concurrent)

# jobs of small pools ride on the worker threads that Snakemake keeps beside --cores, so that
# waiting for a slow pool holds no slot that other calls could use
SPARE_WORKERS = 5
SMALL_POOLS = set()
for pool, limits in sorted(
    settings.pools.items(), key=lambda item: item[1].max_concurrent or 99
):
    if limits.max_concurrent and limits.max_concurrent <= SPARE_WORKERS:
        SPARE_WORKERS -= limits.max_concurrent
        SMALL_POOLS.add(pool)


# cohorts whose checkpoint is done: asking Snakemake again for each of thousands of jobs takes seconds
READY = {name for name in COHORTS if run_of.sources[name].mode == "given"}
EXPANDABLE = (
    f"(?!({'|'.join(map(re.escape, sorted(READY)))})/)[A-Za-z0-9][A-Za-z0-9._-]*"
)


def expanded(cohort):
    """Return a cohort's membership, after its checkpoint has run."""
    if cohort not in READY:
        checkpoints.cohort_membership.get(cohort=cohort)
        READY.add(cohort)
    warn_of_mistakes(cohort)
    with one_message():
        return run_of.membership(cohort)


WARNED = set()


def warn_of_mistakes(cohort):
    """Show once what is wrong with what a cohort uses, or differs from what it keeps, and stops nothing."""
    if cohort not in WARNED and workflow.is_main_process:
        WARNED.add(cohort)
        with one_message():
            texts = cohorts.differing_counts(settings, run_of.sources[cohort])
            for text in texts + preflight.warnings(run_of.findings(cohort)):
                print(f"Warning: {text}", file=sys.stderr)


def entry_of(stage, wildcards):
    """Return the membership row of the generation that a job is about."""
    for cohort in COHORTS:
        expanded(cohort)
    with one_message():
        return run_of.entry(stage, wildcards.gen_id)


def declaration_of(wildcards):
    """Return the files that declare a cohort: its spec and the catalogs."""
    if wildcards.cohort not in run_of.sources:
        raise UserError(
            f"cohort {wildcards.cohort} is not one of this run ({', '.join(COHORTS)})\n"
            f"Hint: add --config cohort={wildcards.cohort}"
        )
    with one_message():
        # a table that cannot be read is told by a dry run, too
        catalogs.load(DATA)
    return list(run_of.sources[wildcards.cohort].files)


def changed_declaration_of(wildcards):
    """Return a file that is newer than all others if the declaration differs from the last expansion's."""
    with one_message():
        changed = cohorts.differs_from_manifest(
            settings, run_of.sources[wildcards.cohort]
        )
    return [runs.newest_file()] if changed else []


def redoes():
    """Tell whether finished work is asked for as well: -F, -R and fresh= reach only jobs that somebody asks for."""
    return bool(
        settings.fresh
        or workflow.dag_settings.forceall
        or workflow.dag_settings.forcerun
    )


def open_of(stage=None):
    """Return an input function: the parsed texts that are still to be made, of a stage or for the tables."""

    def parsed(wildcards):
        if settings.partial:
            return []
        named = [wildcards.cohort] if hasattr(wildcards, "cohort") else COHORTS
        for cohort in named:
            expanded(cohort)
        with one_message():
            return [
                run_of.files(entry).parsed
                for cohort in named
                for entry in run_of.open_work(cohort, stage, everything=redoes())
            ]

    return parsed


def unless_sharded(reports):
    """Return what a run ends with: its reports, or with `shard` only the texts of its slice."""
    if not COHORTS:
        return MEMBERSHIPS
    return [*MEMBERSHIPS, open_of()] if settings.shard else reports


def work_before_results(wildcards):
    """Return the parsed texts that are still to be made before a cohort's tables.

    With them comes a file that is newer than the tables: or Snakemake would not make what is missing behind
    tables that exist.
    """
    found = open_of()(wildcards)
    return [*found, runs.newest_file()] if found else []


def template_of(stage):
    """Return an input function: the template of a generation."""
    return lambda wildcards: ancient(run_of.template_file(entry_of(stage, wildcards)))


def concept_texts_of(wildcards):
    """Return the texts of a draft's concepts."""
    return ancient(run_of.concept_files(entry_of(FIRST, wildcards)))


def parent_of(stage):
    """Return an input function: the parsed text that a prompt is made of."""

    def parsed(wildcards):
        entry = entry_of(stage, wildcards)
        ready_to_buy(entry)
        return ancient(run_of.parent_parsed(entry))

    return parsed


def batch_of(stage):
    """Return an input function: in batch mode the marker of the job that buys a generation's answer."""
    return lambda wildcards: run_of.markers_of([entry_of(stage, wildcards)])


def batches_before(stage):
    """Return an input function: the markers of the jobs that buy what a slice is made from."""

    def markers(wildcards):
        expanded(wildcards.cohort)
        return run_of.markers_of(
            run_of.ancestors_in_slice(wildcards.cohort, stage, int(wildcards.index))
        )

    return markers


def ready_to_buy(entry):
    """Stop before the first call, and a dry run likewise, if a mistake would spoil it, or if there is no key."""
    if run_of.files(entry).raw.exists() and not settings.is_fresh(entry.stage):
        return
    with one_message():
        if workflow.is_main_process:
            for cohort in COHORTS:
                preflight.refuse(run_of.findings(cohort))
        if not workflow.dryrun and not generations.is_copy(settings, entry):
            caller.require_key(entry.llm_model_id)


def raw_to_parse(stage):
    """Return an input function: raw.txt, as a plain input only when parsed.txt has to follow it."""

    def raw(wildcards):
        entry = entry_of(stage, wildcards)
        files = run_of.files(entry)
        if run_of.needs_parse(entry) or settings.is_fresh(stage):
            return [
                files.raw,
                *([runs.newest_file()] if files.parsed.exists() else []),
            ]
        return ancient(files.raw)

    return raw


def pool_slots(stage):
    """Return the resources of a raw job: one slot of its model's pool."""

    def slot_of(pool):
        def slots(wildcards):
            entry = entry_of(stage, wildcards)
            return int(generations.pool_of(settings, entry) == pool)

        return slots

    return {
        f"pool_{pool}": slot_of(pool)
        for pool, own in settings.pools.items()
        if own.max_concurrent
    }


def threads_of(stage):
    """Return the threads of a raw job: none of --cores if its pool is small."""

    def threads(wildcards):
        return int(
            generations.pool_of(settings, entry_of(stage, wildcards)) not in SMALL_POOLS
        )

    return threads


@contextlib.contextmanager
def logged(path):
    """Give a function that notes a line in a job's log; an error is noted there, too, and ends the job."""

    def say(line):
        # a full disk is told on the screen
        with contextlib.suppress(OSError), open(path, "a", encoding="utf-8") as log:
            print(line, file=log)

    try:
        yield say
    except (DayDreamError, OSError) as problem:
        error = (
            failures.disk_error(problem, DATA.root)
            if isinstance(problem, OSError)
            else problem
        )
        say(str(error))
        raise UserError(
            error, about=f"{Path(path).parent.name} {Path(path).stem}: "
        ) from None


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
        models = catalogs.load(DATA).models
        used = {entry.llm_model_id for entry in run_of.membership(wildcards.cohort)}
    offline = any(models[name].endpoint == OFFLINE for name in used if name in models)
    return f"{wildcards.cohort} (offline models)" if offline else wildcards.cohort


def write_membership(cohort, log):
    """Write a cohort's membership.csv and what goes with it."""
    with logged(log) as say:
        for warning in runs.expand(run_of, cohort):
            say(f"Warning: {warning}")
            print(f"Warning: {cohort}: {warning}", file=sys.stderr)


def write_raw(stage, wildcards, log):
    """Write a generation's raw.txt and what goes with it."""
    with logged(log) as say:
        runs.buy(run_of, caller, entry_of(stage, wildcards), say)


def write_batch(stage, wildcards, marker, log):
    """Buy the answers that a slice of a cohort lacks."""
    with logged(log) as say:
        index = int(wildcards.index)
        runs.buy_slice(
            run_of, caller, wildcards.cohort, stage, index, Path(marker), say
        )


def write_parsed(stage, wildcards, log):
    """Write a generation's parsed.txt."""
    with logged(log):
        generations.parse(settings, entry_of(stage, wildcards))


def write_tables(cohort, log):
    """Write all tables of a cohort."""
    with logged(log):
        runs.write_tables(run_of, cohort)


def write_page(cohort, log):
    """Write the pages of a cohort."""
    with logged(log):
        runs.write_page(run_of, cohort)


def write_cross(log):
    """Write tables and page over the whole store."""
    with logged(log):
        runs.write_cross(run_of)


def after_failure():
    """Write tables and pages of what there is, and say what failed; ends with 0 if it was to be accepted."""
    try:
        accepted = runs.after_failure(
            run_of, lambda text: print(f"\n{text}", file=sys.stderr)
        )
    except (DayDreamError, OSError) as error:
        print(f"\nThe tables could not be written: {error}", file=sys.stderr)
        return
    if accepted:
        raise SystemExit(0)


def texts_behind(wildcards):
    """Return the catalogs and texts of a cohort: an edit of theirs shows in the tables, and buys nothing."""
    expanded(wildcards.cohort)
    return run_of.texts_behind(wildcards.cohort)


def news_since_results(wildcards):
    """Return the files that came since the tables were written; not needed to make them."""
    expanded(wildcards.cohort)
    return run_of.news(wildcards.cohort)
