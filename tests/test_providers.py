"""A provider is one module and one row; the example of docs/architecture.md is added as it stands there."""

import importlib.util
import json
import re
import sys

import pytest

from tests.project import SOURCE
from tests.scripted_server import ScriptedServer
from tests.test_caller import World
from workflow_lib.calls import providers
from workflow_lib.calls.replies import CallError

PACKAGE = "workflow_lib.calls.providers"


@pytest.fixture
def anthropic(monkeypatch):
    """The example's module and row, for a host of this machine."""
    text = (SOURCE / "docs" / "architecture.md").read_text().partition("## Adding a provider")[2]
    source, row = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[:2]
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(f"{PACKAGE}.anthropic", None))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source, "docs/architecture.md", "exec"), module.__dict__)
    local = row.replace("api.anthropic.com", "127.0.0.1")
    rows = eval(f"{{{local}}}", {"Provider": providers.Provider, "anthropic": module})
    for name, provider in rows.items():
        monkeypatch.setitem(providers.PROVIDERS, name, provider)


def answered(**content) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, json.dumps({"id": "msg_1", "model": "vendor/writer", **content}).encode()


def test_the_example_buys_an_answer(anthropic, tmp_path):
    parts = [{"type": "text", "text": "one\ntwo\n"}, {"type": "text", "text": "three"}]
    usage = {"input_tokens": 100, "output_tokens": 10}
    reply = answered(content=parts, stop_reason="end_turn", usage=usage)
    with ScriptedServer((529, {}, b""), reply) as server:
        world = World(tmp_path, server)
        assert world.buy(world.first) == "one\ntwo\nthree"
    path, headers, body = server.requests[1]
    assert (path, headers["x-api-key"], body["model"]) == ("/v1/messages", "sk-123456", "vendor/writer")
    assert "Authorization" not in headers
    attempt = world.journal(world.first).newest_answer()
    assert (attempt["finish_reason"], attempt["tries"], attempt["generation_id"]) == ("stop", 2, "msg_1")
    assert attempt["cost_usd"] == pytest.approx(100 * 1e-6 + 10 * 10e-6)


def test_odd_figures_cost_the_example_no_answer(anthropic, tmp_path):
    with ScriptedServer(answered(content=[{"type": "text", "text": "one\ntwo"}], usage="many")) as server:
        world = World(tmp_path, server)
        assert world.buy(world.first) == "one\ntwo"
    assert len(server.requests) == 1


def test_the_example_shares_what_follows_from_errors(anthropic, tmp_path):
    with ScriptedServer(answered(note="sk-123456")) as server:
        world = World(tmp_path, server)
        with pytest.raises(CallError, match="200 without an answer in it"):
            world.buy(world.first)
    assert len(server.requests) == 2
    assert [one["maybe_billed"] for one in world.tries(world.first)] == [True, True]
    assert "sk-123456" not in json.dumps(world.tries(world.first))


def test_every_host_belongs_to_one_provider():
    hosts = [host for provider in providers.PROVIDERS.values() for host in provider.hosts]
    assert len(hosts) == len(set(hosts))
    assert providers.name_for(None) == "offline"
    assert providers.name_for("http://[::1/v1") == "openai-compatible"
