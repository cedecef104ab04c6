"""A full disk, a read-only folder, a path with blanks and other letters: it works or says why, nothing half-written."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.project import Project
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path):
    """Give a function that makes the project's data root a disk of so many kilobytes."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = []

    def mount(project: Project, kilobytes: int) -> None:
        saved = project.folder / "saved"
        project.data.rename(saved)
        project.data.mkdir()
        options = f"size={kilobytes}k"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(project.data)], check=False)
        if done.returncode:
            pytest.skip("this machine cannot mount a small disk")
        mounted.append(project.data)
        subprocess.run(["cp", "-r", f"{saved}/.", str(project.data)], check=True)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)


def answers(server: OfflineServer) -> int:
    """Return how many answers were given; none twice."""
    given = [(one["model"], one["seed"]) for one in server.requests if one["outcome"] == "ok"]
    assert len(given) == len(set(given))
    return len(given)


def test_full_disk_loses_no_answer_and_buys_none_twice(project: Project, small_disk):
    small_disk(project, 560)
    with OfflineServer() as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        output = project.snakemake("evaluations", code=1, env=env)
        assert "No space left on device" in output
        assert "make room on the disk and run again: every answer that arrived is kept" in output
        assert "Traceback" not in output
        assert list(project.data.rglob(".tmp-*")) == []
        for path in project.data.rglob("*.json"):
            json.loads(path.read_text())
        assert answers(server) == len(project.files("attempts/????.json")) < 12
        remount(project.data, "size=20m")
        project.snakemake("evaluations", env=env)
        assert answers(server) == 12


def test_read_only_data_root_is_said_before_any_call(project: Project, small_disk):
    small_disk(project, 2000)
    project.snakemake("cohort")
    remount(project.data, "ro")
    with OfflineServer() as server:
        output = project.snakemake("evaluations", code=1, env={"DD_OFFLINE_BASE_URL": server.url})
        assert server.requests == []
    assert "read-only" in output.lower() or "write-protected" in output.lower()


def test_path_with_blanks_and_other_letters(tmp_path):
    project = Project(tmp_path / "mein Ordner ü ☕" / "data {x} (1)")
    project.snakemake()
    assert [row["error"] for row in project.scores()] == [""] * 8
    assert "Nothing to be done" in project.snakemake("-n")
