"""daydream models and daydream ping: what may be asked, what it costs, and whether it answers."""

import json
from pathlib import Path

import pytest

from tests import tiny_root
from tests.scripted_server import ScriptedServer, completion
from workflow_lib import catalogs, cli
from workflow_lib.catalogs import prices
from workflow_lib.inspect import models
from workflow_lib.offline.server import OfflineServer

COLUMNS = "id,model,provider,endpoint,for_generation,for_evaluation,input_usd_per_mtok,output_usd_per_mtok,temperature"
LUNA = prices.find("openrouter", "openai/gpt-6-luna")


@pytest.fixture
def root(tmp_path: Path, monkeypatch):
    for name in ("DD_LLM_BASE_URL", "DD_OFFLINE_BASE_URL", "DAYDREAMING_DATA_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-123456")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(root: Path, *rows: str) -> Path:
    settings = tiny_root.make(root, llm_models="\n".join([COLUMNS, *rows, ""]))
    return settings.data.catalog("llm_models")


def as_json(capsys, *arguments: str, code: int = 0):
    assert cli.main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def said(capsys, *arguments: str, code: int = 0) -> str:
    assert cli.main(list(arguments)) == code
    captured = capsys.readouterr()
    return " ".join((captured.out + captured.err).split())


# what there is


def test_the_list_shows_the_price_of_each_row_and_where_it_comes_from(root, capsys):
    table(root, "luna,openai/gpt-6-luna,,,,,,,1", "own,org/own,,openrouter,,,2,10,", "what,org/what,,,,,,,")
    luna, own, what = as_json(capsys, "models")
    assert (luna["input_usd_per_mtok"], luna["price_source"]) == (LUNA.price.input, prices.source())
    assert luna["batch_output_usd_per_mtok"] == LUNA.batch_price.output and luna["batch_estimated"] is False
    assert [tier["above_tokens"] for tier in luna["tiers"]] == [rates.above for rates in LUNA.price.tiers]
    assert luna["parameters"] == {"temperature": 1.0}
    assert (own["output_usd_per_mtok"], own["price_source"]) == (10.0, "llm_models.csv")
    assert (own["batch_output_usd_per_mtok"], own["batch_estimated"]) == (5.0, True)
    assert what["price_source"] is what["input_usd_per_mtok"] is what["batch_estimated"] is None
    shown = said(capsys, "models")
    assert "luna" in shown and prices.source() in shown and "1 price not known." in shown


def test_search_lists_what_the_package_knows(root, capsys):
    table(root)
    found = as_json(capsys, "models", "--search", "gpt-6 LUNA")
    assert "openai/gpt-6-luna" in [one["model"] for one in found]
    assert all("luna" in one["model"] and ":batch" not in one["model"] for one in found)
    luna = next(one for one in found if one["model"] == "openai/gpt-6-luna")
    assert luna["context_tokens"] == LUNA.context_tokens and luna["output_usd_per_mtok"] == LUNA.price.output
    assert luna["batch_input_usd_per_mtok"] == LUNA.batch_price.input
    assert as_json(capsys, "models", "--search", "gpt-5", "--endpoint", "openai")[0]["model"] == "gpt-5"
    assert "knows no model of openrouter with 'unheard-of'" in said(capsys, "models", "--search", "unheard-of", code=1)
    assert "knows no provider 'ollama'" in said(capsys, "models", "--search", "x", "--endpoint", "ollama", code=2)


def test_compare_shows_which_prices_of_the_table_to_clear(root, capsys):
    same = f"same,openai/gpt-6-luna,,,,,{LUNA.price.input},{LUNA.price.output},"
    off = f"off,openai/gpt-6-luna,,,,,{LUNA.price.input * 2},{LUNA.price.output / 4},"
    table(root, same, "unknown,org/what,,,,,2,10,", "sim,sim-writer-a,,offline,,,0,0,", "none,openai/gpt-5,,,,,,,")
    first, second = as_json(capsys, "models", "--compare")
    assert (first["id"], first["ratio"], first["advice"]) == ("same", [1.0, 1.0], models.REMOVE)
    assert (second["id"], second["package"], second["advice"]) == ("unknown", None, models.KEEP)
    table(root, off)
    (one,) = as_json(capsys, "models", "--compare", code=1)
    assert one["ratio"] == pytest.approx([2.0, 0.25]) and one["differs"] and one["advice"] == models.DIFFERS
    assert "look the price up" in said(capsys, "models", "--compare", code=1)
    table(root)
    assert "No row of a hosted model" in said(capsys, "models", "--compare")


