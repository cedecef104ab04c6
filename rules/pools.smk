"""
How many calls each pool of models may have in flight, as resources of Snakemake. No rules.
"""

from collections.abc import Sequence

from snakemake.scheduling.job_scheduler import JobScheduler

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
# ready jobs that it chooses from, and for each slot: more than can start at once, so that no slot stays empty
ENOUGH_READY, READY_PER_SLOT = 500, 2


def look_sparingly():
    """Let Snakemake look for jobs to start only when one has ended, and then only at some of those that are ready.

    With a limit on jobs per second every look starts a timer that has it look again a second later, without end:
    after thousands of jobs hundreds of such looks a second leave little of the processor. And for each job that it
    starts it weighs all that are ready: of 12,000, that takes three times as long as everything else about a call.
    What the user has set stays.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == USUAL_LIMIT:
        workflow.scheduler.job_rate_limiter = None
    if not workflow.scheduler.subsample:
        slots = workflow.resource_settings.cores or 0
        workflow.scheduler.subsample = max(ENOUGH_READY, READY_PER_SLOT * slots)


class Unasked(Sequence):
    """The jobs that remain, looked for when somebody asks.

    For each look Snakemake goes through all jobs of a run for them, and its greedy scheduler does not read them.
    """

    def __init__(self, scheduler):
        self.scheduler = scheduler

    def __iter__(self):
        return iter(remaining_jobs(self.scheduler))

    def __getitem__(self, place):
        return remaining_jobs(self.scheduler)[place]

    def __len__(self):
        return len(remaining_jobs(self.scheduler))


remaining_jobs = JobScheduler.remaining_jobs.fget
JobScheduler.remaining_jobs = property(Unasked)
