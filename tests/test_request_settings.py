"""What a model's row adds to a request: it makes another level of an axis, and an edit makes answers stale."""

import json

import pytest

from tests import tiny_root
from tests.project import Project, read_csv
from tests.scripted_server import ScriptedServer, completion
from workflow_lib import generations, ids
from workflow_lib.calls import Caller
from workflow_lib.errors import CatalogError, TemplateError
from workflow_lib.files import write_text
from workflow_lib.generations.state import States
from workflow_lib.inspect import planning, scope
from workflow_lib.runs.run import Run

ANSWER = "One line.\nAnother.\nSCORE: 7"
HEAD = "id,model,endpoint,temperature,max_tokens,reasoning_effort,system_prompt,input_usd_per_mtok,output_usd_per_mtok"
ROWS = {
    "wa": "wa,org/one,home,,,,,1,2",
    "wb": "wb,org/one,home,0.2,500,high,careful,1,2",
    "ja": "ja,org/one,home,,,,,1,2",
    "jb": "jb,org/one,home,,,,,1,2",
}
SPEC = tiny_root.SPEC.replace("draft_llm: [wa]", "draft_llm: [wa, wb]")


class World:
    """Two rows with one model name, one of them with everything that a row can add to a request."""

    def __init__(self, folder, **rows: str):
        self.folder = folder
        tiny_root.make(folder, llm_models="\n".join([HEAD, *{**ROWS, **rows}.values()]) + "\n")
        self.settings = self.load()
        self.careful = self.settings.data.system_prompt("careful")
        write_text(self.careful, "\nThink of the costs.\n\n")
        tiny_root.declare(self.settings, SPEC)
        self.members = tiny_root.expand(self.settings).membership
        self.plain, self.other = self.members.stage("draft")

    def load(self, url="http://127.0.0.1:1/v1", **config):
        return tiny_root.load(self.folder, endpoints={"home": {"base_url": url}}, **config)

    def bought(self, *entries, **config):
        """Buy some generations; returns the bodies of the requests."""
        with ScriptedServer(completion(ANSWER, model="org/one")) as server:
            caller = Caller(self.load(server.url, **config))
            for entry in entries:
                generations.buy(caller, entry, lambda line: None)
        return [body for _, _, body in server.requests]

    def files(self, entry):
        return self.settings.data.generation(entry.stage, entry.gen_id)

    def reasons(self, entry):
        return States(self.settings).of(entry).stale_reasons


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_a_row_says_what_its_requests_hold(world):
    plain, other = world.bought(world.plain, world.other)
    prompt = world.files(world.plain).prompt.read_text()
    assert plain == {
        "model": "org/one",
        "messages": [{"role": "user", "content": prompt}],
        "temperature": 0.7,
        "max_tokens": 20480,
    }
    assert other == {
        "model": "org/one",
        "messages": [{"role": "system", "content": "Think of the costs."}, {"role": "user", "content": prompt}],
        "temperature": 0.2,
        "max_tokens": 500,
        "reasoning_effort": "high",
    }
    assert not world.files(world.plain).system.exists()
    assert world.files(world.other).system.read_text() == "Think of the costs."
    assert world.files(world.other).prompt.read_text() == prompt


def test_the_row_says_more_than_the_stage(world):
    extra = {"stages": {"draft": {"extra": {"reasoning_effort": "low", "top_p": 0.5}}}}
    plain, other = world.bought(world.plain, world.other, **extra)
    assert (plain["reasoning_effort"], other["reasoning_effort"]) == ("low", "high")
    assert (plain["top_p"], other["top_p"]) == (0.5, 0.5)


def test_an_edited_row_or_system_prompt_makes_its_answers_stale_and_no_others(world):
    world.bought(world.plain, world.other)
    assert (world.reasons(world.plain), world.reasons(world.other)) == ((), ())
    # an editor's line break at the end is no other message
    write_text(world.careful, "Think of the costs.")
    assert world.reasons(world.other) == ()
    write_text(world.careful, "Think of the gains.")
    assert (world.reasons(world.plain), world.reasons(world.other)) == ((), ("parameters",))
    table = world.settings.data.catalog("llm_models")
    for row in (
        ROWS["wb"].replace("careful", ""),
        ROWS["wb"].replace("high", "low"),
        ROWS["wb"].replace("0.2", "0.3"),
    ):
        write_text(world.careful, "Think of the costs.")
        table.write_text(f"{HEAD}\n{ROWS['wa']}\n{row}\n")
        assert (world.reasons(world.plain), world.reasons(world.other)) == ((), ("parameters",))
    table.write_text(f"{HEAD}\n{ROWS['wa']}\n{ROWS['wb'].replace('500', '600')}\n")
    assert world.reasons(world.other) == ()


def test_an_added_system_prompt_makes_answers_without_one_stale(world):
    world.bought(world.plain)
    table = world.settings.data.catalog("llm_models")
    table.write_text(f"{HEAD}\nwa,org/one,home,,,,careful,1,2\n")
    assert world.reasons(world.plain) == ("parameters",)
    # nothing of it is missing: no system message was sent
    assert not generations.lacks_files(world.settings, world.plain)


