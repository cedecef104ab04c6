"""
How many calls each pool of models may have in flight, as resources of Snakemake. No rules.
"""

from workflow_lib.calls.pools import small_pools

# a limit that holds with or without a profile: Snakemake never starts more jobs of a pool than may call
POOL_LIMITS = {
    pool: limits.max_concurrent
    for pool, limits in settings.pools.items()
    if limits.max_concurrent
}
for pool, limit in POOL_LIMITS.items():
    workflow.register_resource(f"pool_{pool}", limit)

# jobs of small pools ride on the worker threads that Snakemake keeps beside --cores, so that
# waiting for a slow pool holds no slot that other calls could use
SPARE_WORKERS = 5
SMALL_POOLS = small_pools(POOL_LIMITS, SPARE_WORKERS)


def pool_slots(stage):
    """Return the resources of a raw job: one slot of its model's pool."""

    def slot_of(pool):
        return of_wildcards(
            lambda wildcards: int(
                generations.pool_of(settings, entry_of(stage, wildcards)) == pool
            )
        )

    return {f"pool_{pool}": slot_of(pool) for pool in POOL_LIMITS}


def threads_of(stage):
    """Return the threads of a raw job: none of --cores if its pool is small."""
    return of_wildcards(
        lambda wildcards: int(
            generations.pool_of(settings, entry_of(stage, wildcards)) not in SMALL_POOLS
        )
    )


# jobs per seconds that Snakemake starts at most unless it is told otherwise
USUAL_LIMIT = (100, 1)


def look_when_jobs_end():
    """Let Snakemake look for jobs to start only when one has ended; the pools limit the calls.

    With a limit on jobs per second every look starts a timer that has it look again a second later, without end:
    after thousands of jobs hundreds of such looks a second leave little of the processor. A limit of the user's stays.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == USUAL_LIMIT:
        workflow.scheduler.job_rate_limiter = None
