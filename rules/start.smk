"""
What a run begins with: its settings and its cohorts. No rules.

Everything else is in workflow_lib/, which never imports Snakemake.
"""

import atexit
import gc
import os
import sys
from pathlib import Path

# Snakemake makes hundreds of thousands of objects and keeps them to the end: to look through all of them for garbage as
# often as Python does by itself, and once more at the end, takes a third of the time of a dry run
gc.set_threshold(100_000)
atexit.register(gc.freeze)

# the library lies beside the rules, also where another workflow uses this one as a module
sys.path.insert(0, str(Path(str(workflow.current_basedir)).parent))

from workflow_lib import calls, catalogs, cohorts, generations, runs
from workflow_lib import settings as settings_module
from workflow_lib.calls import stopping
from workflow_lib.errors import DayDreamError
from workflow_lib.stages import FIRST, STAGES


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
except DayDreamError as error:
    stop(error)

# a job in a process of its own works for the run that started it
driver = None if workflow.is_main_process else os.environ.get(runs.RUN_VARIABLE)
run_of = runs.Run(settings, driver_id=driver)
try:
    COHORTS = list(run_of.sources)
    MEMBERSHIPS = [f"{settings.data.cohort(name).membership}" for name in COHORTS]
except DayDreamError as error:
    if not settings.cross_cohort:
        stop(error)
    # cross_experiment works without a cohort; every other target stops
    run_of = runs.Run(settings, sources={})
    COHORTS = []
    MEMBERSHIPS = [without_cohort(error)]

caller = calls.Caller(settings, run_of.shared)
if workflow.is_main_process:
    os.environ[runs.RUN_VARIABLE] = run_of.run_id
    for line in runs.notes(run_of, Path(".snakemake")):
        print(f"Note: {line}", file=sys.stderr)

DATA = settings.data
GENS = f"{DATA.gens}"
COHORT_DIRS = f"{DATA.cohorts}"
BATCHES = f"{DATA.batches}"

# Ctrl-C and SIGTERM stop new calls at once; the second Ctrl-C ends without the lock of Snakemake left behind
stopping.on_interrupt(
    lambda: getattr(workflow.scheduler, "_user_kill", None) is not None,
    lambda: workflow.persistence.unlock(),
    shows=workflow.is_main_process,
)
