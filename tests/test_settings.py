"""Settings: `--config` over environment over config.yaml over defaults; a mistake is reported with key and remedy."""

import re
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

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
    assert load(tmp_path).data_root == "data"
    assert load(tmp_path, config=config).cohort == "from-file"
    assert load(tmp_path, config=config, environment=environment).cohort == "from-env"
    full = load(tmp_path, {"cohort": "given"}, environment, config)
    assert (full.cohort, full.data_root, full.k_max) == ("given", "env-root", 3)


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
    assert plain.stage("draft").model_dump() == {
        "temperature": 0.7,
        "max_tokens": 20480,
        "min_lines": 3,
        "allow_truncated": False,
        "extra": {},
    }
    assert plain.stage("essay").min_lines == 0
    assert plain.stage("evaluation").temperature == 0.1
    llm = plain.llm
    assert (llm.max_tries, llm.connect_timeout_s, llm.read_timeout_s, llm.backoff_s) == (6, 20, 600, 1)
    assert (llm.answer_timeout_s, llm.max_answer_mb) == (1800, 64)
    assert "I cannot" in llm.refusal_phrases
    assert plain.ids.model_dump() == {"scope": "content", "essay_model": "auto"}
    assert plain.pools["free"].model_dump() == {"max_concurrent": 1, "calls_per_minute": 1}
    assert plain.endpoints["openrouter"].api_key_env == "OPENROUTER_API_KEY"
    assert not plain.results.accept_edited
    assert not plain.results.accept_other_models
    assert plain.max_generations == 20000
    assert plain.budget_usd is None


def test_nested_settings_are_merged_and_pools_replaced(tmp_path):
    config = "stages: {draft: {max_tokens: 100}}\npools: {free: {max_concurrent: 2}}\n"
    merged = load(tmp_path, {"stages": {"draft": {"temperature": 0}}}, config=config)
    draft = merged.stage("draft")
    assert (draft.temperature, draft.max_tokens, draft.min_lines) == (0, 100, 3)
    assert merged.stage("evaluation").temperature == 0.1
    assert merged.pools["free"] == settings_module.PoolSettings(max_concurrent=2)
    assert merged.pools["paid"] == settings_module.PoolSettings(max_concurrent=64)


def test_an_endpoint_keeps_its_defaults_beside_what_is_set(tmp_path):
    config = "endpoints: {openrouter: {headers: {X-Title: T}}, home: {base_url: 'http://localhost:1/v1'}}\n"
    found = load(tmp_path, config=config).endpoints
    assert found["openrouter"].base_url == "https://openrouter.ai/api/v1"
    assert found["openrouter"].headers == {"X-Title": "T"}
    assert found["home"] == settings_module.EndpointSettings(base_url="http://localhost:1/v1")


def test_without_a_config_file_the_projects_own_counts(tmp_path):
    shipped = yaml.safe_load((settings_module.PROJECT / "config" / "config.yaml").read_text())
    assert settings_module.load({}, tmp_path, {}).cohort == shipped["cohort"]


def test_paths_get_one_name(tmp_path):
    found = load(tmp_path, {"data_root": "./x/../data/", "templates_root": "t/./u/"})
    assert str(found.data.root) == "data"
    assert str(found.data.templates_root) == "t/u"


def test_several_cohorts_are_split(tmp_path):
    assert load(tmp_path, {"cohort": "a, b,,c "}).cohorts == ["a", "b", "c"]
    assert load(tmp_path).cohorts == []


@pytest.mark.parametrize(("value", "shown"), [(7, "int 7"), (202401, "int 202401"), (1.5, "float"), (True, "bool")])
def test_the_error_for_a_cohort_read_as_a_number_says_how_to_quote_it(tmp_path, value, shown):
    error = refusal(tmp_path, {"cohort": value})
    assert shown in error.message
    assert "--config 'cohort=!!str NAME'" in error.hint


