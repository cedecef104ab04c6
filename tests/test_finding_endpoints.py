"""Which server and key a call of an endpoint goes to: by settings, environment and .env."""

import pytest

from tests import tiny_root
from workflow_lib.calls import endpoints
from workflow_lib.calls.endpoints import Endpoint
from workflow_lib.errors import ConfigError


def found(tmp_path, name: str = "openrouter", environment: dict | None = None, **config) -> Endpoint:
    return endpoints.find(tiny_root.settings_module.load(config, tmp_path, environment or {}), name)


def test_openrouter_needs_its_key_and_says_which(tmp_path):
    with pytest.raises(ConfigError, match="OPENROUTER_API_KEY is not set") as caught:
        found(tmp_path)
    assert "export OPENROUTER_API_KEY=" in caught.value.hint
    chosen = found(tmp_path, environment={"OPENROUTER_API_KEY": " sk-1\n"})
    assert (chosen.base_url, chosen.key) == ("https://openrouter.ai/api/v1", "sk-1")


def test_a_key_may_stand_in_dotenv(tmp_path):
    (tmp_path / ".env").write_text("OPENROUTER_API_KEY=sk-2\n")
    assert found(tmp_path).key == "sk-2"


def test_one_url_for_all_takes_the_key_along_and_does_not_need_it(tmp_path):
    all_to = {"DD_LLM_BASE_URL": "http://gateway/v1"}
    assert (found(tmp_path, environment=all_to).base_url, found(tmp_path, environment=all_to).key) == (
        "http://gateway/v1",
        None,
    )
    assert found(tmp_path, environment=all_to | {"OPENROUTER_API_KEY": "sk"}).key == "sk"
    assert found(tmp_path, "offline", all_to).base_url is None


def test_offline_models_go_where_their_own_variable_says(tmp_path):
    assert found(tmp_path, "offline").base_url is None
    assert found(tmp_path, "offline", {"DD_OFFLINE_BASE_URL": "http://s/v1"}).base_url == "http://s/v1"
    configured = {"offline": {"base_url": "http://c/v1"}}
    assert found(tmp_path, "offline", endpoints=configured).base_url == "http://c/v1"
    assert found(tmp_path, "offline", {"DD_OFFLINE_BASE_URL": "http://s/v1"}, endpoints=configured).base_url == (
        "http://s/v1"
    )


def test_other_endpoints_need_no_key_unless_one_is_set(tmp_path):
    config = {"home": {"base_url": "http://h/v1"}, "work": {"base_url": "http://w/v1", "api_key_env": "WORK_KEY"}}
    assert found(tmp_path, "home", {"OPENROUTER_API_KEY": "sk"}, endpoints=config).key is None
    with pytest.raises(ConfigError, match="WORK_KEY is not set"):
        found(tmp_path, "work", endpoints=config)
    assert found(tmp_path, "work", {"WORK_KEY": "k"}, endpoints=config).key == "k"


def test_an_endpoint_that_is_not_configured_is_reported(tmp_path):
    with pytest.raises(ConfigError, match=r"endpoint 'openruter' is not configured") as caught:
        found(tmp_path, "openruter")
    assert "did you mean 'openrouter'?" in caught.value.hint


def test_an_endpoint_without_a_url_is_reported(tmp_path):
    with pytest.raises(ConfigError, match="endpoint 'home' has no base_url"):
        found(tmp_path, "home", endpoints={"home": {"headers": {"A": "b"}}})


def test_a_provider_is_chosen_by_the_host(tmp_path):
    def chosen(environment=(), **config):
        return found(tmp_path, "openrouter", {"OPENROUTER_API_KEY": "sk"} | dict(environment), **config).provider

    assert chosen() == "openrouter"
    assert chosen({"DD_LLM_BASE_URL": "http://127.0.0.1:1/v1"}) == "openai-compatible"
    assert found(tmp_path, "offline").provider == "offline"
    assert found(tmp_path, "offline", {"DD_OFFLINE_BASE_URL": "http://s/v1"}).provider == "openai-compatible"
    hosts = {"https://eu.openrouter.ai/api/v1": "openrouter", "https://notopenrouter.ai/v1": "openai-compatible"}
    for url, provider in hosts.items():
        assert found(tmp_path, "x", endpoints={"x": {"base_url": url}}).provider == provider
