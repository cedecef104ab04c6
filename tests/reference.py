"""The parts of the docs that come from code: settings, commands, and failures as they were provoked.

config/config.schema.yaml comes from the models of the settings, the captions in report/ from `contents`.
A page holds its parts between `<!-- generated: NAME -->` and `<!-- end -->`; scripts/write-docs puts them there.
"""

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from tests import provoked, wrong_inputs
from tests.project import SOURCE
from workflow_lib import cli, contents, parsers, settings
from workflow_lib.settings import schema
from workflow_lib.stages import JUDGING, WRITTEN

DOCS = SOURCE / "docs"
REPORT = SOURCE / "report"
REPAIR = ".venv/bin/python scripts/write-docs"
_BLOCK = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
# mappings by name, and how the table writes such a name
_NAMED = {"stages": "STAGE", "endpoints": "NAME", "pools": "NAME"}


def page(text: str) -> str:
    """Return a page with its generated parts as they are now."""
    return _BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}\n{found[3]}", text)


def pages() -> list[Path]:
    """Return the pages that have generated parts."""
    candidates = [*sorted(DOCS.glob("*.md")), SOURCE / "data" / "1_raw" / "README.md"]
    return [path for path in candidates if _BLOCK.search(path.read_text())]


def write() -> None:
    """Bring the schema of the settings, the captions and the generated parts of all pages up to date."""
    schema.SCHEMA_FILE.write_text(schema.schema_text())
    write_captions()
    for path in pages():
        path.write_text(page(path.read_text()))


def captions() -> dict[Path, str]:
    """Return the file of each caption of `snakemake --report` and its content."""
    listed = {
        "tables": contents.SCORES | contents.SUMMARY_TABLES | contents.ANALYSIS_TABLES,
        "figures": contents.FIGURES,
    }
    return {
        REPORT / f"{name}_{kind}.rst": f"{sentence}\n"
        for kind, sentences in listed.items()
        for name, sentence in sentences.items()
    }


def write_captions() -> None:
    """Bring the captions of `snakemake --report` up to date."""
    for path, text in captions().items():
        path.write_text(text)


def settings_table() -> str:
    """Return every setting: key, type, default, meaning with unit."""
    rows = [(f"`{key}`", *cells) for key, *cells in _settings(schema.json_schema(), "", settings.Settings())]
    return _table(("key", "type", "default", "meaning"), rows)


def _settings(part: Mapping[str, Any], prefix: str, values: Any) -> Iterable[tuple[str, str, str, str]]:
    for key, short in part["properties"].items():
        inner, name, value = _whole(short), f"{prefix}{key}", getattr(values, key)
        if key in _NAMED:
            yield name, "mapping", "", inner["description"]
            own = _whole(next(iter((inner.get("properties") or inner["patternProperties"]).values())))
            for field, one in own["properties"].items():
                found = {which: getattr(given, field) for which, given in value.items()}
                yield f"{name}.{_NAMED[key]}.{field}", _type(one), _by_name(found), one["description"]
        elif "$ref" in short:
            yield name, "mapping", "", inner["description"]
            yield from _settings(inner, f"{name}.", value)
        else:
            yield name, _type(inner), _value(value), inner["description"]