def test_the_error_for_a_numeric_cohort_in_the_file_says_to_quote_it(tmp_path):
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
        ({"ids": {"scope": "cohrt"}}, ["ids.scope: 'cohrt' should be 'content' or 'cohort'"]),
        ({"stages": {"drafts": {}}}, ["unknown setting 'stages.drafts'", "did you mean 'draft'?"]),
        ({"stages": {"draft": {"max_tokens": 0}}}, ["stages.draft.max_tokens: 0 should be greater than or equal to 1"]),
        ({"k_max": "three"}, ["k_max: 'three' should be a valid integer"]),
        ({"budget_usd": -1}, ["budget_usd: -1 should be greater than or equal to 0"]),
        (
            {"pools": {"free": {"max_concurrent": 0}}},
            ["pools.free.max_concurrent: 0 should be greater than or equal to 1"],
        ),
        ({"pools": {"a b": {}}}, ["pools.a b: 'a b' should match pattern"]),
        (
            {"endpoints": {"x": {"base_url": "localhost:1"}}},
            ["endpoints.x.base_url", "begins with http:// or https://"],
        ),
        ({"endpoints": {"x": {"api_key": "s"}}}, ["unknown setting 'endpoints.x.api_key'", "api_key_env"]),
        ({"shard": "0/3"}, ["shard: '0/3' should match pattern"]),
        ({"shard": "4/3"}, ["shard: there is no slice 4 of 3", "1/3 to 3/3"]),
        ({"fresh": "essays"}, ["fresh: unknown stage 'essays'", "draft, essay, evaluation"]),
        (
            {"template_filter": {"draft": "x*"}},
            ["template_filter.draft: 'x*' should be a valid list", "Shell patterns"],
        ),
        ({"partial": "yes please"}, ["partial: 'yes please' should be a valid boolean"]),
        (
            {"template_filter": {"drafts": ["x*"]}},
            ["unknown setting 'template_filter.drafts'", "did you mean 'draft'?"],
        ),
        ({"template_filter": {"draft": ["x*", 7]}}, ["template_filter.draft.1: 7 should be a valid string"]),
        ({"llm": 5}, ["llm: 5 should be a valid mapping"]),
        ({"fresh": 5}, ["fresh: 5 should be a valid boolean", "stages such as `essay,draft`"]),
        ({"budget_usd": float("nan")}, ["budget_usd: nan should be a finite number"]),
        ({"budget_per_model": {"m": "much"}}, ["budget_per_model.m: 'much' should be a valid number"]),
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
def test_yaml_that_cannot_be_read_is_reported_with_file_and_line(tmp_path, config):
    message = refusal(tmp_path, config=config).message
    assert re.search(r"config\.yaml: line [12] column \d+: not valid YAML", message)


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
    def described(model: type[BaseModel], place: str) -> None:
        for key, field in model.model_fields.items():
            assert field.description, f"{place}{key}"
            for kind in (field.annotation, *get_args(field.annotation)):
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    described(kind, f"{place}{key}.")

    described(settings_module.Settings, "")


def test_a_misspelt_key_in_our_own_code_is_an_error_and_never_none(tmp_path):
    plain = load(tmp_path)
    for owner, key in ((plain, "accept_failure"), (plain.results, "allow_list"), (plain.llm, "max_trys")):
        with pytest.raises(AttributeError, match=key):
            getattr(owner, key)


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ("cohort: a\nbatch: 3\ncohort: b\n", "config.yaml: line 3: the key 'cohort' is given twice (first in line 1)"),
        (
            "llm:\n  max_tries: 1\n  max_tries: 2\n",
            "config.yaml: line 3: the key 'max_tries' is given twice (first in line 2)",
        ),
    ],
)
def test_a_key_given_twice_is_refused_with_both_lines(tmp_path, config, place):
    assert place in refusal(tmp_path, config=config).message


def test_numbers_and_truth_values_of_the_command_line_may_be_text(tmp_path):
    given = {
        "partial": "true",
        "auto": "False",
        "fresh": "true",
        "k_max": "3",
        "budget_usd": "1.5",
        "budget_per_model": {"m": "2"},
        "stages": {
            "draft": {"max_tokens": "9", "temperature": "0.2", "allow_truncated": "true"},
            "essay": {"extra": {"top_p": "0.9", "seed": "3", "stop": ["END"], "reasoning": {"exclude": "true"}}},
        },
        "pools": {"paid": {"max_concurrent": "8"}},
    }
    found = load(tmp_path, given)
    assert (found.partial, found.auto, found.fresh, found.k_max) == (True, False, True, 3)
    assert (found.budget_usd, found.budget_per_model) == (1.5, {"m": 2.0})
    draft = found.stage("draft")
    assert (draft.max_tokens, draft.temperature, draft.allow_truncated) == (9, 0.2, True)
    assert found.pools["paid"].max_concurrent == 8
    # nothing says which types the fields of a request have: they are read as YAML would read them
    extra = {"top_p": 0.9, "seed": 3, "stop": ["END"], "reasoning": {"exclude": True}}
    assert found.stage("essay").extra == extra
    quoted = load(tmp_path, {"batch": 1}, config="stages: {essay: {extra: {user: '7'}}}\n")
    assert quoted.stage("essay").extra == {"user": "7"}


@pytest.mark.parametrize("config", ["k_max: '3'\n", "partial: 'true'\n", "batch: true\n", "cohort: 7\n", "k: 2.5\n"])
def test_the_file_has_the_types_that_it_says(tmp_path, config):
    assert "config.yaml: " + config.split(":")[0] in refusal(tmp_path, config=config).message


def test_a_key_with_a_dollar_in_dotenv_stays_as_it_is(tmp_path):
    found = load(tmp_path, dotenv="HOME_KEY=a${PATH}b # comment\n")
    assert found.environment["HOME_KEY"] == "a${PATH}b"
