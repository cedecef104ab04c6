"""What a run needs before it hands jobs to a cluster."""

import pytest

from tests import small_cohort
from workflow_lib import cohorts, runs
from workflow_lib import settings as settings_module
from workflow_lib.calls import Caller
from workflow_lib.errors import ConfigError
from workflow_lib.settings import Settings

KEY = "sk-or-v1-0123456789abcdef"
SPEC = small_cohort.TWO_BY_TWO.replace("sim-writer-a", "gpt-6-luna")


def with_key(folder, environment: dict[str, str]) -> Settings:
    small_cohort.make_project(folder, SPEC)
    return settings_module.load({"data_root": str(folder / "data")}, folder, environment)


def test_generations_are_made_in_chunks_on_a_cluster(tmp_path):
    settings = settings_module.load({"batch": 0}, tmp_path, {})
    with pytest.raises(ConfigError, match="made in chunks") as caught:
        runs.require_chunks(settings)
    assert "batch=200" in str(caught.value)
    runs.require_chunks(settings_module.load({"batch": 1}, tmp_path, {}))


def test_a_key_must_be_in_a_file_that_jobs_can_read_and_others_cannot(tmp_path):
    settings = with_key(tmp_path, {"OPENROUTER_API_KEY": KEY})
    membership = cohorts.load_membership(settings, small_cohort.COHORT)
    caller, file = Caller(settings), tmp_path / ".env"

    def require(stage: str) -> None:
        runs.require_keys_on_file(caller, membership.stage(stage), file)

    for content in (None, "OTHER=x\n", "OPENROUTER_API_KEY=sk-or-v1-another\n"):
        if content:
            file.write_text(content)
        with pytest.raises(ConfigError) as caught:
            require("draft")
        assert "the key in OPENROUTER_API_KEY is not in" in str(caught.value) and KEY not in str(caught.value)
        # judged by offline models
        require("evaluation")
    file.write_text(f"OPENROUTER_API_KEY={KEY}\n")
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="others may read it"):
        require("draft")
    file.chmod(0o600)
    require("draft")


def test_what_is_copied_needs_no_key(tmp_path):
    settings = with_key(tmp_path, {"OPENROUTER_API_KEY": KEY})
    essays = cohorts.load_membership(settings, small_cohort.COHORT).stage("essay")
    copies = [entry for entry in essays if entry.template_id == "copy-v1"]
    assert len(copies) == 2
    runs.require_keys_on_file(Caller(settings), copies, tmp_path / ".env")


def test_keys_of_all_endpoints_leave_the_environment(tmp_path):
    settings = settings_module.load(
        {"endpoints": {"own": {"base_url": "http://x", "api_key_env": "OWN_KEY"}}}, tmp_path, {}
    )
    environment = {"OPENROUTER_API_KEY": KEY, "OWN_KEY": KEY, "HOME": "/home/me"}
    runs.forget_keys(settings, environment)
    assert environment == {"HOME": "/home/me"}
