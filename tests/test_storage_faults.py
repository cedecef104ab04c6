"""Blocks, inodes or descriptors run out while calls are in flight: every answer that was billed is kept."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests import small_disks
from tests.project import SOURCE, Project, clean_environment
from tests.scripted_server import ScriptedServer, completion

# paid models: their pool is limited by default, so that slots are given back on the same disk
PAID = """
combos: {concepts: [default-mode-network, combinatorial-creativity, data-flywheel, economic-moat], k: 2}
axes:
  draft_template: [analytical-memo-v2]
  draft_llm: [gpt-oss-120b]
  draft_replicate: [1, 2, 3, 4]
output: {field_order: [combo_id, draft_template, draft_llm, draft_replicate]}
"""
DRAFTS = 24
IN_FLIGHT = 8


class Shortage:
    """Holds the first requests back until so many are in flight, uses something up, and answers all."""

    def __init__(self, use_up: Callable[[], None]):
        self.use_up = use_up
        self.billed = 0
        self._together = threading.Barrier(IN_FLIGHT, action=use_up)
        self._lock = threading.Lock()

    @property
    def is_broken(self) -> bool:
        """Whether nothing was used up after all."""
        return self._together.broken

    def reply(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self.billed += 1
            is_early = self.billed <= IN_FLIGHT
        if is_early:
            self._together.wait(60)
        status, headers, content = completion("one\ntwo\nthree\nfour", usage={"cost": 0.01})
        handler.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)


def start(project: Project, url: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "snakemake", "-s", str(SOURCE / "Snakefile"), "--cores", str(IN_FLIGHT), "drafts"]
    env = clean_environment() | {"DD_LLM_BASE_URL": url}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=project.folder, env=env, **pipes)


def kept(project: Project) -> int:
    """Return how many answers the journal has; each can be read."""
    found = [json.loads(path.read_text()) for path in project.files("attempts/????.json")]
    assert all(answer["answer"] for answer in found)
    assert len({answer["gen_id"] for answer in found}) == len(found)
    return len(found)


def listed(project: Project) -> int:
    return len(json.loads(project.daydream("status", "--json", code=None))["maybe_billed"])


def check_short_and_finished(project: Project, shortage: Shortage, server: ScriptedServer) -> None:
    assert not shortage.is_broken
    assert IN_FLIGHT <= kept(project) == shortage.billed
    assert listed(project) == 0
    small_disks.make_room(project.data)
    project.snakemake("--cores", "8", "drafts", env={"DD_LLM_BASE_URL": server.url})
    assert kept(project) == shortage.billed == DRAFTS
    # what was held for answers is free again
    assert [path for path in project.data.rglob(".*") if path.name.startswith((".room", ".tmp"))] == []


@pytest.mark.full
@pytest.mark.parametrize(
    ("kind", "what"), [("tmpfs", "inodes"), ("tmpfs", "blocks"), ("ext4", "inodes"), ("ext4", "blocks")]
)
def test_a_disk_that_is_full_when_answers_come_loses_none(tmp_path: Path, kind, what):
    project = Project(tmp_path, spec=PAID)
    use_up = {"blocks": small_disks.use_up_blocks, "inodes": small_disks.use_up_inodes}[what]
    with small_disks.mounted(kind, project.data, 12):
        project.snakemake("cohort")
        shortage = Shortage(lambda: use_up(project.data))
        with ScriptedServer(shortage.reply) as server:
            run = start(project, server.url)
            output, _ = run.communicate(timeout=300)
            assert "Traceback" not in output
            # what was held and not needed can be enough to go on
            if run.returncode:
                assert "make room on the disk and run again: every answer that arrived is kept" in output
            check_short_and_finished(project, shortage, server)


@pytest.mark.full
@pytest.mark.slow
def test_descriptors_that_are_used_up_when_answers_come_lose_none(tmp_path: Path):
    project = Project(tmp_path, spec=PAID)
    project.snakemake("cohort")
    running: list[subprocess.Popen] = []
    shortage = Shortage(lambda: small_disks.use_up_descriptors(running[0].pid))
    with ScriptedServer(shortage.reply) as server:
        running.append(start(project, server.url))
        running[0].communicate(timeout=300)
        project.snakemake("--unlock", code=None)
        check_short_and_finished(project, shortage, server)
