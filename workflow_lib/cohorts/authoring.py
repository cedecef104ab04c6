"""Writing the spec of a new cohort from the catalogs."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from ..catalogs import LEVELS, Catalogs
from ..errors import ConfigError, SpecError, nearest
from ..files import write_text
from ..paths import Cohort, is_safe_id
from ..settings import Settings
from ..stages import FIRST, JUDGES, PARENTS, STAGE, STAGES
from ..tables import counting_number
from .expansion import Expansion, expand_source
from .sources import AUTO, spec_source

Ask = Callable[[str], str]
T = TypeVar("T")
"""Shows a question and returns the answer."""

NONE = "none"


@dataclass
class Choice:
    """What a new cohort is made of; an empty list stands for all that are active.

    Attributes:
        combos: registered combo ids; given, concepts, k and level do not count.
        concepts: concept ids.
        k: numbers of concepts per combo; empty: as configured for `auto`.
        level: description level; None: as configured for `auto`.
        templates: stage -> template ids; ``["none"]`` ends the cohort before that stage.
        models: stage -> model ids; for essays an empty list means the draft's model.
        replicates: stage -> how many; a stage that is missing follows replication_config.csv.
        notes: free text for the manifest.
    """

    combos: list[str] = field(default_factory=list)
    concepts: list[str] = field(default_factory=list)
    k: list[int] = field(default_factory=list)
    level: str | None = None
    templates: dict[str, list[str]] = field(default_factory=dict)
    models: dict[str, list[str]] = field(default_factory=dict)
    replicates: dict[str, int] = field(default_factory=dict)
    notes: str | None = None


def new_cohort(settings: Settings, cohort_id: str) -> Cohort:
    """Return the files of a cohort that is about to be declared.

    Raises:
        ConfigError: the name cannot be one, or is taken.
    """
    if not is_safe_id(cohort_id) or cohort_id == AUTO:
        raise ConfigError(
            f"'{cohort_id}' cannot be a cohort's name",
            "names are letters, digits, '.', '_' and '-', and begin with a letter or digit; `auto` is taken",
        )
    cohort = settings.data.cohort(cohort_id)
    if cohort.spec.exists() or cohort.membership.exists():
        raise ConfigError(f"{cohort.folder}: this cohort exists already", "choose another name, or edit its spec")
    return cohort


def expand_texts(settings: Settings, cohort_id: str, texts: Mapping[str, str]) -> Expansion:
    """Return what a spec, given as file name -> text, would expand to; nothing is left on disk.

    Raises:
        SpecError: they make no cohort; the message names no file, since none is kept.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():
            write_text(Path(folder) / name, text)
        try:
            return expand_source(settings, spec_source(settings, cohort_id, Path(folder)))
        except SpecError as error:
            if not error.file.startswith(folder):
                raise
            raise SpecError(f"the spec of {cohort_id}, which was not written", *error.parts) from None


def prepared(settings: Settings, catalogs: Catalogs, name: str, choice: Choice) -> tuple[str, Expansion]:
    """Return the text of a new cohort's spec, and what it would expand to; nothing is written.

    Raises:
        ConfigError: a name that is taken, or a level that no catalog has.
        SpecError: the choice makes no cohort.
    """
    new_cohort(settings, name)
    text = spec_text(settings, catalogs, choice)
    return text, expand_texts(settings, name, {"config.yaml": text})


def write(settings: Settings, name: str, text: str) -> Path:
    """Write cohorts/<name>/spec/config.yaml and return its path.

    Raises:
        ConfigError: a name that is taken.
    """
    path = new_cohort(settings, name).spec / "config.yaml"
    write_text(path, text)
    return path


def spec_text(settings: Settings, catalogs: Catalogs, choice: Choice) -> str:
    """Return the text of a spec for a choice.

    Raises:
        ConfigError: an unknown concept, template, model or level.
    """
    axes: dict[str, list[str]] = {}
    content: dict[str, Any] = {}
    if choice.combos:
        axes["combo_id"] = choice.combos
    else:
        content["combos"] = _combos(settings, catalogs, choice)
    ended = ""
    for stage in STAGES:
        if ended and (choice.templates.get(stage, [NONE]) != [NONE] or choice.models.get(stage)):
            raise ConfigError(f"{stage}s are named, but the cohort ends before {ended}s", f"name {ended} templates")
        if choice.templates.get(stage) == [NONE]:
            if stage == FIRST:
                raise ConfigError(f"a cohort has {stage}s at least", f"name {stage} templates")
            ended = ended or stage
        if not ended:
            axes |= _axes_of(catalogs, choice, stage)
    content |= {"axes": axes, "output": {"field_order": ["combo_id", *(axis for axis in axes if axis != "combo_id")]}}
    if choice.notes:
        content["notes"] = choice.notes
    head = "# One generation per combination of these levels; rules (subsets, ties, pairs, tuples) narrow them.\n"
    return head + yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)


