"""
Batch mode: the chunks that a run plans instead of a job per generation. No rules.
"""

batch_of = runs.Chunks(run_of, markers, redoes)

# a job that waits for provider batches, perhaps for hours, takes no core from others
CHUNK_THREADS = 0 if settings.provider_batch else 1


def chunk_of(stage, wildcards):
    """Return the chunk that a job makes, as the process that planned the run has cut it."""
    for cohort in COHORTS:
        expanded(cohort)
    named = wildcards.scope, wildcards.cohort, stage, int(wildcards.index)
    with one_message():
        if workflow.is_main_process:
            return batch_of.find(*named)
        return runs.planned_chunk(run_of, wildcards.run, *named)


def chunks_before(stage):
    """Return an input function: the markers of the chunks that make what a chunk is made from."""

    def markers(wildcards):
        if not workflow.is_main_process:
            # a job's own process: the one that started it has waited for them
            return []
        chunk = chunk_of(stage, wildcards)
        with one_message():
            if chunk.to_buy:
                run_of.refuse_mistakes()
            if on_cluster():
                runs.require_keys_on_file(caller, chunk.to_buy)
            if not workflow.dryrun:
                batch_of.announce(chunk.scope)
                for entry in chunk.to_buy:
                    run_of.require_key(caller, entry)
            return [batch_of.marker(one) for one in batch_of.before(chunk)]

    return markers


def chunks_of_scope(wildcards):
    """Return the markers of all chunks that a cohort needs."""
    if not workflow.is_main_process:
        return []
    chunks = batch_of.of_cohort(wildcards.cohort, wildcards.scope)
    return [batch_of.marker(one) for one in chunks]


def make_chunk(stage, wildcards, marker, log):
    """Make the generations of a chunk."""
    with logged(log) as say:
        # also where a cluster hands no environment to its jobs
        run_of.shared.join(wildcards.run)
        chunk = chunk_of(stage, wildcards)
        if not workflow.is_main_process:
            runs.sign_in(Path(marker), log)
        runs.make_chunk(run_of, caller, chunk, Path(marker), say)


def write_outcome(wildcards, path, log):
    """Write that all chunks of a cohort are done, or fail with what failed in them."""
    with logged(log):
        named = wildcards.run, wildcards.scope, wildcards.cohort
        runs.write_outcome(run_of, *named, Path(path))
