"""Settings: `--config` over environment over config.yaml over defaults; a slip is told with key and way out."""

import pytest
import yaml

from workflow_lib import settings as settings_module
from workflow_lib.errors import ConfigError


def load(folder, overrides=None, environment=None, config=None, dotenv=None):
    """Return the settings of a run in a folder with this config.yaml (default: an empty one) and .env."""
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "config.yaml").write_text(config or "")
    if dotenv is not None:
        (folder / ".env").write_text(dotenv)
    return settings_module.load(overrides, folder, environment or {})


def refusal(folder, overrides=None, **parts) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(folder, overrides, **parts)
    assert caught.value.hint
    return caught.value


def test_config_wins_over_environment_over_file_over_default(tmp_path):
    config = "cohort: from-file\ndata_root: file-root\nk_max: 3\n"
    environment = {"DD_COHORT": "from-env", "DAYDREAMING_DATA_ROOT": "env-root"}
    assert load(tmp_path)["data_root"] == "data"
    assert load(tmp_path, config=config)["cohort"] == "from-file"
    assert load(tmp_path, config=config, environment=environment)["cohort"] == "from-env"
    full = load(tmp_path, {"cohort": "given"}, environment, config)
    assert (full["cohort"], full["data_root"], full["k_max"]) == ("given", "env-root", 3)


def test_dotenv_stands_below_the_environment(tmp_path):
    dotenv = (
        "# comment\nDD_COHORT=dotenv\nexport GEN_TEMPLATES_ROOT='my templates'\nnonsense\nOPENROUTER_API_KEY=\"k\"\n"
    )
    plain = load(tmp_path, dotenv=dotenv, config="cohort: file\n")
    assert plain.cohorts == ["dotenv"]
    assert str(plain.data.templates_root) == "my templates"
    assert plain.environment["OPENROUTER_API_KEY"] == "k"
    assert load(tmp_path, dotenv=dotenv, environment={"DD_COHORT": "env"}).cohorts == ["env"]


def test_an_empty_variable_does_not_count(tmp_path):
    assert load(tmp_path, environment={"DD_COHORT": ""}, config="cohort: file\n").cohorts == ["file"]


def test_defaults_are_those_of_the_schema(tmp_path):
    plain = load(tmp_path)
    assert plain.stage("draft") == {
        "temperature": 0.7,
        "max_tokens": 20480,
        "min_lines": 3,
        "allow_truncated": False,
        "extra": {},
    }
    assert plain.stage("essay")["min_lines"] == 0
    assert plain.stage("evaluation")["temperature"] == 0.1
    assert plain["llm"] == {"max_tries": 6, "connect_timeout_s": 20, "read_timeout_s": 600, "backoff_s": 1}
    assert plain["ids"] == {"scope": "content", "essay_model": "auto"}
    assert plain["pools"]["free"] == {"max_concurrent": 1, "calls_per_minute": 1}
    assert plain["endpoints"]["openrouter"]["api_key_env"] == "OPENROUTER_API_KEY"
    assert plain["max_generations"] == 20000
    assert plain["budget_usd"] is None


def test_nested_settings_are_merged_and_pools_replaced(tmp_path):
    config = "stages: {draft: {max_tokens: 100}}\npools: {free: {max_concurrent: 2}}\n"
    merged = load(tmp_path, {"stages": {"draft": {"temperature": 0}}}, config=config)
    assert merged.stage("draft") == {
        "temperature": 0,
        "max_tokens": 100,
        "min_lines": 3,
        "allow_truncated": False,
        "extra": {},
    }
    assert merged["pools"]["free"] == {"max_concurrent": 2}
    assert merged["pools"]["paid"] == {"max_concurrent": 64}


def test_an_endpoint_keeps_its_defaults_beside_what_is_set(tmp_path):
    config = "endpoints: {openrouter: {headers: {X-Title: T}}, home: {base_url: 'http://localhost:1/v1'}}\n"
    found = load(tmp_path, config=config)["endpoints"]
    assert found["openrouter"]["base_url"] == "https://openrouter.ai/api/v1"
    assert found["openrouter"]["headers"] == {"X-Title": "T"}
    assert found["home"] == {"base_url": "http://localhost:1/v1"}


def test_without_a_config_file_the_projects_own_counts(tmp_path):
    shipped = yaml.safe_load((settings_module.PROJECT / "config" / "config.yaml").read_text())
    assert settings_module.load({}, tmp_path, {})["cohort"] == shipped["cohort"]


def test_paths_get_one_name(tmp_path):
    found = load(tmp_path, {"data_root": "./x/../data/", "templates_root": "t/./u/"})
    assert str(found.data.root) == "data"
    assert str(found.data.templates_root) == "t/u"


def test_several_cohorts_are_split(tmp_path):
    assert load(tmp_path, {"cohort": "a, b,,c "}).cohorts == ["a", "b", "c"]
    assert load(tmp_path).cohorts == []


@pytest.mark.parametrize(("value", "shown"), [(7, "int 7"), (202401, "int 202401"), (1.5, "float"), (True, "bool")])
def test_a_cohort_read_as_a_number_is_told_how_to_be_quoted(tmp_path, value, shown):
    error = refusal(tmp_path, {"cohort": value})
    assert shown in error.message
    assert "--config 'cohort=!!str 007'" in error.hint