def ask(settings: Settings, catalogs: Catalogs, question: Ask) -> Choice:
    """Return what a person chooses, axis by axis; an empty answer takes what is offered.

    Args:
        settings: gives what is offered for k and level.
        catalogs: give what there is to choose from.
        question: asks; a wrong answer is asked for again.
    """
    choice = Choice()
    known = list(catalogs.concepts)
    choice.concepts = _ask_names(question, "Concepts", known, _active_concepts(catalogs))
    choice.k = _ask_until(question, f"Concepts per combo, such as 2 or 2,3 [{_joined(_sizes(settings))}]: ", _to_sizes)
    choice.level = _ask_level(question, settings.description_level)
    for stage in STAGES:
        offered = _active_templates(catalogs, stage)
        choice.templates[stage] = _ask_names(
            question, f"Templates of stage {stage}", [*catalogs.templates[stage], NONE], offered or [NONE]
        )
        if choice.templates[stage] == [NONE]:
            break
        offered = _active_models(catalogs, stage)
        choice.models[stage] = _ask_names(question, f"Models of stage {stage}", list(catalogs.models), offered)
        counted = catalogs.replicates.get(stage, 1)
        if replicates := _ask_until(question, f"Replicates of stage {stage} [{counted}]: ", _to_count):
            choice.replicates[stage] = replicates
    return choice


def _combos(settings: Settings, catalogs: Catalogs, choice: Choice) -> dict[str, Any]:
    concepts = _checked("concept", choice.concepts or _active_concepts(catalogs), catalogs.concepts)
    sizes = choice.k or _sizes(settings)
    level = choice.level or settings.description_level
    _checked("description level", [level], LEVELS)
    return {"concepts": concepts, "k": sizes[0] if len(sizes) == 1 else sizes, "level": level}


def _axes_of(catalogs: Catalogs, choice: Choice, stage: str) -> dict[str, list[str]]:
    templates = choice.templates.get(stage) or _active_templates(catalogs, stage)
    axes = {f"{stage}_template": _checked(f"{stage} template", templates, catalogs.templates[stage])}
    models = choice.models.get(stage) or _active_models(catalogs, stage)
    if models:
        axes[f"{stage}_llm"] = _checked("model", models, catalogs.models)
    if stage in choice.replicates:
        axes[f"{stage}_replicate"] = [str(number + 1) for number in range(choice.replicates[stage])]
    return axes


def _checked(what: str, names: Sequence[str], known: Mapping[str, object] | Sequence[str]) -> list[str]:
    if not names:
        raise ConfigError(f"no {what} is active", "name some, or activate them in the catalogs")
    for name in names:
        if name not in known:
            raise ConfigError(f"unknown {what} '{name}'", nearest(name, known))
    return list(names)


def _active_concepts(catalogs: Catalogs) -> list[str]:
    return [concept.concept_id for concept in catalogs.concepts.values() if concept.active]


def _active_templates(catalogs: Catalogs, stage: str) -> list[str]:
    return [template.template_id for template in catalogs.templates[stage].values() if template.active]


def _active_models(catalogs: Catalogs, stage: str) -> list[str]:
    """Return the models that a stage is made by where none is named; empty: its parent's."""
    makers = STAGE[stage].models
    if makers == PARENTS:
        return []
    return [
        model.model_id
        for model in catalogs.models.values()
        if (model.for_evaluation if makers == JUDGES else model.for_generation)
    ]


def _sizes(settings: Settings) -> list[int]:
    return [settings.k] if settings.k else list(range(2, settings.k_max + 1))


def _ask_names(question: Ask, title: str, known: Sequence[str], offered: Sequence[str]) -> list[str]:
    """Ask for names by number or as such; an empty answer takes what is offered."""
    lines = [f"{index:4d}  {name}{'  *' if name in offered else ''}" for index, name in enumerate(known, 1)]
    default = "those with *" if offered else "the draft's"
    text = "\n".join([f"{title}:", *lines, f"Numbers, ranges such as 2-4, or names, separated by commas [{default}]: "])

    def read(answer: str) -> list[str]:
        parts = [part.strip() for part in answer.split(",") if part.strip()]
        names = [name for part in parts for name in _named(part, known)]
        for name in names:
            if name not in known:
                raise ConfigError(f"there is no '{name}' among these", nearest(name, known))
        return list(dict.fromkeys(names)) or list(offered)

    return _ask_until(question, text, read)


def _named(part: str, known: Sequence[str]) -> Sequence[str]:
    """Return the names that a number, or a range of numbers, of a list stands for; else the text as a name."""
    first, is_range, last = part.partition("-")
    last = last if is_range else first
    if first.strip().isdecimal() and last.strip().isdecimal() and 0 < int(first) <= int(last) <= len(known):
        return known[int(first) - 1 : int(last)]
    return [part]


def _to_count(answer: str) -> int | None:
    """Return a number of replicates; None for an empty answer."""
    if not answer.strip():
        return None
    count = counting_number(answer.strip())
    if count is None:
        raise ConfigError(f"'{answer.strip()}' is not a whole number of 1 or more")
    return count


def _ask_level(question: Ask, offered: str) -> str:
    def read(answer: str) -> str:
        level = answer.strip() or offered
        _checked("description level", [level], LEVELS)
        return level

    return _ask_until(question, f"Description level ({', '.join(LEVELS)}) [{offered}]: ", read)


def _ask_until(question: Ask, text: str, read: Callable[[str], T]) -> T:
    while True:
        try:
            return read(question(text))
        except ConfigError as error:
            text = f"{error}\n{text.splitlines()[-1]}"


def _to_sizes(answer: str) -> list[int]:
    parts = [part.strip() for part in answer.split(",") if part.strip()]
    for part in parts:
        if not part.isdecimal() or int(part) < 1:
            raise ConfigError(f"'{part}' is not a whole number of 1 or more")
    return [int(part) for part in parts]


def _joined(numbers: Sequence[int]) -> str:
    return ",".join(str(number) for number in numbers)
