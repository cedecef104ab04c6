"""Every input that can be known to be wrong before a call, and what is said of it."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests import tiny_root
from tests.project import Project
from workflow_lib.errors import DayDreamError
from workflow_lib.files import write_text
from workflow_lib.inspect import mistakes, scope
from workflow_lib.settings import Settings

COHORT = "wrong"
TABLES = {
    "draft_templates": "template_id,parser\nplain,identity\nthemeless,identity\ntitled,identity\n",
    "essay_templates": "template_id,generator\nstructured,llm\nblind,llm\n",
    "evaluation_templates": (
        "template_id,parser,scale_max\nnovelty,in_last_line,9\nunseen,in_last_line,9\nsilent,in_last_line,9\n"
        "percent,in_last_line,9\nmistyped,in_last_line,9\nforeign,in_last_line,9\n"
    ),
    "llm_models": (
        "id,model,endpoint,pool,input_usd_per_mtok,output_usd_per_mtok,system_prompt\n"
        "writer,vendor/writer,openrouter,,1,10,\nnovelist,vendor/novelist,openrouter,,1,10,careful\n"
        "judge,vendor/judge,openrouter,,1,10,\ncritic,vendor/critic,openrouter,slow,1,10,\n"
    ),
}
SPEC = """
combos: {concepts: [moat, loop], k: 2}
axes:
  draft_template: [plain, themeless, titled]
  draft_llm: [writer, novelist, critic]
  essay_template: [structured, blind]
  evaluation_template: [novelty, unseen, silent, percent, mistyped, foreign]
  evaluation_llm: [judge]
rules:
  pairs:
    drafts:
      left: draft_template
      right: draft_llm
      allowed: [[plain, writer], [themeless, novelist], [titled, critic]]
output:
  field_order: [combo_id, draft_template, draft_llm, essay_template, evaluation_template, evaluation_llm]
"""
Spoil = Callable[[Path, dict[str, Any]], None]


def text(path: str, content: str) -> Spoil:
    """Return what gives a file of 1_raw/ another content."""

    def spoil(folder: Path, config: dict[str, Any]) -> None:
        (folder / "data" / "1_raw" / path).write_text(content)

    return spoil


def cell(table: str, before: str, after: str) -> Spoil:
    """Return what changes one place of a table of 1_raw/."""

    def spoil(folder: Path, config: dict[str, Any]) -> None:
        path = folder / "data" / "1_raw" / f"{table}.csv"
        assert path.read_text().count(before) == 1
        path.write_text(path.read_text().replace(before, after))

    return spoil


def setting(key: str, value: Any) -> Spoil:
    """Return what sets a key of config.yaml."""
    return lambda folder, config: config.update({key: value})


def both(*spoils: Spoil) -> Spoil:
    """Return what does several of these."""

    def spoil(folder: Path, config: dict[str, Any]) -> None:
        for one in spoils:
            one(folder, config)

    return spoil


# what is wrong -> what makes it so, without touching what another one of these needs
INPUTS: dict[str, Spoil] = {
    "a description file is empty": text("concepts/descriptions-paragraph/moat.txt", " \n"),
    "a description file has the name of no concept": text("concepts/descriptions-paragraph/lopo.txt", "A loop."),
    "a draft template does not use `concepts`": text("templates/draft/themeless.txt", "Write something new.\n"),
    "an attribute that concepts do not have": text(
        "templates/draft/titled.txt", "{% for concept in concepts %}\n{{ concept.title }}\n{% endfor %}\n"
    ),
    "an essay template does not use the draft": text("templates/essay/blind.txt", "Write an essay about it.\n"),
    "an evaluation template does not use `response`": text(
        "templates/evaluation/unseen.txt", "How new is the text {# {{ response }} #}?\nSCORE: <0-9>\n"
    ),
    "an evaluation template asks for no score line": text(
        "templates/evaluation/silent.txt", "How new is this?\n\n{{ response }}\n"
    ),
    "a `scale_max` that the parser cannot give": cell(
        "evaluation_templates", "percent,in_last_line,9", "percent,in_last_line,100"
    ),
    "a mistyped parser": cell("evaluation_templates", "mistyped,in_last_line", "mistyped,in_last_lime"),
    "a parser of another stage": cell("evaluation_templates", "foreign,in_last_line", "foreign,essay_block"),
    "an unknown endpoint": cell("llm_models", "vendor/writer,openrouter", "vendor/writer,openrooter"),
    "an unknown pool": cell("llm_models", ",slow,", ",slwo,"),
    "a system prompt that is not there": cell(
        "llm_models", "vendor/judge,openrouter,,1,10,", "vendor/judge,openrouter,,1,10,sober"
    ),
    "a system prompt that is empty": text("templates/system/careful.txt", "\n"),
    "a budget, and a model without a price": both(
        # in a pool of another name than `paid`
        cell("llm_models", "vendor/novelist,openrouter,,1,10,", "vendor/novelist,openrouter,slow,1,,"),
        setting("budget_usd", 0.5),
    ),
    "a name in `budget_per_model` that no model has": setting("budget_per_model", {"judg": 1}),
    "a pattern of `template_filter` that matches nothing": setting("template_filter", {"essay": ["structurd*"]}),
    "a name in `results.allowlist` that no column has": setting("results", {"allowlist": ["judge_novelti"]}),
}


def make(folder: Path, spoils: Iterable[Spoil]) -> Settings:
    """Write a data root and config.yaml with some of these wrong inputs; returns its settings."""
    settings = tiny_root.make(folder, **TABLES)
    write_text(settings.data.system_prompt("careful"), "Be careful.\n")
    tiny_root.declare(settings, SPEC, COHORT)
    config: dict[str, Any] = {"cohort": COHORT, "pools": {"slow": {"max_concurrent": 1}}}
    for spoil in spoils:
        spoil(folder, config)
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    return tiny_root.load(folder)


def project(folder: Path, spoils: Iterable[Spoil]) -> Project:
    """Return the same as a project that the real commands are run in."""
    made = Project(folder, SPEC, COHORT)
    shutil.rmtree(made.data / "1_raw")
    make(folder, spoils)
    return made


def messages(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each wrong input and what stops a run that has it alone; paths as from the working directory."""
    for number, (what, spoil) in enumerate(INPUTS.items()):
        own = folder / str(number)
        settings = make(own, [spoil])
        found = mistakes.of_scope(settings, scope.declared(settings))
        (stopping,) = (finding for finding in found if finding.blocks)
        yield what, str(stopping).replace(f"{own}/", "")


def explosion(folder: Path) -> str:
    """Return what is said of a cohort with more generations than allowed."""
    make(folder, [])
    try:
        tiny_root.expand(tiny_root.load(folder, max_generations=20), COHORT, write=False)
    except DayDreamError as error:
        return str(error)
    raise AssertionError("nothing was said")