def test_a_numeric_cohort_in_the_file_is_told_to_be_quoted(tmp_path):
    error = refusal(tmp_path, config="cohort: 007\n")
    assert "config.yaml: cohort" in error.message
    assert "quote" in str(error)


def test_numeric_names_as_text_are_fine(tmp_path):
    assert load(tmp_path, {"cohort": "007"}).cohorts == ["007"]
    assert load(tmp_path, environment={"DD_COHORT": "2024_01"}).cohorts == ["2024_01"]


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", "-x", "a b", "ä", "a..b"])
def test_a_cohort_that_is_no_safe_name_is_refused(tmp_path, name):
    assert f"'{name}' cannot be a cohort's name" in refusal(tmp_path, {"cohort": name}).message


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cohrt": "x"}, ["--config: unknown setting 'cohrt'", "did you mean 'cohort'?"]),
        ({"ids": {"scop": "cohort"}}, ["unknown setting 'ids.scop'", "did you mean 'scope'?"]),
        ({"ids": {"scope": "cohrt"}}, ["ids.scope: 'cohrt' is not one of ['content', 'cohort']"]),
        ({"stages": {"drafts": {}}}, ["unknown setting 'stages.drafts'", "did you mean 'draft'?"]),
        ({"stages": {"draft": {"max_tokens": 0}}}, ["stages.draft.max_tokens: 0 is less than the minimum of 1"]),
        ({"k_max": "three"}, ["k_max: 'three' is not of type 'integer'"]),
        ({"budget_usd": -1}, ["budget_usd: -1 is less than the minimum of 0"]),
        ({"pools": {"free": {"max_concurrent": 0}}}, ["pools.free.max_concurrent: 0 is less than the minimum of 1"]),
        ({"pools": {"a b": {}}}, ["pools: 'a b' does not match"]),
        ({"endpoints": {"x": {"base_url": "localhost:1"}}}, ["endpoints.x.base_url", "^https?://"]),
        ({"endpoints": {"x": {"api_key": "s"}}}, ["unknown setting 'endpoints.x.api_key'", "api_key_env"]),
        ({"shard": "0/3"}, ["shard: '0/3' does not match"]),
        ({"shard": "4/3"}, ["shard: there is no slice 4 of 3", "1/3 to 3/3"]),
        ({"fresh": "essays"}, ["fresh: unknown stage 'essays'", "draft, essay, evaluation"]),
        ({"template_filter": {"draft": "x*"}}, ["template_filter.draft: 'x*' is not of type 'array'"]),
        ({"partial": "yes please"}, ["partial: 'yes please' is not of type 'boolean'"]),
    ],
)
def test_mistakes_name_key_value_and_way_out(tmp_path, given, words):
    message = str(refusal(tmp_path, given))
    for word in words:
        assert word in message


def test_mistakes_in_the_file_name_the_file(tmp_path):
    assert "config/config.yaml: unknown setting 'cohrt'" in refusal(tmp_path, config="cohrt: x\n").message


@pytest.mark.parametrize("config", ["1: x\n", "true: x\n", "pools: {1: {max_concurrent: 1}, a: {bad: 1}}\n"])
def test_keys_that_are_no_text_are_refused_and_do_not_crash(tmp_path, config):
    assert "unknown setting" in refusal(tmp_path, config=config).message


@pytest.mark.parametrize("config", ["cohort: [open\n", "a: b: c\n", "\tx: 1\n"])
def test_yaml_that_cannot_be_read_is_told_with_file_and_line(tmp_path, config):
    message = refusal(tmp_path, config=config).message
    assert "config.yaml: not valid YAML" in message
    assert "line 1" in message or "line 2" in message


def test_a_config_that_is_a_list_is_refused(tmp_path):
    assert "must be a mapping" in refusal(tmp_path, config="- cohort\n").message


def test_yaml_cannot_make_objects(tmp_path):
    assert "not valid YAML" in refusal(tmp_path, config="cohort: !!python/object/apply:os.getcwd []\n").message


def test_a_config_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_bytes(b"notes: caf\xe9\n")
    with pytest.raises(ConfigError, match=r"config\.yaml: not valid YAML|config\.yaml: not UTF-8"):
        settings_module.load({}, tmp_path, {})


def test_a_config_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "config" / "config.yaml").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"config\.yaml: cannot be read"):
        settings_module.load({}, tmp_path, {})


def test_a_dotenv_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / ".env").write_bytes(b"KEY=caf\xe9\n")
    with pytest.raises(ConfigError, match=r"\.env: not UTF-8"):
        settings_module.load({}, tmp_path, {})


def test_fresh_names_stages_or_all(tmp_path):
    assert not load(tmp_path).is_fresh("draft")
    assert load(tmp_path, {"fresh": True}).is_fresh("evaluation")
    some = load(tmp_path, {"fresh": "essay, draft"})
    assert [some.is_fresh(stage) for stage in ("draft", "essay", "evaluation")] == [True, True, False]


def test_every_key_has_a_description():
    def described(schema: dict, place: str) -> None:
        for key, part in schema.get("properties", {}).items():
            part = part | settings_module._schema()["$defs"].get(part.get("$ref", "/").rsplit("/", 1)[1], {})
            if "properties" not in part or part.get("description"):
                assert part.get("description"), f"{place}.{key}"
            described(part, f"{place}.{key}")

    described(settings_module._schema(), "")