# adding


@pytest.mark.parametrize(
    "before",
    [
        b"id,model,endpoint\nold,org/old,openrouter\n",
        b"id,model,endpoint\nold,org/old,openrouter",
        b'\xef\xbb\xbfmodel,"notes",id\r\norg/old,"said ""no"", twice", old \r\n',
        b'id,mine,model,provider,for_evaluation,for_generation\n"old",  ,org/old,"a\nb",yes,1\n\n',
    ],
    ids=["plain", "no line break at the end", "byte order mark, CRLF and quotes", "own columns and a blank line"],
)
def test_an_added_row_leaves_every_byte_of_the_table_as_it_is(root, capsys, before):
    path = table(root)
    path.write_bytes(before)
    said(capsys, "models", "--add", "openai/gpt-6-luna", "--id", "luna")
    after = path.read_bytes()
    assert after.startswith(before) and after.count(b"\r\n") == after.count(b"\n") * (b"\r\n" in before)
    found = catalogs.load(tiny_root.load(root).data).models
    assert list(found) == ["old", "luna"]
    assert (found["luna"].model, found["luna"].endpoint) == ("openai/gpt-6-luna", "openrouter")
    assert prices.price(found["luna"]).source == prices.source()
    if b"for_generation" in before:
        assert not found["luna"].for_generation and not found["luna"].for_evaluation


def test_what_cannot_be_added_is_refused_and_changes_nothing(root, capsys):
    path = table(root, "luna,org/old,,,,,,,")
    before = path.read_bytes()
    for words, *arguments in (
        ("has a model 'luna' already", "openai/gpt-6-luna", "--id", "luna"),
        ("did you mean 'openai/gpt-6-luna'?", "openai/gpt-6-lunar"),
        ("'../x' cannot be an id", "openai/gpt-6-luna", "--id", "../x"),
        ("endpoint 'openruter' is not configured did", "openai/gpt-6-luna", "--endpoint", "openruter"),
    ):
        assert words.replace(" did", "") in said(capsys, "models", "--add", *arguments, code=2)
        assert path.read_bytes() == before
    path.write_text("id,model\nold,org/old\n")
    (root / "config").mkdir()
    (root / "config" / "config.yaml").write_text("endpoints: {ollama: {base_url: 'http://localhost:1/v1'}}\n")
    assert "no column 'endpoint'" in said(capsys, "models", "--add", "x", "--endpoint", "ollama", code=2)
    assert "--id goes with --add" in said(capsys, "models", "--id", "x", code=2)


def test_a_model_of_a_server_of_ones_own_is_added_without_a_price(root, capsys):
    path = table(root)
    (root / "config").mkdir()
    (root / "config" / "config.yaml").write_text("endpoints: {ollama: {base_url: 'http://localhost:1/v1'}}\n")
    shown = said(capsys, "models", "--add", "llama3.3:70b", "--endpoint", "ollama")
    assert "added llama3.3-70b" in shown and "Its price is not known" in shown
    assert path.read_text().splitlines()[-1] == "llama3.3-70b,llama3.3:70b,ollama,ollama,false,false,,,"


# asking


PRICED = "luna,openai/gpt-6-luna,,,,,,,1"


def ping(capsys, url: str, monkeypatch, *arguments: str, code: int = 0):
    monkeypatch.setenv("DD_LLM_BASE_URL", url)
    return as_json(capsys, "ping", *arguments, code=code)


