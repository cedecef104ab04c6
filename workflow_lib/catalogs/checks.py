"""What is wrong with rows and texts of the catalogs and would spoil an answer that is paid for."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from .. import parsers
from ..errors import DayDreamError, TemplateError, nearest
from ..files import read_text
from ..paths import DataRoot
from ..stages import BOUNDARY, FIRST, STAGE, STAGES
from . import templates
from .tables import CONCEPTS, MODELS, SCORE_LINE, Catalogs, Concept, Model, Template, concept_file, templates_table

# stands for a text that a model reads: no template has it by itself, and no filter for people's texts takes it away
_MARK = "zqvxmark"
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""What endpoints take for `reasoning_effort`; they may know further words."""
_CONCEPTS = "{% for concept in concepts %}{{ concept.name }}: {{ concept.content }}{% endfor %}"


@dataclass(frozen=True)
class Mistake:
    """Something that people wrote and have to correct.

    Attributes:
        file: where, as the user would type it; for a setting its name.
        place: line, column or both; may be empty.
        reason: what is wrong there.
        remedy: what to do.
        certain: False if it may be meant so, which is a warning at most.
    """

    file: str
    place: str
    reason: str
    remedy: str
    certain: bool = True

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.place, self.reason) if part) + f"\nHint: {self.remedy}"


def of_template(data: DataRoot, template: Template, sizes: Collection[int]) -> Iterator[Mistake]:
    """Yield what is wrong with a template's row and text.

    Args:
        data: where they lie.
        template: the row.
        sizes: for a template of the first stage, the numbers of concepts that it is used with.
    """
    table = str(data.catalog(templates_table(template.stage)))
    yield from _of_parser(table, template)
    if template.copies:
        return
    path = data.template(template.stage, template.template_id)
    row = f"line {template.line} of {table}"
    try:
        texts = [_rendered(data, template, size) for size in (sizes if template.stage == FIRST else (0,))]
    except TemplateError as error:
        yield Mistake(error.file, error.place, error.reason, error.hint or "correct the template")
        return
    except DayDreamError as error:
        yield Mistake(str(path), "", error.message, error.hint or "correct the template")
        return
    stage = STAGE[template.stage]
    source = stage.variables[0]
    if source not in template.waived and any(_MARK not in text.casefold() for text in texts):
        names = " or ".join(f"`{name}`" for name in stage.variables)
        unseen = f"the {stage.parent}" if stage.parent else "what to write about"
        usage = f"{{{{ {source} }}}}" if stage.parent else _CONCEPTS
        yield Mistake(
            str(path),
            "",
            f"does not use {names}: the model would not see {unseen}",
            f"put it in, such as {usage}; if that is meant so, write {source} into the column waive of {row}",
        )
    reading = parsers.reading(template.parser)
    if reading and SCORE_LINE not in template.waived and any(not reading.asked_by.search(text) for text in texts):
        yield Mistake(
            str(path),
            "",
            f"never asks for the line that parser {template.parser} reads",
            f"let it end with a line such as {reading.line}; if it asks in other words, write {SCORE_LINE} into the "
            f"column waive of {row}",
        )


def of_concept(data: DataRoot, concept: Concept, level: str) -> Iterator[Mistake]:
    """Yield what is wrong with the text of a concept that drafts ask for at a level."""
    path = concept_file(data, level, concept.concept_id)
    if path is None:
        yield Mistake(
            str(data.catalog(CONCEPTS)),
            f"line {concept.line}, column concept_id",
            f"'{concept.concept_id}' has no description file: prompts hold only its name",
            f"write {data.concept(level, concept.concept_id)}",
            certain=False,
        )
        return
    try:
        empty = not read_text(path).strip()
    except DayDreamError as error:
        yield Mistake(str(path), "", error.message.removeprefix(f"{path}: "), error.hint or "correct the file")
        return
    if empty:
        yield Mistake(
            str(path),
            "",
            f"the description is empty: prompts would hold only the name of concept '{concept.concept_id}'",
            "write the text, or remove the file so that another level or the name is used",
        )


def of_request(data: DataRoot, model: Model) -> Iterator[Mistake]:
    """Yield what is wrong with what a model's row adds to each request."""
    table = data.catalog(MODELS)
    if model.system_prompt:
        path = data.system_prompt(model.system_prompt)
        try:
            templates.system_text(path)
        except DayDreamError as error:
            reason = error.reason if isinstance(error, TemplateError) else error.message.removeprefix(f"{path}: ")
            remedy = f"write it, or change the column system_prompt in line {model.line} of {table}"
            yield Mistake(str(path), "", reason, remedy)
    if model.reasoning_effort and model.reasoning_effort not in EFFORTS:
        yield Mistake(
            str(table),
            f"line {model.line}, column reasoning_effort",
            f"'{model.reasoning_effort}' is none of the usual words; the endpoint may refuse it",
            nearest(model.reasoning_effort, EFFORTS),
            certain=False,
        )


def of_description_files(data: DataRoot, catalogs: Catalogs, levels: Iterable[str]) -> Iterator[Mistake]:
    """Yield the description files at some levels that no concept has."""
    for level in levels:
        folder = data.concept(level, "any").parent
        for path in sorted(folder.glob("*.txt")):
            if path.stem not in catalogs.concepts:
                yield Mistake(
                    str(path),
                    "",
                    f"no concept has the id '{path.stem}': no prompt would hold this text",
                    f"{nearest(path.stem, catalogs.concepts)} Rename the file, remove it, or add a row to "
                    f"{data.catalog(CONCEPTS)}",
                )


def _of_parser(table: str, template: Template) -> Iterator[Mistake]:
    own = parsers.names(template.stage)
    if template.parser not in own:
        others = [stage for stage in STAGES if template.parser in parsers.names(stage)]
        elsewhere = f"; it is one of {' and '.join(f'{stage}s' for stage in others)}" if others else ""
        yield Mistake(
            table,
            f"line {template.line}, column parser",
            f"'{template.parser}' is no parser of {template.stage}s{elsewhere}",
            nearest(template.parser, own),
        )
        return
    reading = parsers.reading(template.parser)
    place = f"line {template.line}, column scale_max"
    if reading and template.scale_max > reading.highest:
        fitting = [name for name in own if (other := parsers.reading(name)) and other.highest >= template.scale_max]
        yield Mistake(
            table,
            place,
            f"scale_max is {template.scale_max:g}, but parser {template.parser} gives at most {reading.highest:g}",
            f"write {reading.highest:g}" + (f", or choose parser {', '.join(fitting)}" if fitting else ""),
        )
    elif reading and template.scale_max == parsers.DEFAULT_SCALE < reading.highest:
        yield Mistake(
            table,
            place,
            f"scale_max is {template.scale_max:g}, and parser {template.parser} gives up to {reading.highest:g}",
            f"write {reading.highest:g}; 9 is what counts where the cell is empty",
            certain=False,
        )


def _rendered(data: DataRoot, template: Template, size: int) -> str:
    """Return what a template makes of texts that stand for those that a model would read."""
    path = data.template(template.stage, template.template_id)
    text = f"{_MARK} " * 100
    if template.stage == FIRST:
        concepts = [{"name": _MARK, "content": text}] * size
        return templates.render(path, template.stage, {"concepts": concepts})
    values = dict.fromkeys(STAGE[template.stage].variables, text) | {BOUNDARY: "0"}
    return templates.render(path, template.stage, values)
