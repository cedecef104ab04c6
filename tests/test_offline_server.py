"""The offline models over real HTTP: the same texts, honest logs, and faults on request."""

import argparse
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from workflow_lib import offline
from workflow_lib.errors import DayDreamError
from workflow_lib.offline.behaviour import parse_faults
from workflow_lib.offline.command import add_arguments
from workflow_lib.offline.server import OfflineServer

ROOT = Path(__file__).resolve().parents[1]
MESSAGES = [{"role": "user", "content": "### Moat\n\nA moat keeps rivals out.\n\nWrite about 300 words."}]


def post(
    server: OfflineServer, model: str = "sim-writer-a", session=requests, headers=None, **body
) -> requests.Response:
    content = {"model": model, "messages": MESSAGES, "seed": 5} | body
    return session.post(f"{server.url}/chat/completions", json=content, headers=headers, timeout=20)


def text_of(response: requests.Response) -> str:
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]["content"]


def wait_for(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "did not happen within 10 s"
        time.sleep(0.01)


@pytest.mark.parametrize("model", offline.MODELS)
def test_http_and_in_process_give_the_same_text(model):
    messages = [
        {
            "role": "user",
            "content": "\ud800 ### Moat é\n\nA moat keeps rivals out, for a while at least.\n\nWrite.",
        }
    ]
    with OfflineServer() as server:
        response = post(server, model, messages=messages, seed=11, max_tokens=400)
    expected = offline.complete(model, messages, 11, 400)
    assert text_of(response) == expected.text
    body = response.json()
    assert body["model"] == model
    assert body["choices"][0]["finish_reason"] == expected.finish_reason
    assert body["usage"] == {
        "prompt_tokens": expected.prompt_tokens,
        "completion_tokens": expected.completion_tokens,
        "total_tokens": expected.prompt_tokens + expected.completion_tokens,
    }


def test_without_a_seed_the_messages_decide():
    with OfflineServer() as server:
        first, again = (text_of(post(server, seed=None)) for _ in range(2))
        other = text_of(post(server, seed=None, messages=[{"role": "user", "content": "Another."}]))
    assert first == again != other


def test_other_models_are_played_by_a_writer_or_a_judge():
    with OfflineServer() as server:
        essay = text_of(post(server, "vendor/model-1"))
        verdict = text_of(post(server, "vendor/model-1", messages=[{"role": "user", "content": "End in SCORE: <0-9>"}]))
    assert essay == offline.complete("sim-writer-a", MESSAGES, 5).text
    assert re.search(r"\nSCORE: [0-9]$", verdict)


def test_models_are_listed_and_unknown_paths_are_not_found():
    with OfflineServer() as server:
        listed = requests.get(f"{server.url}/models", timeout=20).json()["data"]
        assert [model["id"] for model in listed] == list(offline.MODELS)
        assert requests.get(f"{server.url}/nothing", timeout=20).status_code == 404
        assert requests.post(f"{server.url}/completions", json={}, timeout=20).status_code == 404


def test_connection_is_kept_and_answers_do_not_wait_for_acknowledgements():
    with OfflineServer() as server, requests.Session() as session:
        text_of(post(server, session=session))
        fastest = 1.0
        for seed in range(20):
            started = time.monotonic()
            text_of(post(server, session=session, seed=seed))
            fastest = min(fastest, time.monotonic() - started)
        assert len({entry["client_port"] for entry in server.requests}) == 1
    # a delayed acknowledgement takes 40 ms, and it would hold back every one; a busy machine does not
    assert fastest < 0.04


@pytest.mark.slow
def test_128_calls_wait_at_the_same_time():
    with OfflineServer(latency=2.0) as server:
        with ThreadPoolExecutor(128) as pool:
            texts = list(pool.map(lambda seed: text_of(post(server, seed=seed)), range(128)))
        assert max(entry["in_flight"] for entry in server.requests) > 100
    assert len(set(texts)) == 128


@pytest.mark.parametrize("code", [400, 401, 402, 403, 404, 408, 409, 425, 429, 500, 502, 503])
def test_status_faults_carry_an_error_object(code):
    with OfflineServer(faults=f"{code}:1", retry_after=3) as server:
        response = post(server)
    assert response.status_code == code
    assert response.json()["error"]["code"] == code
    assert response.headers.get("Retry-After") == ("3" if code == 429 else None)


def test_faults_inside_a_200_look_like_those_of_hosted_endpoints():
    script = [("", ["html", "error200", "nochoices", "empty", "length", "refuse", "ok"])]
    with OfflineServer(script=script) as server:
        html, error, nochoices, empty, length, refuse, good = (post(server) for _ in range(7))
        assert [entry["outcome"] for entry in server.requests] == script[0][1]
    assert html.headers["Content-Type"].startswith("text/html") and "<html>" in html.text
    assert "error" in error.json() and "choices" not in error.json()
    assert nochoices.json()["choices"] == []
    assert text_of(empty) == ""
    assert length.json()["choices"][0]["finish_reason"] == "length"
    assert text_of(good).startswith(text_of(length))
    assert "SCORE" not in text_of(refuse) and "<" not in text_of(refuse)


@pytest.mark.parametrize("kind", ["drop", "late_drop"])
def test_dropped_connection_is_an_error_at_the_client_and_the_next_call_works(kind):
    with OfflineServer(script={"Moat": [kind]}) as server:
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            post(server)
        assert text_of(post(server))
        assert [entry["outcome"] for entry in server.requests] == [kind, "ok"]
        assert list(server.answered().values()) == [1]


def test_hanging_call_ends_when_the_client_leaves():
    with OfflineServer(faults="hang:1") as server:
        with pytest.raises(requests.Timeout):
            requests.post(f"{server.url}/chat/completions", json={"model": "m", "messages": MESSAGES}, timeout=(5, 0.2))
        wait_for(lambda: server.outcomes() == {"hang": 1})


def test_client_that_leaves_before_the_answer_counts_as_lost():
    with OfflineServer(latency=0.5) as server:
        with pytest.raises(requests.Timeout):
            requests.post(f"{server.url}/chat/completions", json={"model": "m", "messages": MESSAGES}, timeout=(5, 0.1))
        assert server.requests[0]["outcome"] is None
        wait_for(lambda: server.outcomes() == {"lost": 1})
        assert not server.answered()


def test_stop_frees_waiting_clients_and_the_port():
    server = OfflineServer(latency=60).start()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(post, server)
        wait_for(lambda: server.requests)
        server.stop()
        with pytest.raises(requests.ConnectionError):
            call.result(timeout=10)
    with pytest.raises(requests.ConnectionError):
        post(server)


@pytest.mark.slow
def test_faults_come_at_their_rates_and_again_with_the_same_seed():
    outcomes = []
    for seed in (1, 1, 2):
        with OfflineServer(faults="429:0.3,500:0.2", seed=seed) as server, requests.Session() as session:
            for _ in range(200):
                post(server, session=session, messages=[{"role": "user", "content": "SCORE"}])
            outcomes.append([entry["outcome"] for entry in server.requests])
    assert outcomes[0] == outcomes[1] != outcomes[2]
    assert 40 <= outcomes[0].count("429") <= 80
    assert 22 <= outcomes[0].count("500") <= 60


def test_script_is_chosen_by_prompt_or_model_and_used_up_in_order():
    with OfflineServer(script=[("judge-c", ["503"]), ("Moat", ["429", "ok", "500"])]) as server:
        codes = [post(server).status_code for _ in range(4)]
        other = [{"role": "user", "content": "elsewhere"}]
        assert [post(server, "sim-judge-c", messages=other).status_code for _ in range(2)] == [503, 200]
    assert codes == [429, 200, 500, 200]


def test_wrong_key_is_refused_and_no_key_reaches_the_log(tmp_path):
    log = tmp_path / "log.jsonl"
    with OfflineServer(require_key="sk-right", log_path=log) as server:
        assert post(server).status_code == 401
        assert post(server, headers={"Authorization": "Bearer sk-wrong"}).status_code == 401
        assert post(server, headers={"Authorization": "Bearer sk-right"}).status_code == 200
        assert [entry["authorization"] for entry in server.requests] == [False, True, True]
        assert [entry["outcome"] for entry in server.requests] == ["401", "401", "ok"]
        assert "sk-" not in repr(server.requests) + log.read_text("utf-8")


def test_log_shows_open_calls_to_another_process(tmp_path):
    log = tmp_path / "log.jsonl"
    with OfflineServer(script=[("Moat", ["ok", "hang"])], log_path=log) as server:
        post(server, temperature=0.7)
        with pytest.raises(requests.Timeout):
            requests.post(
                f"{server.url}/chat/completions", json={"model": "m", "messages": MESSAGES}, timeout=(5, 0.05)
            )
        lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [(line["event"], line["number"]) for line in lines[:3]] == [
        ("received", 1),
        ("answered", 1),
        ("received", 2),
    ]
    assert lines[0]["parameters"] == {"model": "sim-writer-a", "seed": 5, "temperature": 0.7}
    assert lines[0]["messages_sha256"] == lines[2]["messages_sha256"] == offline.messages_sha256(MESSAGES)
    assert lines[1]["outcome"] == "ok"
    assert lines[1]["answered_at"] >= lines[0]["received_at"]


def test_answers_have_a_cost_only_when_configured():
    with OfflineServer() as server:
        assert "cost" not in post(server).json()["usage"]
    with OfflineServer(usd_per_call=0.25) as server:
        assert post(server).json()["usage"]["cost"] == 0.25
    with OfflineServer(usd_per_mtok=(2.0, 10.0)) as server:
        usage = post(server).json()["usage"]
    assert usage["cost"] == pytest.approx((2 * usage["prompt_tokens"] + 10 * usage["completion_tokens"]) / 1e6)


def test_served_model_can_differ_from_the_one_asked_for():
    with OfflineServer(serve_as="cheaper-model") as server:
        assert post(server).json()["model"] == "cheaper-model"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model": "m"}', b'{"model": "m", "messages": []}', b"\xff"])
def test_malformed_requests_get_400(body):
    with OfflineServer() as server:
        response = requests.post(f"{server.url}/chat/completions", data=body, timeout=20)
    assert response.status_code == 400
    assert response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("430:0.1", "unknown fault '430'"),
        ("htlm:0.1", "did you mean 'html'"),
        ("429", "no probability"),
        ("429:2", "no probability"),
        ("429:nan", "no probability"),
        ("429:0.6,500:0.6", "more than 1"),
    ],
)
def test_wrong_faults_are_explained(text, message):
    with pytest.raises(DayDreamError, match=message):
        parse_faults(text)


