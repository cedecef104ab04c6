"""
Times of files: what is due follows from what the store records, and no job fails because of a time. No rules.
"""

import sys

from snakemake.dag import DAG


async def nothing_to_check(dag, job, outputs):
    """Accept outputs that are older than an input.

    Snakemake would fail the job and delete what it made: for a template with a time in the future, and for a
    raw.txt that a second run touches while this one parses it. Neither makes anything wrong here.
    """


DAG.check_output_mtime = nothing_to_check

if workflow.is_main_process:
    declared = [path for source in run_of.sources.values() for path in source.files]
    ahead = [f"{path}" for path in runs.ahead_of_the_clock(DATA, declared)]
    if ahead:
        more = f" and {len(ahead) - MAX_FILES} more" if len(ahead) > MAX_FILES else ""
        print(
            f"Warning: {', '.join(ahead[:MAX_FILES])}{more}: times in the future, read as if written now. `touch` these "
            "files to be rid of this warning.",
            file=sys.stderr,
        )
