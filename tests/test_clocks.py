"""Files whose times lie in the future: read as of now, with one warning; no job fails for it."""

import os
import time
from pathlib import Path

import pytest

from tests.project import Project
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow

DAY = 86_400


def put_ahead(path: Path, seconds: float = DAY) -> None:
    ahead = time.time() + seconds
    os.utime(path, (ahead, ahead))


def test_sources_from_the_future_stop_nothing_and_are_named_once(project: Project):
    template = project.data / "1_raw" / "templates" / "draft" / "analytical-memo-v2.txt"
    models = project.data / "1_raw" / "llm_models.csv"
    spec = project.cohort_folder / "spec" / "config.yaml"
    for path in (template, models, spec):
        put_ahead(path)
    with OfflineServer() as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        output = project.snakemake("--cores", "8", env=env)
        assert len(project.files("parsed.txt")) == 14
        bought = len(server.requests)
        again = project.snakemake("--cores", "8", env=env)
        assert len(server.requests) == bought
    assert "Nothing to be done" in again
    named = ", ".join(str(path.relative_to(project.folder)) for path in (models, template, spec))
    assert output.count(f"Warning: {named}: times in the future, read as if written now. `touch` these") == 1


def test_an_answer_that_another_run_touches_meanwhile_fails_no_parse(project: Project):
    """Two runs at once restore the same raw.txt; Snakemake touches it for each, after or before its parse."""
    project.snakemake("--cores", "8", "drafts")
    for raw in project.files("raw.txt"):
        put_ahead(raw, 600)
        (raw.parent / "parsed.txt").unlink()
    project.snakemake("--cores", "8", "drafts")
    assert len(project.files("parsed.txt")) == 2
