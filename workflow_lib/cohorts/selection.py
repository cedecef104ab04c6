"""The file that a person selects essays or drafts with: gen_ids, comments and directives."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..catalogs import Catalogs
from ..errors import ConfigError, nearest
from ..files import read_text
from ..paths import DataRoot, is_safe_id
from ..stages import JUDGING
from ..tables import counting_number

REGENERATE = "regenerate"
REUSE_DRAFTS = "reuse-drafts"
REUSE_ESSAYS = "reuse-essays"
MODES = {
    "essay": {
        REGENERATE: REGENERATE,
        REUSE_DRAFTS: REUSE_DRAFTS,
        REUSE_ESSAYS: REUSE_ESSAYS,
        "evaluation-only": REUSE_ESSAYS,
    },
    "draft": {REUSE_DRAFTS: REUSE_DRAFTS},
}
DEFAULT_MODE = {"essay": REGENERATE, "draft": REUSE_DRAFTS}
FILL_UP = ("fill-up", "skip-existing-evaluations")
TEMPLATES, JUDGES, REPLICATES = "templates", "judges", "replicates"
VALUES = (TEMPLATES, JUDGES, REPLICATES)
"""The directives that say how the new evaluations are made."""

_VALUE = re.compile(r"(templates?|judges?|replicates?)(?:\s*([:=])|\s)\s*(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Selection:
    """What a selection file says.

    Attributes:
        path: the file.
        stage: ``essay`` or ``draft``: what its lines name.
        gen_ids: the lines, in order, each once.
        mode: one of MODES.
        fill_up: hold the evaluations that exist, and buy only those that are missing.
        templates, judges: of the evaluations; empty where the file leaves them open.
        replicates: of each evaluation, None where the file leaves it open.
    """

    path: Path
    stage: str
    gen_ids: tuple[str, ...]
    mode: str
    fill_up: bool
    templates: tuple[str, ...] = ()
    judges: tuple[str, ...] = ()
    replicates: int | None = None


def text_of(gen_ids: Iterable[str], directives: Iterable[str] = ()) -> str:
    """Return the text of a selection file: directives first, then one gen_id per line."""
    lines = [*(f"# {directive}" for directive in directives), *gen_ids]
    return "".join(f"{line}\n" for line in lines)


def existing_file(path: Path) -> Path:
    """Return the path of a selection file.

    Raises:
        ConfigError: there is no such file.
    """
    if not path.is_file():
        raise ConfigError(
            f"selection: {path}: no such file",
            "`daydream select --write-selection` writes such a list; paths are relative to the working directory",
        )
    return path


def read_selection(path: Path, data: DataRoot, catalogs: Catalogs) -> Selection:
    """Return what a selection file says.

    Raises:
        ConfigError: no such file, an unknown directive or a name in it that no catalog has, no line, a line
            that is no generation of the store, or essays and drafts in one file.
    """
    text = read_text(existing_file(path))
    gen_ids: dict[str, int] = {}
    modes: list[tuple[int, str]] = []
    values: dict[str, tuple[str, ...]] = {}
    fill_up_at = 0
    for number, line in enumerate(text.splitlines(), start=1):
        content, _, comment = line.partition("#")
        if content.strip():
            gen_ids.setdefault(content.strip(), number)
            continue
        place = f"selection: {path}: line {number}"
        directive = " ".join(comment.lower().split())
        if (mode := _mode_in(directive, place)) is not None:
            modes.append((number, mode))
        elif (value := _value_in(comment.strip(), place, catalogs)) is not None:
            if value[0] in values:
                raise ConfigError(f"{place}: '{value[0]}' a second time", "put all of them into one line")
            values[value[0]] = value[1]
        elif _is_fill_up(directive, place):
            fill_up_at = number
    if not gen_ids:
        raise ConfigError(
            f"selection: {path}: no line names an essay or a draft",
            "list gen_ids, one per line; `daydream select --write-selection` does",
        )
    stage = _stage_of(path, gen_ids, data)
    mode = _mode_of(path, stage, modes)
    if fill_up_at and mode != REUSE_ESSAYS:
        raise ConfigError(
            f"selection: {path}: line {fill_up_at}: fill-up does not go with mode {mode}",
            f"add '# mode: {REUSE_ESSAYS}' to fill up the evaluations of listed essays",
        )
    return Selection(
        path,
        stage,
        tuple(gen_ids),
        mode,
        bool(fill_up_at),
        values.get(TEMPLATES, ()),
        values.get(JUDGES, ()),
        int(values[REPLICATES][0]) if REPLICATES in values else None,
    )


def _mode_in(directive: str, place: str) -> str | None:
    """Return the mode that a comment names, None if it is a remark; a misspelt directive is an error."""
    match = re.fullmatch(r"mode ?([:=]?) ?(.*)", directive)
    if not match or not (match[1] or match[2] in {name for names in MODES.values() for name in names}):
        return None
    if match[1] != ":" or " " in match[2]:
        raise ConfigError(f"{place}: '# {directive}' is no directive", "write it as '# mode: NAME', alone on its line")
    return match[2]


def _value_in(comment: str, place: str, catalogs: Catalogs) -> tuple[str, tuple[str, ...]] | None:
    """Return one of VALUES with what a comment says of it, None if it is a remark."""
    match = _VALUE.fullmatch(comment)
    if match is None:
        return None
    name, sign, said = match[1].lower(), match[2], match[3].replace(",", " ").split()
    named = next(value for value in VALUES if name in (value, value.removesuffix("s")))
    choices: dict[str, Mapping[str, object]] = {TEMPLATES: catalogs.templates[JUDGING], JUDGES: catalogs.models}
    known = choices.get(named)
    if not sign and not (said and all(_is_value(word, known) for word in said)):
        return None
    if sign != ":" or name != named:
        # taken for a remark it would buy what the catalogs say
        shown = "NUMBER" if known is None else "NAME, NAME"
        raise ConfigError(f"{place}: '# {comment}' is no directive", f"write it as '# {named}: {shown}'")
    if not said or (known is None and (len(said) > 1 or not _is_value(said[0], known))):
        what = "a whole number of 1 or more" if known is None else "at least one name"
        raise ConfigError(f"{place}: '# {comment}': {named} needs {what}", f"remove the line to leave {named} open")
    for word in said:
        if not _is_value(word, known):
            what = "evaluation template" if named == TEMPLATES else "model"
            raise ConfigError(f"{place}: unknown {what} '{word}'", nearest(word, known or ()))
    return named, tuple(dict.fromkeys(said))


def _is_value(word: str, known: Mapping[str, object] | None) -> bool:
    return counting_number(word) is not None if known is None else word in known


def _is_fill_up(directive: str, place: str) -> bool:
    if directive in FILL_UP:
        return True
    if difflib.get_close_matches(directive.replace(" ", "-"), FILL_UP, n=1, cutoff=0.8):
        # taken for a remark it would buy all that exists once more
        raise ConfigError(f"{place}: '# {directive}' is no directive", nearest(directive, FILL_UP))
    return False


def _mode_of(path: Path, stage: str, given: Sequence[tuple[int, str]]) -> str:
    for number, mode in given:
        if mode not in MODES[stage]:
            raise ConfigError(
                f"selection: {path}: line {number}: '{mode}' is no mode for a list of {stage}s",
                nearest(mode, MODES[stage]),
            )
    meant = dict.fromkeys(MODES[stage][mode] for _, mode in given) or {DEFAULT_MODE[stage]: None}
    if len(meant) > 1:
        raise ConfigError(
            f"selection: {path}: line {given[-1][0]}: a second mode; the first was {next(iter(meant))}",
            "make a list for each, and a cohort of each",
        )
    return next(iter(meant))


def _stage_of(path: Path, gen_ids: Mapping[str, int], data: DataRoot) -> str:
    def is_stored(stage: str, gen_id: str) -> bool:
        return is_safe_id(gen_id) and data.generation(stage, gen_id).folder.is_dir()

    stages: dict[str, str] = {}
    for gen_id, number in gen_ids.items():
        found = [stage for stage in ("essay", "draft") if is_stored(stage, gen_id)]
        if not found:
            hint = "list gen_ids of essays or drafts, one per line"
            if is_stored("evaluation", gen_id):
                hint = "it is an evaluation; list the essay that it judges"
            raise ConfigError(
                f"selection: {path}: line {number}: there is no essay or draft '{gen_id}' in {data.gens}", hint
            )
        stages[gen_id] = found[0]
    if len(set(stages.values())) > 1:
        first = next(gen_id for gen_id in stages if stages[gen_id] == "draft")
        raise ConfigError(
            f"selection: {path}: line {gen_ids[first]}: {first} is a draft, others are essays",
            "make one list of essays and another of drafts, and a cohort of each",
        )
    return next(iter(stages.values()))
