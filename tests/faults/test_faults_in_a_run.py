"""The same under real Snakemake: one run in which every draft meets another attack."""

import json

import pytest

from tests.faults import trial
from tests.faults.attacks import ATTACKS
from tests.faults.server import GOOD, FaultServer
from tests.project import Project
from tests.tiny_root import bytes_of

pytestmark = pytest.mark.slow

PASSWORD, TOKEN = "pa55word-in-a-url", "t0ken-in-a-url"
SPEC = """
combos:
  concepts: [default-mode-network, combinatorial-creativity, data-flywheel, economic-moat, flywheel-effect,
    economic-innovation-models]
  k: 2
axes:
  draft_template: [analytical-memo-v2]
  draft_llm: [gpt-oss-120b]
output: {field_order: [combo_id, draft_template, draft_llm]}
"""
SCRIPTS = [
    ["dropped after the request", GOOD],
    ["no choices, with a cost"],
    ["event stream", GOOD],
    ["gzip bomb"],
    ["key for a chunk length"],
    ["key in an unusable body"],
    ["redirect to http://[::1"],
    ["400 digits in usage"],
    ["content nested 450 deep"],
    ["key in headers"],
    ["key in model"],
    ["finish_reason content_filter"],
    ["Retry-After in the year 10^20"],
    ["no choices, cost is NaN"],
    [GOOD],
]


@pytest.mark.full
@pytest.mark.parametrize("mode", [(), ("batch=4",)], ids=["plain", "batch"])
def test_a_run_keeps_or_lists_what_was_billed(tmp_path, mode):
    project = Project(tmp_path, spec=SPEC)
    project.configure("llm: {backoff_s: 0.01, max_tries: 3, max_answer_mb: 1}\n")
    scripts: dict[str, list[str]] = {}

    def script_of(prompt: str) -> list[str]:
        if prompt not in scripts:
            scripts[prompt] = SCRIPTS[len(scripts)]
        return scripts[prompt]

    with FaultServer(ATTACKS, script_of) as server:
        address = server.url.replace("//", f"//me:{PASSWORD}@") + f"?token={TOKEN}"
        environment = {"DD_LLM_BASE_URL": address, "OPENROUTER_API_KEY": trial.KEY}
        config = ("--config", *mode, "--") if mode else ()
        output = project.snakemake("--cores", "4", *config, "drafts", code=1, env=environment)
    status = json.loads(project.daydream("status", "--json", code=1))
    assert "Traceback" not in output
    for secret in (trial.KEY, PASSWORD, TOKEN):
        assert secret not in output + json.dumps(status)
        assert [name for name, content in bytes_of(tmp_path).items() if secret.encode() in content] == []
    answers = [json.loads(path.read_text()) for path in project.files("attempts/0001.json")]
    assert len(scripts) == len(SCRIPTS)
    good = [prompt for prompt, script in scripts.items() if ATTACKS[script[-1]].ends == "answer"]
    assert {answer["request"]["messages"][0]["content"] for answer in answers} == set(good)
    parsed = [prompt for prompt in good if not ATTACKS[scripts[prompt][-1]].parse]
    assert len(project.files("parsed.txt")) == len(parsed)
    assert len(server.billed()) == len(answers) + len(status["maybe_billed"])
    ends = [ATTACKS[script[-1]] for script in SCRIPTS]
    assert {one["reason"] for one in status["failures"]} == {end.parse or end.ends for end in ends} - {"answer"}
