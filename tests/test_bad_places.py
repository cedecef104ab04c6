"""A read-only folder, a path with blanks and other letters: it works or says why, nothing half-written."""

import subprocess

import pytest

from tests import small_disks
from tests.project import Project
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow


def test_read_only_data_root_is_an_error_before_any_call(project: Project):
    with small_disks.mounted("tmpfs", project.data, 2):
        project.snakemake("cohort")
        subprocess.run(["mount", "-o", "remount,ro", str(project.data)], check=True)
        with OfflineServer() as server:
            output = project.snakemake("evaluations", code=1, env={"DD_OFFLINE_BASE_URL": server.url})
            assert server.requests == []
    assert "read-only" in output.lower() or "write-protected" in output.lower()


def test_path_with_blanks_and_other_letters(tmp_path):
    project = Project(tmp_path / "mein Ordner ü ☕" / "data {x} (1)")
    project.snakemake()
    assert [row["error"] for row in project.scores()] == [""] * 8
    assert "Nothing to be done" in project.snakemake("-n")