def test_a_ping_is_one_small_request_and_leaves_nothing_in_the_store(root, capsys, monkeypatch):
    table(root, PRICED)
    usage = {"prompt_tokens": 12, "completion_tokens": 2}
    with ScriptedServer(completion(" pong\n", usage=usage, model="openai/gpt-6-luna-20260901")) as server:
        (one,) = ping(capsys, server.url, monkeypatch, "luna")
    ((_, headers, body),) = server.requests
    assert headers["Authorization"] == "Bearer sk-or-123456"
    assert (body["model"], body["temperature"], len(body["messages"])) == ("openai/gpt-6-luna", 1, 1)
    assert body["max_tokens"] <= 32 and len(body["messages"][0]["content"]) < 100
    assert (one["ok"], one["answer"], one["key"]) == (True, "pong", "OPENROUTER_API_KEY")
    assert (one["served_model"], one["served_other_model"]) == ("openai/gpt-6-luna-20260901", False)
    assert one["cost_usd"] == pytest.approx(LUNA.price.usd(12, 2)) and one["price_source"] == prices.source()
    assert one["seconds"] > 0 and one["error"] is None
    assert not (root / "data" / "gens").exists()
    assert not list((root / "data").rglob("ledger.jsonl"))


def test_an_endpoints_own_figure_counts_and_another_model_is_reported(root, capsys, monkeypatch):
    table(root, PRICED)
    with ScriptedServer(completion("pong", usage={"cost": 0.25}, model="org/cheaper")) as server:
        monkeypatch.setenv("DD_LLM_BASE_URL", server.url)
        shown = said(capsys, "ping", "luna")
    assert "0.250000" in shown and "endpoint" in shown
    assert "luna: asked for openai/gpt-6-luna, and org/cheaper answered" in shown


@pytest.mark.parametrize(
    ("status", "words", "hint"),
    [(401, "401", "OPENROUTER_API_KEY"), (402, "402", "buy credits"), (404, "404", "column `model`"), (500, "500", "")],
)
def test_a_failed_ping_is_not_repeated_and_says_what_to_do(root, capsys, monkeypatch, status, words, hint):
    table(root, PRICED, "fine,org/fine,,,,,,,")
    with OfflineServer(faults=f"{status}:1.0") as server:
        one, _ = ping(capsys, server.url, monkeypatch, "luna", "fine", code=1)
        assert len(server.requests) == 2
    assert not one["ok"] and words in one["error"] and hint in one["remedy"]
    assert one["cost_usd"] is None and not one["maybe_billed"]


def test_a_missing_key_is_reported_and_sends_nothing(root, capsys, monkeypatch):
    table(root, PRICED, "sim,sim-judge-a,,offline,,,0,0,")
    monkeypatch.delenv("OPENROUTER_API_KEY")
    hosted, offline = as_json(capsys, "ping", "luna", "sim", code=1)
    assert "OPENROUTER_API_KEY is not set" in hosted["error"] and hosted["seconds"] is None
    assert (offline["ok"], offline["cost_usd"]) == (True, 0.0)


def test_many_calls_need_a_yes_and_their_price_is_said_before(root, capsys, monkeypatch):
    table(root, *(f"m{number},openai/gpt-6-luna,,,,,,,1" for number in range(4)), "what,org/what,,,,,,,")
    with OfflineServer() as server:
        monkeypatch.setenv("DD_LLM_BASE_URL", server.url)
        refused = said(capsys, "ping", code=2)
        assert "5 calls for at most 0.0001 USD, and 1 model whose price is not known." in refused
        assert "no call was made" in refused and server.requests == []
        assert len(as_json(capsys, "ping", "m0", "m1", "m2", "m1")) == 3
        assert len(server.requests) == 3
        assert len(as_json(capsys, "ping", "--yes")) == 5
        assert len(server.requests) == 8
    assert "has no model 'm9'" in said(capsys, "ping", "m9", code=2)


def test_a_ping_waits_for_a_slot_of_its_pool(root, capsys, monkeypatch):
    table(root, *(f"m{number},openai/gpt-6-luna,,,,,,,1" for number in range(3)))
    (root / "config").mkdir()
    (root / "config" / "config.yaml").write_text("pools: {paid: {max_concurrent: 1}}\n")
    with OfflineServer(latency=0.05) as server:
        ping(capsys, server.url, monkeypatch)
        assert [request["in_flight"] for request in server.requests] == [1, 1, 1]
