"""The batch service of the offline server: both styles, faults and the bill; and a client that nobody here wrote."""

import json
import subprocess
import sys
import time

import pytest
import requests

from workflow_lib import offline
from workflow_lib.errors import DayDreamError
from workflow_lib.offline.server import OfflineServer

CHAT = "/v1/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")


def asked(number: int) -> dict:
    return {
        "messages": [{"role": "user", "content": f"### Moat {number}\n\nWrite about moats."}],
        "seed": number,
        "max_tokens": 500,
    }


def inline(server: OfflineServer, count: int = 4, **changed) -> requests.Response:
    body = {"endpoint": CHAT, "model": "sim-writer-a"}
    body["requests"] = [{"custom_id": f"r-{number}", "body": asked(number)} for number in range(count)]
    return requests.post(f"{server.url}/batches", json=body | changed, timeout=20)


def ended(server: OfflineServer, batch_id: str) -> dict:
    deadline = time.monotonic() + 20
    while True:
        found = requests.get(f"{server.url}/batches/{batch_id}", timeout=20).json()
        if found["status"] in ENDED:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


@pytest.mark.slow
def test_the_openai_package_runs_a_chat_call_and_a_whole_batch(tmp_path):
    # a second of CPU, which nobody else needs
    import openai

    with OfflineServer(require_key="k", batch_delay=0.2, usd_per_call=0.01) as server:
        client = openai.OpenAI(base_url=server.url, api_key="k", max_retries=0)
        messages = asked(3)["messages"]
        chat = client.chat.completions.create(model="sim-writer-a", messages=messages, seed=3, max_tokens=500)
        expected = [offline.complete("sim-writer-a", asked(number)["messages"], number, 500) for number in range(5)]
        assert chat.choices[0].message.content == expected[3].text

        lines = [
            {
                "custom_id": f"r-{number}",
                "method": "POST",
                "url": CHAT,
                "body": {"model": "sim-writer-a"} | asked(number),
            }
            for number in range(5)
        ]
        path = tmp_path / "batch.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        uploaded = client.files.create(file=path, purpose="batch")
        assert client.files.content(uploaded.id).read() == path.read_bytes()
        batch = client.batches.create(
            input_file_id=uploaded.id, endpoint=CHAT, completion_window="24h", metadata={"name": "mine"}
        )
        assert batch.status in ("validating", "in_progress") and batch.output_file_id is None
        deadline = time.monotonic() + 20
        while batch.status not in ENDED and time.monotonic() < deadline:
            time.sleep(0.02)
            batch = client.batches.retrieve(batch.id)
        assert (batch.status, batch.metadata, batch.error_file_id) == ("completed", {"name": "mine"}, None)
        assert (batch.request_counts.total, batch.request_counts.completed) == (5, 5)
        results = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
        found = {one["custom_id"]: one["response"]["body"]["choices"][0]["message"]["content"] for one in results}
        assert found == {f"r-{number}": expected[number].text for number in range(5)}
        assert [one.id for one in client.batches.list(limit=1)] == [batch.id]
        # half the price, and a batch that is looked at again is not billed again
        assert [one["usd"] for one in server.batches.bill] == [0.005] * 5
        with pytest.raises(openai.NotFoundError):
            client.batches.retrieve("batch_99")


def test_inline_batches_are_billed_as_a_whole_and_listed_without_results():
    with OfflineServer(usd_per_mtok=(1.0, 2.0), batch_faults="request:0.4", seed=1) as server:
        first = inline(server, 20)
        assert first.status_code == 202 and first.json()["results"] is None and first.json()["usage"] is None
        done = ended(server, first.json()["id"])
        good = [one for one in done["results"] if one["response"]]
        bad = [one for one in done["results"] if one["error"]]
        assert done["request_counts"] == {"total": 20, "completed": len(good), "failed": len(bad)}
        assert len(good) + len(bad) == 20 and good and bad
        assert {one["error"]["code"] for one in bad} == {502}
        tokens = [one["response"]["body"]["usage"] for one in good]
        price = sum(one["prompt_tokens"] * 1.0 + one["completion_tokens"] * 2.0 for one in tokens) / 1e6
        assert done["usage"]["cost"] == pytest.approx(price / 2)
        assert sum(one["usd"] for one in server.batches.bill) == pytest.approx(price / 2)
        for _ in range(3):
            inline(server, 1)
        pages = requests.get(f"{server.url}/batches?limit=3", timeout=20).json()
        assert [one["id"] for one in pages["data"]] == ["batch_4", "batch_3", "batch_2"] and pages["has_more"]
        rest = requests.get(f"{server.url}/batches?limit=3&after={pages['last_id']}", timeout=20).json()
        assert [one["id"] for one in rest["data"]] == ["batch_1"] and not rest["has_more"]
        assert rest["data"][0]["results"] is None and rest["data"][0]["status"] == "completed"


def test_what_an_ended_batch_delivered_is_billed_and_nothing_else():
    with OfflineServer(batch_script=("expired", "cancelled", "failed", "lost"), usd_per_call=1.0) as server:
        for fate in ("expired", "cancelled"):
            done = ended(server, inline(server).json()["id"])
            assert done["status"] == fate and [one["custom_id"] for one in done["results"]] == ["r-0", "r-1"]
        failed = ended(server, inline(server).json()["id"])
        assert failed["status"] == "failed" and failed["results"] == [] and "refused" in failed["error"]["message"]
        assert len(server.batches.bill) == 4
        with pytest.raises(requests.ConnectionError):
            inline(server)
        assert len(server.batches.submitted()) == 4, "a lost response is a batch all the same"
        assert ended(server, "batch_4")["request_counts"]["completed"] == 4


def test_wrong_batches_are_refused_and_not_kept():
    with OfflineServer() as server:
        first = {"requests": [{"custom_id": "a", "body": asked(1)}], "endpoint": CHAT, "model": "sim-writer-a"}
        response = requests.post(f"{server.url}/batches", json=first, timeout=20)
        assert response.status_code == 400 and "before" in response.json()["error"]["message"]
        twice = [{"custom_id": "a", "body": asked(1)}] * 2
        assert inline(server, requests=twice).status_code == 400
        assert inline(server, requests=[{"custom_id": "x" * 65, "body": asked(1)}]).status_code == 400
        assert inline(server, requests=[]).status_code == 400
        assert inline(server, 5001).status_code == 400
        assert requests.post(f"{server.url}/files", data={"purpose": "batch"}, timeout=20).status_code == 400
        assert requests.post(f"{server.url}/batches", json={"input_file_id": "file-1"}, timeout=20).status_code == 400
        assert server.batches.submitted() == []
    with pytest.raises(DayDreamError, match="unknown fault"):
        OfflineServer(batch_faults="429:0.1")


@pytest.mark.slow
def test_the_command_logs_batches_and_what_it_billed(tmp_path):
    log = tmp_path / "log.jsonl"
    command = [sys.executable, "-m", "workflow_lib", "serve-offline", "--log", str(log), "--batch-faults", "request:0"]
    running = subprocess.Popen([*command, "--usd-per-call", "0.5"], stdout=subprocess.PIPE, text=True)
    try:
        url = running.stdout.readline().split()[-1]
        body = {"endpoint": CHAT, "model": "m", "requests": [{"custom_id": "a", "body": asked(1)}]}
        assert requests.post(f"{url}/batches", json=body, timeout=20).status_code == 202
        assert requests.get(f"{url}/batches/batch_1", timeout=20).json()["status"] == "completed"
    finally:
        running.terminate()
        running.wait(20)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["batch", "billed"] and lines[1]["usd"] == 0.25