def test_the_system_message_beside_an_answer_follows_the_answer(world):
    world.bought(world.other)
    files = world.files(world.other)
    files.system.unlink()
    assert generations.lacks_files(world.settings, world.other)
    generations.parse(world.settings, world.other)
    assert files.system.read_text() == "Think of the costs."
    assert not generations.lacks_files(world.settings, world.other)
    table = world.settings.data.catalog("llm_models")
    table.write_text(f"{HEAD}\n{ROWS['wb'].replace('careful', '')}\n")
    with ScriptedServer(completion(ANSWER)) as server:
        generations.buy(Caller(world.load(server.url)), world.other, lambda line: None, "again")
    assert [message["role"] for message in server.requests[0][2]["messages"]] == ["user"]
    assert not files.system.exists()


def test_a_system_prompt_is_among_the_texts_that_tables_follow(world):
    assert world.careful in Run(world.load(cohort="one")).texts_behind("one")
    world.careful.unlink()
    assert world.careful not in Run(world.load(cohort="one")).texts_behind("one")


def test_a_copy_has_no_system_message(world):
    world.bought(world.other)
    generations.parse(world.settings, world.other)
    copy = next(entry for entry in world.members.stage("essay") if entry.template_id == "copied" and
                entry.parent_gen_id == world.other.gen_id)  # fmt: skip
    assert world.bought(copy) == []
    generations.parse(world.settings, copy)
    assert not world.files(copy).system.exists()
    assert not generations.lacks_files(world.settings, copy)


def test_a_plan_counts_the_system_message(world):
    def of_draft(model_id):
        planner = planning.Planner(world.settings, scope.declared(world.load(cohort="one")))
        return planner.plan().stages["draft"][model_id]

    before = of_draft("wb")
    # 4 characters a token, and a byte a token at most, at 1 USD per million
    write_text(world.careful, "x" * 4019)
    after = of_draft("wb")
    assert after.prompt_tokens - before.prompt_tokens == pytest.approx(1000, abs=1)
    assert after.cost_ceiling_usd - before.cost_ceiling_usd == pytest.approx(4000e-6)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "no such system prompt file"),
        (lambda path: path.write_text(" \n"), "the system prompt is empty"),
    ],
)
def test_without_its_system_prompt_a_model_is_not_asked(world, spoil, said):
    spoil(world.careful)
    with pytest.raises(TemplateError, match=said):
        world.bought(world.other)
    failure = States(world.settings).of(world.other).failure
    assert failure is not None and str(world.careful) in failure.message
    assert world.bought(world.plain)


@pytest.mark.parametrize("name", ["../careful", "a/b", ".hidden"])
def test_a_system_prompt_lies_in_its_folder(tmp_path, name):
    settings = tiny_root.make(tmp_path, llm_models=f"{HEAD}\nwa,org/one,home,,,,{name},1,2\n")
    with pytest.raises(CatalogError, match="line 2, column system_prompt"):
        generations.request_for(settings, None, Caller(settings).model("wa"), "")


def test_the_name_may_have_its_ending(tmp_path):
    world = World(tmp_path, wb=ROWS["wb"].replace("careful", "careful.txt"))
    assert world.bought(world.other)[0]["messages"][0]["content"] == "Think of the costs."


AXIS = """
combos: {concepts: [default-mode-network, combinatorial-creativity], k: 2}
axes:
  draft_template: [analytical-memo-v2]
  draft_llm: [warm, careful]
  draft_replicate: [1]
  essay_template: [copy-v1]
  evaluation_template: [novelty]
  evaluation_llm: [judge]
  evaluation_replicate: [1]
output:
  field_order: [combo_id, draft_template, draft_llm, essay_template, evaluation_template, evaluation_llm]
"""
MODELS = """id,model,temperature,system_prompt
warm,org/one,1,
careful,org/one,0.2,careful
judge,org/one,,
"""


@pytest.mark.slow
def test_two_rows_of_one_model_are_two_levels_of_an_axis(tmp_path):
    project = Project(tmp_path, AXIS)
    write_text(project.data / "1_raw" / "llm_models.csv", MODELS)
    careful = project.data / "1_raw" / "templates" / "system" / "careful.txt"
    write_text(careful, "Think of the costs.\n")
    with ScriptedServer(completion(ANSWER, model="org/one")) as server:
        env = {"DD_LLM_BASE_URL": server.url}
        project.snakemake("--cores", "2", env=env)
        asked = [body for _, _, body in server.requests if "SCORE:" not in body["messages"][-1]["content"]]
        assert len(server.requests) == 4
        assert {body["model"] for body in asked} == {"org/one"}
        sent = {body["temperature"]: [message["role"] for message in body["messages"]] for body in asked}
        assert sent == {1.0: ["user"], 0.2: ["system", "user"]}
        drafts = {row["llm_model_id"]: row for row in project.members("draft")}
        for model_id, row in drafts.items():
            assert row["gen_id"] == ids.draft_id(row["combo_id"], "analytical-memo-v2", model_id, 1)
        means = read_csv(project.cohort_folder / "reports" / "summary" / "final_results.csv")
        levels = [row["generation_model"] for row in means if row["analysis_type"] == "by_generation_model"]
        assert levels == ["careful", "warm"]

        write_text(careful, "Think of the gains.\n")
        project.snakemake("--cores", "2", env=env)
        assert len(server.requests) == 4
    [stale] = json.loads(project.daydream("status", "--json"))["stale"]
    assert stale == drafts["careful"]["gen_id"]
    marked = {row["generation_model"]: row["stale_lineage"] for row in project.scores()}
    assert marked == {"careful": "true", "warm": "false"}