def _whole(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a part of the schema with what its $ref stands for."""
    if "$ref" not in part:
        return part
    return {**schema.json_schema()["$defs"][part["$ref"].rsplit("/", 1)[1]], **part}


def _by_name(found: Mapping[str, Any]) -> str:
    if len({_value(value) for value in found.values()}) == 1:
        return _value(next(iter(found.values())))
    return "; ".join(f"{name}: {_value(value)}" for name, value in found.items() if _value(value))


def _type(part: Mapping[str, Any]) -> str:
    if "enum" in part:
        return " or ".join(f"`{choice}`" for choice in part["enum"])
    kinds = [one["type"] for one in part.get("anyOf", [part])]
    text = " or ".join(kinds).replace("object", "mapping").replace("array", "list")
    limits = [(">=", "minimum"), (">", "exclusiveMinimum"), ("<=", "maximum")]
    return ", ".join([text, *(f"{sign} {part[key]}" for sign, key in limits if key in part)])


def _value(value: Any) -> str:
    if value in (None, {}, []):
        return ""
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def commands() -> str:
    """Return the --help text of every command."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    try:
        parser = cli.build_parser()
        texts = [("daydream", parser.format_help())]
        choices = next(action.choices for action in parser._actions if isinstance(action.choices, dict))
        texts += [(f"daydream {name}", own.format_help()) for name, own in choices.items()]
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before
    return "\n\n".join(f"## {name}\n\n```text\n{text.rstrip()}\n```" for name, text in texts)


def failed_calls() -> str:
    """Return what comes of every way a call can fail."""
    # a pool gives back its slots, and writes that down, a moment after the last call
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        seen = list(provoked.calls(Path(folder)))
    return _failures(seen, ("what happens", "reason", "requests sent", "of them perhaps billed"), _call_row)


def failed_parses() -> str:
    """Return what comes of every way an answer can fail to be parsed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        seen = list(provoked.parses(Path(folder)))
    return _failures(seen, None, None)


def before_the_first_call() -> str:
    """Return every input that can be known to be wrong before a call, and what is said of it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        rows = [(what, _in_cell(text)) for what, text in wrong_inputs.messages(Path(folder, "wrong"))]
        rows.append(("more generations than `max_generations`", _in_cell(wrong_inputs.explosion(Path(folder, "many")))))
        rows.append(("no key (only a run looks for it)", _in_cell(provoked.missing_key(Path(folder, "key")))))
    return _table(("what is wrong", "what is said"), rows)


def _in_cell(text: str) -> str:
    message, hint = text.split("\nHint: ")
    # messages have single backticks in them
    return f"`` {message} ``<br>Hint: `` {hint} ``"


def _call_row(one: provoked.Provoked) -> tuple[str, ...]:
    return one.what, f"`{one.reason}`", str(one.tries), str(one.maybe_billed)


def _failures(
    seen: Iterable[provoked.Provoked],
    header: tuple[str, ...] | None,
    row: Callable[[provoked.Provoked], tuple[str, ...]] | None,
) -> str:
    parts = []
    for files, group in groupby(seen, lambda one: one.files):
        same = list(group)
        if header and row:
            parts.append(_table(header, map(row, same)))
        parts.append(f"In the folder afterwards: {', '.join(f'`{name}`' for name in files)}.")
        parts.append("```text\n" + "\n".join(_said(one) for one in same) + "\n```")
    return "\n\n".join(parts)


def _said(one: provoked.Provoked) -> str:
    return f"{one.reason}: {one.message}\n    {one.remedy}"


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    header = list(header)
    lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def score_parsers() -> str:
    """Return every parser of scores: what it takes, its range, and the line that a template must ask for."""
    found = [(name, parsers.summary(JUDGING, name), parsers.reading(name)) for name in parsers.names(JUDGING)]
    rows = [
        (f"`{name}`", takes, f"0 to {reading.highest:g}", f"`{reading.line}`")
        for name, takes, reading in found
        if reading
    ]
    rows += [(f"`{name}`", takes, "what the answer is", "any") for name, takes, reading in found if not reading]
    return _table(("parser", "takes", "range", "a line such as"), rows)


def text_parsers() -> str:
    """Return every parser of texts, and what it takes."""
    rows = []
    for name in sorted({name for stage in WRITTEN for name in parsers.names(stage)}):
        stages = [stage for stage in WRITTEN if name in parsers.names(stage)]
        rows.append((f"`{name}`", " and ".join(stages), parsers.summary(stages[0], name)))
    return _table(("parser", "stages", "takes"), rows)


def calibration() -> str:
    """Return the table of the last calibration; benchmarks/calibration.py makes it anew in minutes."""
    return (SOURCE / "benchmarks" / "results" / "calibration.md").read_text(encoding="utf-8").rstrip()


BLOCKS: dict[str, Callable[[], str]] = {
    "calibration": calibration,
    "score-parsers": score_parsers,
    "text-parsers": text_parsers,
    "settings": settings_table,
    "commands": commands,
    "failed-calls": failed_calls,
    "failed-parses": failed_parses,
    "before-the-first-call": before_the_first_call,
}
