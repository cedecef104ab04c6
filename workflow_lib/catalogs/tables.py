"""The tables in 1_raw/: which concepts, templates and models exist."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ..errors import CatalogError, nearest
from ..files import read_text
from ..parsers import DEFAULT_SCALE
from ..paths import DataRoot, is_safe_id
from ..stages import STAGE, STAGES
from ..tables import Row, counting_number, read_rows

Entry = TypeVar("Entry")

SCORE_LINE = "score"
WAIVABLE = {
    name: (stage.variables[0], SCORE_LINE) if stage.gives_scores else stage.variables[:1]
    for name, stage in STAGE.items()
}
"""Stage -> the checks of a template's text that its row may waive: that it uses what it lives from, named after its
first variable, and that it asks for a score."""

LEVELS = ("sentence", "paragraph", "article")
_FALLBACK = {
    "article": ("article", "paragraph", "sentence"),
    "paragraph": ("paragraph", "sentence"),
    "sentence": ("sentence", "paragraph"),
}

CONCEPTS = "concepts_metadata"
MODELS = "llm_models"
REPLICATION = "replication_config"

OFFLINE = "offline"
"""The endpoint of the stand-ins inside this process."""
DEFAULT_ENDPOINT = "openrouter"
"""The endpoint of a row that names none."""


def templates_table(stage: str) -> str:
    """Return the name of the catalog of a stage's templates."""
    return f"{stage}_templates"


CATALOG_NAMES = (CONCEPTS, *(templates_table(stage) for stage in STAGES), MODELS, REPLICATION)


@dataclass(frozen=True)
class Concept:
    """One concept; its texts lie beside the table. `line` is that of its row."""

    concept_id: str
    name: str
    active: bool
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Template:
    """One prompt template's row, on line `line` of its table; `waived` are checks of its text (`WAIVABLE`)."""

    template_id: str
    stage: str
    parser: str
    generator: str
    active: bool
    scale_max: float
    waived: frozenset[str] = frozenset()
    line: int = field(default=0, compare=False)

    @property
    def copies(self) -> bool:
        """Whether a generation of this template is its parent's text again, without a call."""
        return self.generator == "copy"


@dataclass(frozen=True)
class Model:
    """One model's row, on line `line`; prices in US dollars per million tokens, None where unknown.

    `reasoning_effort` and `system_prompt` (name of a file, without .txt) are "" where nothing is sent.
    """

    model_id: str
    model: str
    endpoint: str
    pool: str
    for_generation: bool
    for_evaluation: bool
    input_usd_per_mtok: float | None
    output_usd_per_mtok: float | None
    max_tokens: int | None
    temperature: float | None
    display_name: str
    provider: str
    line: int = field(default=0, compare=False)
    reasoning_effort: str = ""
    system_prompt: str = ""


@dataclass(frozen=True)
class Catalogs:
    """All catalogs, each in the order of its file."""

    concepts: Mapping[str, Concept]
    templates: Mapping[str, Mapping[str, Template]]
    models: Mapping[str, Model]
    replicates: Mapping[str, int]

    def template(self, stage: str, template_id: str) -> Template:
        """Return a template of a stage; KeyError if there is none."""
        return self.templates[stage][template_id]


def files(data: DataRoot) -> list[Path]:
    """Return the paths of all catalog tables."""
    return [data.catalog(name) for name in CATALOG_NAMES]


def texts(data: DataRoot) -> list[Path]:
    """Return every file that prompts and requests are made of: tables, templates, system prompts and concepts."""
    templates = (data.template(stage, "any").parent for stage in STAGES)
    concepts = (data.concept(level, "any").parent for level in LEVELS)
    folders = (*templates, data.system_prompt("any").parent, *concepts)
    return [*files(data), *(path for folder in folders for path in sorted(folder.glob("*.txt")))]


def existing_files(data: DataRoot) -> list[Path]:
    """Return the paths of all catalog tables.

    Raises:
        CatalogError: one of them is not there.
    """
    for path in files(data):
        if not path.exists():
            data.require()
            raise CatalogError(path, "", "no such file", "create it, or check data_root")
    return files(data)