def test_taken_port_is_a_readable_error():
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(DayDreamError, match="cannot listen on"),
    ):
        OfflineServer(port=taken.getsockname()[1])


def test_command_prints_its_url_serves_and_ends_on_sigterm(tmp_path):
    code = (
        "import argparse, sys; from workflow_lib.offline.command import add_arguments, run\n"
        "parser = argparse.ArgumentParser(); add_arguments(parser); sys.exit(run(parser.parse_args()))"
    )
    log = tmp_path / "log.jsonl"
    options = ["--faults", "429:0.0", "--latency", "0.01", "--usd-per-mtok", "1,2", "--log", str(log)]
    with subprocess.Popen(
        [sys.executable, "-c", code, *options], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        line = process.stdout.readline()
        url = re.fullmatch(r"Offline models at (http://127\.0\.0\.1:[0-9]+/v1)\n", line)[1]
        response = requests.post(
            f"{url}/chat/completions",
            json={"model": "sim-writer-b", "messages": MESSAGES, "seed": 3},
            timeout=20,
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert text_of(response) == offline.complete("sim-writer-b", MESSAGES, 3).text
    assert response.json()["usage"]["cost"] > 0
    assert len(log.read_text("utf-8").splitlines()) == 2


@pytest.mark.parametrize("option", ["--latency=-1", "--usd-per-mtok=3", "--retry-after=inf", "--port=x"])
def test_command_refuses_senseless_options(option, capsys):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args([option])
    assert ended.value.code == 2
    assert option.split("=")[0] in capsys.readouterr().err


def test_answers_are_counted_right_under_concurrency():
    with OfflineServer(faults="500:0.3") as server:
        good = []

        def worker() -> None:
            with requests.Session() as session:
                good.extend(post(server, session=session, seed=n).ok for n in range(25))

        threads = [threading.Thread(target=worker) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.requests) == 200
        assert sum(server.answered().values()) == sum(good)
        assert [entry["number"] for entry in server.requests] == list(range(1, 201))
