"""One bad file costs its own generation and no other, and buys nothing over what may have been paid for."""

import json

import pytest

from tests.project import Project
from workflow_lib.offline.server import OfflineServer

pytestmark = pytest.mark.slow


@pytest.mark.full
def test_broken_files_cost_their_own_generations_and_no_others(project: Project):
    with OfflineServer() as server:
        env = {"DD_OFFLINE_BASE_URL": server.url}
        project.snakemake("--cores", "8", "evaluations", env=env)
        bought = len(server.requests)
        folders = [project.generation("evaluation", row["gen_id"]) for row in project.members("evaluation")]
        folder_for_raw, empty, null, zeroed, odd, *_ = folders
        for folder in folders:
            (folder / "parsed.txt").unlink()
            (folder / "raw.txt").unlink()
        (folder_for_raw / "raw.txt").mkdir()
        (empty / "attempts" / "0001.json").write_bytes(b"")
        (null / "attempts" / "0001.json").write_bytes(b"null")
        for folder in (zeroed, odd):
            (folder / "attempts" / "0001.json").unlink()
        request = zeroed / "attempts" / "0001.request.json"
        request.write_bytes(bytes(len(request.read_bytes())))
        (odd / "attempts" / "0001.failed.json").write_text("[1]")

        output = project.snakemake("--cores", "8", "evaluations", code=1, env=env)
        assert "Traceback" not in output
        assert len(server.requests) == bought + 2
        assert [(folder / "parsed.txt").exists() for folder in folders] == [False] * 3 + [True] * 5
        for folder in (empty, null):
            failure = json.loads((folder / "failure.json").read_text())
            assert f"{folder.name}/attempts/0001.json: " in failure["message"]
            assert "regenerate --gen-id" in failure["remedy"]
        assert "move it away and run again" in output

        found = json.loads(project.daydream("check", "--json", code=1))["findings"]
        broken = {finding["path"].removeprefix("gens/evaluation/") for finding in found if "broken" in finding["kind"]}
        assert broken >= {
            f"{folder_for_raw.name}/raw.txt",
            f"{empty.name}/attempts/0001.json",
            f"{null.name}/attempts/0001.json",
            f"{zeroed.name}/attempts/0001.request.json",
            f"{odd.name}/attempts/0001.failed.json",
        }
        status = json.loads(project.daydream("status", "--json", code=None))
        assert {one["gen_id"] for one in status["maybe_billed"]} == {zeroed.name, odd.name}
        project.daydream("plan", code=None)

        # an order buys over what cannot be read
        project.daydream("regenerate", "--gen-id", empty.name, "--apply")
        project.snakemake("--cores", "8", "evaluations", code=1, env=env)
        assert (empty / "parsed.txt").exists()
        assert len(server.requests) == bought + 3
