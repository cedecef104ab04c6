"""A small cohort bought and parsed in this process with offline models: a store for tests, without Snakemake."""

import shutil
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tests.project import SOURCE, TWO_BY_TWO
from workflow_lib import cohorts, generations
from workflow_lib import settings as settings_module
from workflow_lib.calls import Caller
from workflow_lib.cohorts.membership import Entry, Membership
from workflow_lib.parsers import ParseFailure
from workflow_lib.settings import Settings
from workflow_lib.stages import STAGES

COHORT = "mini"


def make_project(folder: Path, spec_text: str = TWO_BY_TWO, cohort: str = COHORT) -> Settings:
    """Return the settings of a project with the shipped catalogs and one expanded cohort; nothing is bought.

    Args:
        folder: gets data/ and config/config.yaml; commands that are run in it find them.
        spec_text: the cohort's spec/config.yaml.
        cohort: its name.
    """
    shutil.copytree(SOURCE / "data" / "1_raw", folder / "data" / "1_raw", dirs_exist_ok=True)
    settings = configure(folder, cohort)
    declare(settings, spec_text, cohort)
    expand(settings, cohort)
    return settings


def make_bought(folder: Path, spec_text: str = TWO_BY_TWO) -> Settings:
    """Return the settings of a project as `make_project` makes it, whose cohort is bought and parsed.

    It is made once per process and spec, and copied: most tests of what is bought do not test the buying.
    """
    shutil.copytree(_bought_once(spec_text) / "data", folder / "data")
    return configure(folder, COHORT)


@cache
def _bought_once(spec_text: str) -> Path:
    folder = Path(_once.name) / str(len(list(Path(_once.name).iterdir())))
    run_all(make_project(folder, spec_text))
    return folder


# removed when the process ends
_once = tempfile.TemporaryDirectory(prefix="bought-once-")


def configure(folder: Path, cohort: str) -> Settings:
    """Write a project's config.yaml and return its settings."""
    config = folder / "config" / "config.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    # in full: several projects of one process must not have one name
    config.write_text(f"cohort: {cohort}\ndata_root: {folder / 'data'}\n")
    return load(folder, cohort)


def load(folder: Path, cohort: str = COHORT) -> Settings:
    """Return the settings of a project; nothing of this machine's environment counts."""
    return settings_module.load({"data_root": str(folder / "data"), "cohort": cohort}, folder, {})


def declare(settings: Settings, spec_text: str, cohort: str = COHORT) -> Path:
    """Write the spec of a cohort; returns its file."""
    path = settings.data.cohort(cohort).spec / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(spec_text)
    return path


def expand(settings: Settings, cohort: str = COHORT) -> Membership:
    """Write the membership of a cohort and return it."""
    expansion = cohorts.expand_source(settings, cohorts.resolve(settings, cohort))
    cohorts.write(settings, expansion)
    return expansion.membership


def run_all(settings: Settings, cohort: str = COHORT, stages: Iterable[str] = STAGES) -> Membership:
    """Buy and parse what a cohort lacks, stage by stage; a parse failure is recorded and passed over."""
    membership = cohorts.load_membership(settings, cohort)
    caller = Caller(settings)
    for stage in stages:
        for entry in membership.stage(stage):
            run_one(settings, caller, entry)
    return membership


def run_one(settings: Settings, caller: Caller, entry: Entry) -> None:
    """Buy and parse one generation as the rules would."""
    files = settings.data.generation(entry.stage, entry.gen_id)
    if not files.raw.exists():
        generations.buy(caller, entry, lambda line: None)
    if generations.needs_parse(settings, entry, None):
        try:
            generations.parse(settings, entry)
        except ParseFailure:
            pass
