"""Keys stay out of every file; ids stay in their folder; hostile answers do no harm."""

import json
from pathlib import Path

import pytest

from tests.project import TWO_BY_TWO, Project
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow

KEY = "sk-or-v1-0123456789abcdef-never-to-be-written"


def files_with(folder: Path, text: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


def test_key_never_reaches_disk_or_screen(tmp_path):
    project = Project(tmp_path, spec=TWO_BY_TWO.replace("sim-writer-a", "gpt-6-luna"))
    faults = "500:0.2,error200:0.2,drop:0.1"
    with OfflineServer(require_key=KEY, faults=faults) as server:
        env = {"DD_LLM_BASE_URL": server.url, "OPENROUTER_API_KEY": KEY}
        output = project.snakemake("--verbose", "--show-failed-logs", code=None, env=env)
        refused = project.snakemake(
            "-R",
            "draft_raw",
            "--config",
            "fresh=draft",
            "--",
            "drafts",
            code=1,
            env=env | {"OPENROUTER_API_KEY": KEY + "x"},
        )
        assert any(request["authorization"] for request in server.requests)
    output += refused + project.daydream("status", code=None, env=env) + project.daydream("plan", env=env)
    assert KEY not in output
    assert "set OPENROUTER_API_KEY to a valid key" in refused
    assert files_with(tmp_path, KEY.encode()) == []
    assert files_with(tmp_path, b"gpt-6-luna") != []


@pytest.mark.parametrize("name", ["../../escaped", "a/b"])
def test_ids_cannot_leave_their_folder(project: Project, name):
    project.snakemake("cohort")
    membership = project.cohort_folder / "membership.csv"
    first = project.members()[0]["gen_id"]
    membership.write_text(membership.read_text().replace(first, name))
    output = project.snakemake("drafts", code=1)
    assert "gen_id is not a safe file name" in output
    assert not (project.folder / "escaped").exists()
    assert project.files("raw.txt") == []


HOSTILE = [
    "<script>alert(1)</script> {{ 7 * 7 }} {% raw %}",
    "\x1b[31mred\x1b[0m \x00 NUL \u202eright to left",
    "lone surrogate \ud800 here",
    "x" * 5_000_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=["markup", "control", "surrogate", "huge"])
def test_hostile_answer_is_kept_as_text_and_goes_through(tmp_path, text):
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            judged = "SCORE:" in request["messages"][0]["content"]
            answer = f"{text}\n\nSCORE: 7" if judged else f"one\ntwo\n\n{text}\nthree"
            body = json.dumps({"choices": [{"message": {"content": answer}, "finish_reason": "stop"}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    spec = TWO_BY_TWO.replace("creative-synthesis-v10, ", "").replace("structured-analysis-v2", "popular-science-v1")
    project = Project(tmp_path, spec=spec)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        project.snakemake(env={"DD_OFFLINE_BASE_URL": f"http://127.0.0.1:{server.server_port}/v1"})
    finally:
        server.shutdown()
        server.server_close()
    [draft] = project.members("draft")
    folder = project.generation("draft", draft["gen_id"])
    assert json.loads((folder / "attempts" / "0001.json").read_text())["answer"] == f"one\ntwo\n\n{text}\nthree"
    raw = (folder / "raw.txt").read_text(encoding="utf-8")
    assert raw == f"one\ntwo\n\n{text}\nthree".replace("\ud800", "\ufffd")
    assert {row["score"] for row in project.scores()} == {"7.0"}
    page = project.cohort_folder / "reports" / "html"
    for path in page.rglob("*.html"):
        assert "<script>alert(1)" not in path.read_text(encoding="utf-8")
        assert b"\x1b" not in path.read_bytes() and b"\x00" not in path.read_bytes()
