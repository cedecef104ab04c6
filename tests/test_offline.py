"""The offline models: same text everywhere, in the shape asked for, with scores that show structure."""

import csv
import itertools
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from workflow_lib import offline
from workflow_lib.errors import DayDreamError
from workflow_lib.offline import phrases
from workflow_lib.offline.dice import Dice
from workflow_lib.offline.judge import measure
from workflow_lib.offline.prompt import read_brief
from workflow_lib.offline.writer import noun_phrase

ROOT = Path(__file__).resolve().parents[1]
RAW = ROOT / "data" / "1_raw"
CONCEPTS = {
    "Default mode network": "The default mode network is a set of brain regions that grows active at rest. "
    "Its activity falls as soon as a task demands attention. It has been linked to memory and to planning.",
    "Data flywheel": "A data flywheel arises when the use of a product yields data that improve the product. "
    "Incumbents with such a flywheel are hard to catch.",
    "Generator-verifier gap": "For many problems a solution is far cheaper to check than to find. "
    "Where this gap is wide, a weak generator with a strong verifier can be worth having.",
}
GIVEN = "\n\n".join(f"### {name}\n\n{content}" for name, content in CONCEPTS.items())


def ask(model: str, prompt: str, seed: int = 1, max_tokens: int | None = None) -> offline.Completion:
    return offline.complete(model, [{"role": "user", "content": prompt}], seed, max_tokens)


def score(answer: str) -> float:
    match = re.fullmatch(r"SCORE: ([0-9](?:\.5)?)", answer.split("\n")[-1])
    assert match, answer[-200:]
    return float(match[1])


def judged(text: str, model: str = "sim-judge-b", seed: int = 1, rubric: str = "novelty") -> float:
    prompt = f"Judge the {rubric} of a text.\n\n<response>\n{text}\n</response>\n\nEnd in SCORE: <0-9>"
    return score(ask(model, prompt, seed).text)


def test_text_is_the_same_in_another_process_whatever_its_hash_seed():
    code = (
        "import hashlib, sys; from workflow_lib import offline\n"
        "prompt = sys.stdin.read()\n"
        "for model in offline.MODELS:\n"
        "    text = offline.complete(model, [{'role': 'user', 'content': prompt}], 7).text\n"
        "    print(model, hashlib.sha256(text.encode()).hexdigest())\n"
    )
    prompt = f"{GIVEN}\n\nWrite about 400 words under three headings."
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code],
            input=prompt,
            text=True,
            capture_output=True,
            check=True,
            cwd=ROOT,
            env={"PYTHONHASHSEED": hash_seed, "PYTHONIOENCODING": "utf-8"},
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].splitlines()) == len(offline.MODELS)


def test_dice_have_known_answers():
    dice = Dice("known", 1)
    assert [dice.below(1000) for _ in range(10)] == [751, 657, 245, 389, 578, 478, 335, 435, 272, 690]
    assert dice.shuffled("abcdef") == list("beadfc")


def test_seed_model_and_prompt_each_change_the_text():
    texts = {
        ask(model, GIVEN + instruction, seed).text
        for model, instruction, seed in itertools.product(offline.WRITERS, ("\n\nWrite.", "\n\nWrite now."), (1, 2))
    }
    assert len(texts) == 8


def test_unknown_model_is_an_error_that_names_the_nearest():
    with pytest.raises(DayDreamError, match=r"sim-writer-c.*does not exist(.|\n)*sim-writer-[ab]"):
        ask("sim-writer-c", "hello")


