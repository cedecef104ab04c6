"""Every way in which a call can end has a name, and a key goes nowhere but into its header."""

import email.utils
import json
import re
import socket
import time
from dataclasses import replace

import pytest

from tests import tiny_root
from tests.scripted_server import ScriptedServer, completion
from workflow_lib import redaction
from workflow_lib.calls import endpoints
from workflow_lib.calls.endpoints import CallError, Endpoint, Limits, send
from workflow_lib.calls.retries import Again
from workflow_lib.errors import ConfigError
from workflow_lib.offline.behaviour import STATUSES
from workflow_lib.offline.server import OfflineServer

REQUEST = {"model": "sim-writer-a", "messages": [{"role": "user", "content": "### Moat\n\nWrite."}], "max_tokens": 50}
LIMITS = Limits(connect_s=5, read_s=5, answer_s=60, max_bytes=1_000_000)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path):
    """No proxy and no .netrc of this machine; sessions are made anew, as a new process would."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)


def endpoint(url: str, key: str | None = None, headers: tuple = (), key_env: str = "MY_KEY") -> Endpoint:
    return Endpoint("home", url, key, key_env, headers)


def tried_again(error: CallError) -> bool:
    return error.rule.again is not Again.NEVER


def failure(url: str, read_s: float = 5, **others) -> CallError:
    with pytest.raises(CallError) as caught:
        send(endpoint(url, **others), REQUEST, replace(LIMITS, read_s=read_s))
    error = caught.value
    assert error.remedy and error.hint == error.remedy
    assert url in error.message
    assert "\n" not in error.message
    return error


def failure_of(*replies, **others) -> CallError:
    with ScriptedServer(*replies) as server:
        return failure(server.url, **others)


# answers


def test_a_good_answer_is_read_in_full():
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "cost": 0.01}
    with ScriptedServer(completion(" Hé \n", usage=usage)) as server:
        reply = send(endpoint(server.url + "/"), REQUEST, LIMITS)
    assert reply.answer == " Hé \n"
    assert reply.usage == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    assert (reply.cost_usd, reply.finish_reason, reply.reasoning) == (0.01, "stop", None)
    assert (reply.served_model, reply.generation_id) == ("org/served", "gen-1")
    path, headers, body = server.requests[0]
    assert (path, body) == ("/v1/chat/completions", REQUEST)
    assert headers["Content-Type"] == "application/json"


def test_http_and_in_process_give_the_same_answer():
    request = {**REQUEST, "seed": 7, "max_tokens": 400}
    with OfflineServer() as server:
        over_http = send(endpoint(server.url), request, LIMITS)
    inside = send(Endpoint("offline", None, None, "", provider="offline"), request, LIMITS)
    assert over_http.answer == inside.answer and inside.answer
    assert (over_http.usage, over_http.finish_reason) == (inside.usage, inside.finish_reason)


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        (None, None),
        ([], None),
        ({"prompt_tokens": "3"}, None),
        ({"prompt_tokens": 3}, {"prompt_tokens": 3}),
        ({"prompt_tokens": -1, "completion_tokens": True}, None),
        (
            {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 9},
            {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 9},
        ),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 4}},
            {"prompt_tokens": 9, "cached_tokens": 5, "cache_write_tokens": 4},
        ),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 5}, {"prompt_tokens": 9, "cached_tokens": 5}),
        # a part that cannot be right costs only itself
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 10}}, {"prompt_tokens": 9}),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": -1}}, {"prompt_tokens": 9}),
        ({"prompt_tokens": 9, "prompt_tokens_details": [5]}, {"prompt_tokens": 9}),
        ({"prompt_tokens_details": {"cached_tokens": 5}}, None),
    ],
)
def test_strange_usage_is_unknown_usage(usage, read):
    with ScriptedServer(completion(usage=usage)) as server:
        assert send(endpoint(server.url), REQUEST, LIMITS).usage == read


@pytest.mark.parametrize("cost", [None, "0.1", -1, True, float("nan"), float("inf")])
def test_a_strange_cost_is_an_unknown_cost(cost):
    with ScriptedServer(completion(usage={"prompt_tokens": 1, "cost": cost})) as server:
        assert send(endpoint(server.url), REQUEST, LIMITS).cost_usd is None


def test_an_empty_answer_is_an_answer():
    with OfflineServer(faults="empty:1") as server:
        assert send(endpoint(server.url), REQUEST, LIMITS).answer == ""


def test_a_cut_answer_says_so():
    with OfflineServer(faults="length:1") as server:
        assert send(endpoint(server.url), REQUEST, LIMITS).finish_reason == "length"


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_is_read_under_either_name(name):
    content = {"choices": [{"message": {"content": "A", name: "hm"}}]}
    with ScriptedServer((200, {}, json.dumps(content).encode())) as server:
        assert send(endpoint(server.url), REQUEST, LIMITS).reasoning == "hm"


# statuses

RETRIED = {408: "timeout", 409: "conflict", 425: "too_early", 429: "rate_limited"}
RETRIED |= dict.fromkeys((500, 502, 503), "server_error")
FINAL = {400: "bad_request", 401: "unauthorized", 402: "no_credits", 403: "forbidden", 404: "unknown_model"}


def test_every_status_that_the_server_knows_is_in_this_test():
    assert {*RETRIED, *FINAL} == set(STATUSES)


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_a_status_is_retried_or_not_and_shown_in_the_endpoints_words(status):
    with OfflineServer(faults=f"{status}:1") as server:
        error = failure(server.url)
    assert error.reason == (RETRIED | FINAL)[status]
    assert tried_again(error) is (status in RETRIED)
    assert not error.maybe_billed
    assert str(status) in error.message and STATUSES[status].split(",")[0] in error.message


@pytest.mark.parametrize(
    ("status", "retried"),
    [(501, True), (502, True), (529, True), (599, True), (413, False), (422, False), (418, False), (204, False)],
)
def test_other_statuses(status, retried):
    error = failure_of((status, {}, b"" if status == 204 else b"words"))
    assert tried_again(error) is retried
    assert error.reason == ("server_error" if retried else "unexpected_status")


@pytest.mark.parametrize(
    ("status", "word"),
    [(400, "context"), (401, "MY_KEY"), (402, "credits"), (403, "MY_KEY"), (404, "llm_models.csv")],
)
def test_what_is_final_says_what_to_do(status, word):
    assert word in failure_of((status, {}, b"{}")).remedy


def test_without_a_configured_variable_the_setting_is_named():
    assert "endpoints.home.api_key_env" in failure_of((401, {}, b""), key_env="").remedy


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7),
        ("0.5", 0.5, 0.5),
        (email.utils.formatdate(time.time() + 3600, usegmt=True), 2400, 3601),
        (email.utils.formatdate(time.time() - 3600, usegmt=True), 0, 0),
        ("-5", 0, 0),
    ],
    ids=["seconds", "fraction", "date", "past", "negative"],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_read_as_seconds_or_date(status, header, low, high):
    retry_after = failure_of((status, {"Retry-After": header}, b"")).retry_after
    assert low <= retry_after <= high


@pytest.mark.parametrize("header", ["soon", "", "inf", "nan", "Fri, 99 Foo 2026", "1e400"])
def test_a_retry_after_that_is_neither_does_not_count(header):
    assert failure_of((429, {"Retry-After": header}, b"")).retry_after is None


def test_the_servers_own_retry_after_is_read():
    with OfflineServer(faults="429:1", retry_after=2.5) as server:
        assert failure(server.url).retry_after == 2.5


# answers that are none


@pytest.mark.parametrize(
    ("fault", "reason"), [("error200", "error_in_answer"), ("nochoices", "no_choices"), ("html", "not_json")]
)
def test_a_200_that_is_no_answer_is_retried(fault, reason):
    with OfflineServer(faults=f"{fault}:1") as server:
        error = failure(server.url)
    assert (error.reason, tried_again(error), error.maybe_billed) == (reason, True, True)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"\xff\xfe\x00", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"null", "no_choices"),
        (b"[]", "no_choices"),
        (b'"text"', "no_choices"),
        (b"{}", "no_choices"),
        (b'{"choices": null}', "no_choices"),
        (b'{"choices": [null]}', "no_choices"),
        (b'{"choices": [{}]}', "no_choices"),
        (b'{"choices": [{"message": "A"}]}', "no_choices"),
        (b'{"error": "boom", "choices": [{"message": {"content": "A"}}]}', "error_in_answer"),
        (b'{"choices": [{"error": {"code": 502}, "message": {"content": ""}}]}', "error_in_answer"),
    ],
)
def test_bodies_of_a_200_that_hold_no_answer(body, reason):
    error = failure_of((200, {}, body))
    assert (error.reason, tried_again(error)) == (reason, True)


def test_words_of_an_endpoint_are_cut_and_cleaned():
    error = failure_of((400, {}, b"line\nline\x1b[31m\x00" + "é".encode() * 5000))
    assert len(error.message) < 500
    assert error.message.isprintable()


# connections


@pytest.mark.parametrize("fault", ["drop", "late_drop"])
def test_a_dropped_connection_may_have_been_billed(fault):
    with OfflineServer(faults=f"{fault}:1") as server:
        error = failure(server.url)
    assert (error.reason, tried_again(error), error.maybe_billed) == ("connection_lost", True, True)


def test_a_body_that_is_shorter_than_announced_is_no_answer():
    status, headers, body = completion("SCORE: 7")
    error = failure_of(
        (status, headers | {"Content-Length": str(len(body) + 9), "Connection": "close"}, body), read_s=1
    )
    assert (error.reason, error.maybe_billed) == ("connection_lost", True)


def test_no_answer_in_time_may_have_been_billed():
    with OfflineServer(faults="hang:1") as server:
        error = failure(server.url, read_s=0.3)
    assert (error.reason, tried_again(error), error.maybe_billed) == ("timeout", True, True)
    assert "0.3 s" in error.message


def test_a_port_where_nobody_listens_was_not_billed():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = failure(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
    assert (error.reason, tried_again(error), error.maybe_billed) == ("unreachable", True, False)


@pytest.mark.parametrize(
    "url", ["localhost:1/v1", "http:///v1", "http://127.0.0.1:99999/v1", "ftp://x/v1", "http://[::1/v1"]
)
def test_an_invalid_url_is_reported_and_not_tried_again(url):
    error = failure(url)
    assert (error.reason, tried_again(error)) == ("unreachable", False)


def test_a_name_that_does_not_exist_is_unreachable():
    error = failure("http://no-such-host.invalid/v1")
    assert (error.reason, error.maybe_billed) == ("unreachable", False)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status):
    with ScriptedServer(completion()) as target:
        error = failure_of((status, {"Location": target.url + "/chat/completions"}, b""), key="secret")
    assert (error.reason, tried_again(error)) == ("unexpected_status", False)
    assert target.requests == []


def test_connections_are_kept_between_calls():
    with OfflineServer() as server:
        for _ in range(3):
            send(endpoint(server.url), REQUEST, LIMITS)
    assert len({request["client_port"] for request in server.requests}) == 1


# keys


def test_a_key_goes_into_the_authorization_header_and_nowhere_else():
    with ScriptedServer(completion()) as server:
        send(endpoint(server.url, "sk-secret", (("X-Title", "T"),)), REQUEST, LIMITS)
    path, headers, body = server.requests[0]
    assert headers["Authorization"] == "Bearer sk-secret"
    assert headers["X-Title"] == "T"
    rest = json.dumps([path, {key: value for key, value in headers.items() if key != "Authorization"}, body])
    assert "sk-secret" not in rest


def test_without_a_key_there_is_no_such_header():
    with ScriptedServer(completion()) as server:
        send(endpoint(server.url), REQUEST, LIMITS)
    assert "Authorization" not in server.requests[0][1]


@pytest.mark.parametrize("key", ["sk-secret", None])
def test_a_netrc_does_not_replace_the_key(tmp_path, monkeypatch, key):
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with ScriptedServer(completion()) as server:
        send(endpoint(server.url, key), REQUEST, LIMITS)
    assert server.requests[0][1].get("Authorization") == (f"Bearer {key}" if key else None)


def test_a_wrong_key_is_refused_and_the_variable_named():
    with OfflineServer(require_key="right") as server:
        error = failure(server.url, key="wrong-key-value")
        send(endpoint(server.url, "right"), REQUEST, LIMITS)
    assert (error.reason, tried_again(error)) == ("unauthorized", False)
    assert "MY_KEY" in error.remedy
    assert "wrong-key-value" not in str(error)


def test_a_key_that_the_endpoint_repeats_is_not_shown():
    for status in (200, 401, 500):
        error = failure_of((status, {}, b'{"error": "bad key sk-secret-1"}'), key="sk-secret-1")
        assert "bad key [key]" in error.message
        assert "sk-secret-1" not in str(error)


def test_a_key_is_in_no_representation():
    assert "sk-secret" not in repr(endpoint("http://x", "sk-secret")) + str(endpoint("http://x", "sk-secret"))


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk-caf\u00e9", "sk-abc\u2026", "sk abc # mine", "sk-\x00"])
def test_a_key_that_cannot_be_sent_is_refused_by_name_and_not_shown(tmp_path, key):
    settings = tiny_root.settings_module.load({}, tmp_path, {"OPENROUTER_API_KEY": key})
    with pytest.raises(ConfigError, match="OPENROUTER_API_KEY") as caught:
        endpoints.find(settings, "openrouter")
    assert "sk" not in str(caught.value)


# proxies


def test_a_proxy_of_the_environment_is_used(monkeypatch):
    with ScriptedServer(completion("by proxy")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        assert send(endpoint("http://models.invalid/v1"), REQUEST, LIMITS).answer == "by proxy"
    assert proxy.requests[0][0] == "http://models.invalid/v1/chat/completions"


def test_a_proxy_that_is_not_there_is_unreachable_and_its_password_is_not_shown(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://user:pa55word@127.0.0.1:9")
    error = failure("http://models.invalid/v1")
    assert (error.reason, error.maybe_billed) == ("unreachable", False)
    assert "pa55word" not in str(error)


def test_no_proxy_is_respected(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with ScriptedServer(completion("direct")) as server:
        assert send(endpoint(server.url), REQUEST, LIMITS).answer == "direct"


@pytest.mark.parametrize(("provider", "asked"), [("openrouter", {"include": True}), ("openai-compatible", None)])
def test_the_cost_is_asked_for_only_where_it_is_known(provider, asked):
    with ScriptedServer(completion(usage={"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.25})) as server:
        reply = send(Endpoint("home", server.url, None, "", provider=provider), {"model": "m", "messages": []}, LIMITS)
    assert reply.cost_usd == 0.25
    assert server.requests[0][2].get("usage") == asked


# limits


@pytest.mark.parametrize("status", [200, 400])
def test_a_body_without_end_is_cut_at_the_limit(status):
    def endless(handler):
        handler.send_response(status)
        handler.end_headers()
        handler.close_connection = True
        try:
            while True:
                handler.wfile.write(b" " * 65536)
        except OSError:
            handler.server.left = True

    with ScriptedServer(endless) as server:
        error = failure(server.url)
    assert error.reason == ("too_large" if status == 200 else "bad_request")
    assert status == 400 or (error.maybe_billed and "more than 1 MB" in error.message)


def test_an_answer_of_just_the_limit_is_read():
    status, headers, body = completion("x" * 100)
    with ScriptedServer((status, headers, body)) as server:
        limits = replace(LIMITS, max_bytes=len(body))
        assert len(send(endpoint(server.url), REQUEST, limits).answer) == 100
        with pytest.raises(CallError, match="llm.max_answer_mb"):
            send(endpoint(server.url), REQUEST, replace(limits, max_bytes=len(body) - 1))


def test_a_deadline_cuts_only_its_own_try():
    with OfflineServer(latency=0.5) as server:
        with pytest.raises(CallError) as caught:
            send(endpoint(server.url), REQUEST, replace(LIMITS, answer_s=0.1))
        assert (caught.value.reason, caught.value.maybe_billed) == ("timeout", True)
        assert "0.1 s (llm.answer_timeout_s)" in caught.value.message
        assert send(endpoint(server.url), REQUEST, LIMITS).answer


# addresses


def test_an_addresss_user_and_query_are_sent_and_not_shown():
    with ScriptedServer((500, {}, b"at http://me:pa55word@gateway/v1?token=s3cr3t1 and s3cr3t1")) as server:
        base = server.url.replace("//", "//me:pa55word@") + "?token=s3cr3t1"
        redaction.learn_address(base)
        with pytest.raises(CallError) as caught:
            send(endpoint(base), REQUEST, LIMITS)
    path, headers, _ = server.requests[0]
    assert path == "/v1/chat/completions?token=s3cr3t1"
    assert headers["Authorization"] == "Basic bWU6cGE1NXdvcmQ="
    assert not {"pa55word", "s3cr3t1", "bWU6"} & set(re.findall(r"\w+", str(caught.value) + repr(endpoint(base))))
    assert "500: at http://gateway/v1 and [key]" in caught.value.message