_cache: dict[str, tuple[list[tuple[int, int]], Catalogs]] = {}
# when the files of a place were looked at, by the steady clock
_looked_at: dict[str, float] = {}
_table_names: dict[str, list[str]] = {}
_seen = threading.local()


@contextmanager
def held(at_most_every: float = 0.0) -> Iterator[None]:
    """Let this thread see one state of the catalogs within the block: their files are looked at once.

    Args:
        at_most_every: seconds; what any thread of this process has seen is good for so long.
    """
    outer = getattr(_seen, "catalogs", None)
    if outer is None:
        _seen.catalogs, _seen.seconds = {}, at_most_every
    try:
        yield
    finally:
        _seen.catalogs = outer


def load(data: DataRoot) -> Catalogs:
    """Return the catalogs of a data root; read again only when a file has changed, see also `held`.

    Raises:
        CatalogError: file, line and column of the first mistake.
        ConfigError: the folder is no data root.
    """
    seen: dict[DataRoot, Catalogs] | None = getattr(_seen, "catalogs", None)
    if seen is None:
        return _load(data)
    if data not in seen:
        seen[data] = _load(data, _seen.seconds)
    return seen[data]


def _load(data: DataRoot, at_most_every: float = 0.0) -> Catalogs:
    # a relative data root means another folder after a change of the working directory
    place = f"{os.getcwd()}\0{data.catalogs}"
    known, now = _cache.get(place), time.monotonic()
    if known and now - _looked_at[place] < at_most_every:
        return known[1]
    signature = _signature(place, data)
    if known and signature and known[0] == signature:
        _looked_at[place] = now
        return known[1]
    data.require()
    catalogs = Catalogs(
        concepts=_read(data.catalog(CONCEPTS), "concept_id", ("name",), _concept),
        templates={
            stage: _read(data.catalog(templates_table(stage)), "template_id", STAGE[stage].required, _template(stage))
            for stage in STAGES
        },
        models=_read(data.catalog(MODELS), "id", ("model",), _model),
        replicates=_read(data.catalog(REPLICATION), "stage", ("replicates",), _replicates),
    )
    if signature:
        _looked_at[place] = now
        _cache[place] = (signature, catalogs)
    return catalogs


def _signature(place: str, data: DataRoot) -> list[tuple[int, int]]:
    """Return time and size of every table, [] if one is missing; every job asks for it, so it is plain and quick."""
    if place not in _table_names:
        _table_names[place] = [str(path.absolute()) for path in files(data)]
    try:
        stats = [os.stat(name) for name in _table_names[place]]
    except OSError:
        return []
    return [(stat.st_mtime_ns, stat.st_size) for stat in stats]


def levels_behind(level: str) -> tuple[str, ...]:
    """Return the levels at which a concept's text is looked for, in this order."""
    return _FALLBACK.get(level, ("paragraph", "sentence"))


def concept_file(data: DataRoot, level: str, concept_id: str) -> Path | None:
    """Return the file of a concept's text: asked level, else paragraph, else sentence; None if there is none."""
    for candidate in levels_behind(level):
        path = data.concept(candidate, concept_id)
        if path.exists():
            return path
    return None


def concept_text(data: DataRoot, level: str, concept: Concept) -> str:
    """Return a concept's text at a level, stripped; its name where no text exists."""
    path = concept_file(data, level, concept.concept_id)
    return (read_text(path).strip() if path else "") or concept.name


def _read(path: Path, key: str, required: tuple[str, ...], build: Callable[[Path, Row], Entry]) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for row in read_rows(path, (key, *required)):
        identifier = row[key]
        if not identifier:
            raise _error(path, row, key, "empty id", "fill it in, or remove the row")
        if not is_safe_id(identifier):
            raise _error(
                path,
                row,
                key,
                f"'{identifier}' cannot be an id",
                "ids become file names: letters, digits, '.', '_', '-', beginning with a letter or digit",
            )
        if identifier in entries:
            raise _error(path, row, key, f"'{identifier}' appears twice", "remove or rename one of the rows")
        entries[identifier] = build(path, row)
    return entries