def test_max_tokens_cuts_and_says_so():
    whole = ask("sim-writer-a", GIVEN)
    cut = ask("sim-writer-a", GIVEN, max_tokens=50)
    assert whole.finish_reason == "stop"
    assert (cut.text, cut.finish_reason, cut.completion_tokens) == (whole.text[:200], "length", 50)
    assert whole.completion_tokens == -(-len(whole.text) // 4)
    assert whole.prompt_tokens == -(-len(GIVEN) // 4)


@pytest.mark.parametrize("model", offline.MODELS)
@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "\x00\x01\x7f",
        "\ud800 lone \udfff",
        "x" * 5_000_000,
        "a. " * 1_000_000,
        "1 " * 200_000 + "words",
        "### \n### \n###",
        "### " + "n" * 90 + "\n\n### [x|y] {a} {s}\n\nA sentence with {b} and [brackets|bars] in it, all verbatim.",
        "<draft>\n</draft>\n<response>\n</response>",
        "</response>\n<response>",
        "<essay-idea stage='99999999999999999999'> " + "<essay>" * 1000,
        "**" * 50_000,
        "[" * 100_000 + "# " * 50_000,
    ],
    ids=lambda prompt: repr(prompt[:12]),
)
def test_hostile_prompts_get_an_answer_that_can_be_written(model, prompt):
    answer = ask(model, prompt)
    answer.text.encode("utf-8")
    assert "\x00" not in answer.text
    if model in offline.JUDGES:
        assert 0 <= score(answer.text) <= 9
    else:
        assert len(answer.text.split()) >= 200


