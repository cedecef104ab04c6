"""Fixtures that many tests share."""

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from tests.browser import chromium, set_back
from tests.project import Project, heed_interrupts
from tests.world import World

heed_interrupts()
# `make test-quick` asks for it
settings.register_profile("quick", max_examples=15)


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch) -> Path:
    """A folder that commands run in; no setting of this machine's environment counts."""
    for name in ("DD_COHORT", "DAYDREAMING_DATA_ROOT", "GEN_TEMPLATES_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one small cohort: 2 drafts, 4 essays (2 copied), 8 evaluations."""
    return Project(tmp_path)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Path:
    """The folder of a project whose small cohort is made, to its page; to be copied, never changed."""
    # the workers of a run have their folders below one of the run, and the first that comes makes it for all
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "made"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            coming = tmp_path_factory.mktemp("coming")
            Project(coming).snakemake()
            coming.rename(folder)
    return folder


@pytest.fixture
def made(made_once: Path, project: Project) -> Project:
    """The project with its small cohort made, to its page."""
    shutil.copytree(made_once, project.folder, dirs_exist_ok=True)
    return project


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world whose writer is an offline model."""
    return World(tmp_path)


@pytest.fixture
def real(tmp_path: Path) -> World:
    """A world whose writer is a model behind HTTP."""
    return World(tmp_path, "real")


@pytest.fixture(scope="module")
def started_browser(tmp_path_factory):
    """A browser with a profile of its own, as the test before left it."""
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def browser(started_browser):
    """A browser on an empty page, 1440 px wide, in light colours, with nothing on its record."""
    set_back(started_browser)
    return started_browser