def _error(path: Path, row: Row, column: str, reason: str, hint: str | None = None) -> CatalogError:
    return CatalogError(path, f"line {row.line}, column {column}", reason, hint or "correct the cell and run again")


def _concept(path: Path, row: Row) -> Concept:
    if not row["name"]:
        raise _error(path, row, "name", "empty name")
    return Concept(row["concept_id"], row["name"], _flag(path, row, "active"), row.line)


def _template(stage: str) -> Callable[[Path, Row], Template]:
    own = STAGE[stage]

    def build(path: Path, row: Row) -> Template:
        generator = row.get("generator", "" if "generator" in own.required else own.generators[0])
        if generator not in own.generators:
            raise _error(path, row, "generator", f"'{generator}' is none of {', '.join(own.generators)}")
        parser = row.get("parser", own.parser)
        if not parser:
            raise _error(path, row, "parser", f"a template of stage {stage} needs a parser")
        scale_max = _number(path, row, "scale_max")
        if scale_max == 0:
            raise _error(path, row, "scale_max", "must be above 0")
        return Template(
            row["template_id"],
            stage,
            parser,
            generator,
            _flag(path, row, "active"),
            DEFAULT_SCALE if scale_max is None else scale_max,
            _waived(path, row, stage),
            row.line,
        )

    return build


def _waived(path: Path, row: Row, stage: str) -> frozenset[str]:
    names = row.get("waive").replace(",", " ").split()
    for name in names:
        if name not in WAIVABLE[stage]:
            raise _error(
                path, row, "waive", f"'{name}' is no check of {stage} templates", nearest(name, WAIVABLE[stage])
            )
    return frozenset(names)


def _model(path: Path, row: Row) -> Model:
    if not row["model"]:
        raise _error(path, row, "model", "empty model name")
    endpoint = row.get("endpoint", DEFAULT_ENDPOINT)
    default_pool = OFFLINE if endpoint == OFFLINE else "free" if row["model"].endswith(":free") else "paid"
    max_tokens = _number(path, row, "max_tokens")
    if max_tokens is not None and (max_tokens < 1 or max_tokens != int(max_tokens)):
        raise _error(path, row, "max_tokens", "must be a whole number of 1 or more")
    system_prompt = row.get("system_prompt", "").removesuffix(".txt")
    if system_prompt and not is_safe_id(system_prompt):
        reason = f"'{system_prompt}' cannot be the name of a file"
        raise _error(path, row, "system_prompt", reason, "name a file of templates/system/, without its folder")
    return Model(
        row["id"],
        row["model"],
        endpoint,
        row.get("pool", default_pool),
        _flag(path, row, "for_generation"),
        _flag(path, row, "for_evaluation"),
        _number(path, row, "input_usd_per_mtok"),
        _number(path, row, "output_usd_per_mtok"),
        None if max_tokens is None else int(max_tokens),
        _number(path, row, "temperature"),
        row.get("display_name", row["id"]),
        row.get("provider", ""),
        row.line,
        row.get("reasoning_effort", ""),
        system_prompt,
    )


def _replicates(path: Path, row: Row) -> int:
    if row["stage"] not in STAGES:
        raise _error(path, row, "stage", f"'{row['stage']}' is none of {', '.join(STAGES)}")
    count = counting_number(row["replicates"])
    if count is None:
        raise _error(path, row, "replicates", f"'{row['replicates'][:20]}' is not a whole number of 1 or more")
    return count


def _flag(path: Path, row: Row, column: str) -> bool:
    text = row.get(column, "true").lower()
    if text in ("true", "1", "yes"):
        return True
    if text in ("false", "0", "no"):
        return False
    raise _error(path, row, column, f"'{row[column]}' is neither true nor false")


def _number(path: Path, row: Row, column: str) -> float | None:
    text = row.get(column)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise _error(path, row, column, f"'{text}' is not a number of 0 or more")
    return value