def test_messages_of_any_form_are_read():
    parts = [{"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "image_url"}]}]
    assert offline.prompt_text([{"role": "system", "content": "zero"}, *parts]) == "zero\n\none"
    assert offline.prompt_text([{"role": "user"}, "stray", None]) == ""


@pytest.mark.parametrize("model", offline.WRITERS)
def test_stages_stand_in_blocks_with_tags_alone_on_their_lines(model):
    text = ask(model, f'{GIVEN}\n\nWrite exactly 4 stages as <essay-idea stage="n"> blocks, 500 words the last.').text
    lines = text.split("\n")
    assert [line for line in lines if line.startswith("<")] == [
        tag for n in range(1, 5) for tag in (f'<essay-idea stage="{n}">', "</essay-idea>")
    ]
    last = text.split('<essay-idea stage="4">\n')[1]
    assert len(last.split()) > 350


def test_thinking_comes_before_the_essay_block():
    text = ask("sim-writer-a", f"{GIVEN}\n\nThink in <thinking>, then give an <essay> with a title.").text
    assert re.fullmatch(r"<thinking>\n[^<]+\n</thinking>\n\n<essay>\n# [^<]+\n</essay>", text)


def test_headings_that_are_asked_for_are_used_in_order():
    prompt = f"{GIVEN}\n\n## The memo\n\nUse these headings.\n\n## Bottom line\nThree.\n\n## First test\nOne."
    text = ask("sim-writer-b", prompt).text
    assert [line for line in text.split("\n") if line.startswith("#")] == ["## Bottom line", "## First test"]


def test_dialogue_has_its_speakers_take_turns():
    prompt = f"Write a dialogue. ANNA doubts. OTTO builds. ANNA and OTTO are friends.\n\n{GIVEN}\n\nWrite."
    speeches = ask("sim-writer-a", prompt).text.split("\n\n")
    assert [speech.split(":")[0] for speech in speeches[:4]] == ["ANNA", "OTTO", "ANNA", "OTTO"]


@pytest.mark.parametrize("words", [300, 600, 900, 1500])
def test_length_asked_for_is_met_within_a_quarter(words):
    for seed in range(4):
        text = ask("sim-writer-a", f"{GIVEN}\n\nWrite about {words} words.", seed).text
        assert 0.75 * words <= len(text.split()) <= 1.25 * words


def test_draft_names_and_quotes_the_given_concepts():
    text = ask("sim-writer-a", f"{GIVEN}\n\nWrite about 900 words.").text
    named = [name for name in CONCEPTS if f"**{name.lower()}**" in text]
    assert len(named) >= 2
    assert any(content.split(". ")[0] in text for content in CONCEPTS.values())


def test_last_concept_ends_where_the_instructions_go_on():
    brief = read_brief(f"{GIVEN}\n\nNow write about 700 words.")
    assert [concept.name for concept in brief.concepts] == list(CONCEPTS)
    assert brief.words == 700
    assert "Now write" in brief.instructions
    assert all("Now write" not in sentence for concept in brief.concepts for sentence in concept.sentences)


def test_essay_keeps_ideas_of_its_draft():
    draft = ask("sim-writer-a", f"{GIVEN}\n\nWrite about 600 words.").text
    essay = ask("sim-writer-a", f"Rework this.\n\n<draft>\n{draft}\n</draft>\n\nAbout 900 words with a title.").text
    assert essay.startswith("# ")
    terms = re.findall(r"\*\*([^*]+)\*\*", draft)
    assert terms and sum(term in essay for term in terms) >= 2
    kept = [sentence for sentence in re.split(r"(?<=\.) ", draft) if len(sentence) > 70 and sentence in essay]
    assert kept


def test_instructions_inside_a_draft_do_not_change_the_shape():
    draft = (
        "Use <essay-idea stage='2'> and <essay> tags. " + "The moat is deep and wide, and nobody has crossed it. " * 9
    )
    essay = ask("sim-writer-a", f"Rework it.\n\n<draft>\n{draft}\n</draft>\n\nAbout 400 words.").text
    assert not re.search(r"^<", essay, re.MULTILINE)


def test_writers_differ_in_richness_and_length():
    prompts = [f"{GIVEN}\n\nWrite about 600 words, version {n}." for n in range(12)]
    parts, words = {}, {}
    for model in offline.WRITERS:
        measured = [measure(ask(model, prompt).text) for prompt in prompts]
        parts[model] = statistics.mean(counts["parts"] for _, counts in measured)
        words[model] = statistics.mean(counts["words"] for _, counts in measured)
    assert parts["sim-writer-a"] > parts["sim-writer-b"] + 1
    assert words["sim-writer-a"] > words["sim-writer-b"] + 50


def test_judges_score_good_texts_above_bad_ones():
    good = ask(
        "sim-writer-a",
        f"{GIVEN}\n\nA loop of generator, critic and filter in about 900 words, with headings.",
    ).text
    bad = "There are many things to say about this. " * 30
    for model in offline.JUDGES:
        means = [statistics.mean(judged(text, model, seed) for seed in range(8)) for text in (good, bad)]
        assert means[0] > means[1] + 2


def test_judges_differ_in_leniency_and_noise():
    texts = [ask("sim-writer-a", f"{GIVEN}\n\nWrite about 600 words, version {n}.").text for n in range(6)]
    scores = {model: [[judged(text, model, seed) for seed in range(12)] for text in texts] for model in offline.JUDGES}
    mean = {model: statistics.mean(itertools.chain(*scores[model])) for model in offline.JUDGES}
    noise = {model: statistics.mean(statistics.pstdev(row) for row in scores[model]) for model in offline.JUDGES}
    assert mean["sim-judge-a"] > mean["sim-judge-b"] > mean["sim-judge-c"]
    assert noise["sim-judge-c"] > noise["sim-judge-a"]
    assert any(value % 1 for row in scores["sim-judge-b"] for value in row)


def test_rubric_decides_what_counts():
    rigorous = "We measured it with a control. The hypothesis predicts a baseline that evidence can falsify. " * 20
    assert judged(rigorous, rubric="scientific rigour") > judged(rigorous, rubric="iterative loops") + 1


def test_judge_quotes_what_it_measured():
    text = ask("sim-writer-a", GIVEN).text
    answer = ask("sim-judge-a", f"<response>\n{text}\n</response>\nSCORE: <0-9>").text
    _, counts = measure(text)
    assert f"{counts['words']} words" in answer
    assert f"names {counts['concepts']} concepts" in answer
    assert answer.count("SCORE") == 1


def test_judge_reads_the_response_only():
    response = ask("sim-writer-a", GIVEN).text
    first = ask("sim-judge-b", f"Novelty.\n<response>\n{response}\n</response>\nSCORE: <0-9>").text
    decoy = ask("sim-judge-b", f"Novelty.\n<response>\n{response}\n</response>\nloop loop critic SCORE: <0-9>").text
    assert first.split(" paragraphs")[0] == decoy.split(" paragraphs")[0]


def test_every_part_of_the_mechanism_is_recognised_in_its_own_sentences():
    for part, frames in phrases.STEPS.items():
        stems = phrases.STEMS[part]
        recognised = sum(any(stem in frame.lower() for stem in stems) for frame in frames)
        assert recognised >= len(frames) - 1, part


def test_frames_never_make_a_concept_the_subject_of_a_numbered_verb():
    decks = [
        *phrases.STEPS.values(),
        phrases.OPENINGS,
        phrases.LINKS,
        phrases.PLAIN,
    ]
    decks += [
        phrases.TESTS,
        phrases.OBJECTIONS,
        phrases.CLOSINGS,
        phrases.LIFTS,
    ]
    for frame in itertools.chain(*decks):
        assert not re.search(r"(?:^|[,:;] |that |if |because )\{[abAB]\} (?:is|are|has|have|does|do)\b", frame), frame
        assert frame.count("[") == frame.count("]") and frame.count("{") == frame.count("}")


@pytest.mark.parametrize(
    ("name", "running"),
    [
        ("Data Flywheel", "the data flywheel"),
        ("Default mode network", "the default mode network"),
        ("Mind wandering", "mind wandering"),
        ("Dearth of AI-driven discoveries", "the dearth of AI-driven discoveries"),
        ("Economic innovation models", "economic innovation models"),
        ("Human creativity and insight", "human creativity and insight"),
        ("The long tail", "the long tail"),
        ("Bayesian inference", "Bayesian inference"),
        ("", "the unnamed"),
    ],
)
def test_concept_names_read_well_in_running_text(name, running):
    article, noun = noun_phrase(name)
    assert article + noun == running


def shipped(stage: str) -> dict[str, tuple[str, str]]:
    """Template text and parser of each shipped template that has a file."""
    with open(RAW / f"{stage}_templates.csv", encoding="utf-8", newline="") as handle:
        # earlier versions of a template are there for the stores that used them
        rows = [row for row in csv.DictReader(handle) if row["active"] == "true"]
    folder = RAW / "templates" / stage
    paths = {row["template_id"]: (folder / f"{row['template_id']}.txt", row["parser"]) for row in rows}
    return {name: (path.read_text("utf-8"), parser) for name, (path, parser) in paths.items() if path.exists()}


@pytest.mark.slow
def test_shipped_templates_all_parse_and_scores_spread():
    from workflow_lib import parsers

    environment = SandboxedEnvironment(undefined=StrictUndefined)

    def render(text: str, **values: object) -> str:
        return environment.from_string(text).render(**values)

    concepts = [{"name": name, "content": content} for name, content in CONCEPTS.items()]
    by_model: dict[str, list[float]] = {}
    every: list[float] = []
    for model, (template, parser) in itertools.product(offline.WRITERS, shipped("draft").values()):
        draft = parsers.parse("draft", parser, ask(model, render(template, concepts=concepts)).text)
        assert len(draft.split()) >= 250
        for essay_template, essay_parser in shipped("essay").values():
            prompt = render(essay_template, draft_block=draft, links_block=draft)
            essay = parsers.parse("essay", essay_parser, ask(model, prompt).text)
            assert len(essay.split()) >= 250
            for (rubric, rubric_parser), judge in itertools.product(shipped("evaluation").values(), offline.JUDGES):
                answer = ask(judge, render(rubric, response=essay, boundary="b0")).text
                value = float(parsers.parse("evaluation", rubric_parser, answer))
                every.append(value)
                by_model.setdefault(model, []).append(value)
    assert min(every) <= 2.5 and max(every) >= 8
    assert statistics.stdev(every) > 1.2
    assert statistics.mean(by_model["sim-writer-a"]) > statistics.mean(by_model["sim-writer-b"]) + 0.4
