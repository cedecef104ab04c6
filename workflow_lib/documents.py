"""YAML and JSON that people write: safe-loaded, with line and column of a mistake, and no key given twice."""

import json
from pathlib import Path
from typing import Any

import yaml

from .errors import PlacedError

MAX_DEPTH = 32  # libyaml's composer recurses in C and crashes the process on deeply nested input


def parse_yaml(path: Path, text: str) -> Any:
    """Return the content of a YAML document, None for an empty one.

    Args:
        path: where the text comes from, for messages.
        text: the document.

    Raises:
        PlacedError: malformed, a key given twice, or nested too deeply; with the line.
    """
    try:
        _check_depth(path, text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check_keys(path, node)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        hint, mark = _way_out(error, reason, text)
        raise PlacedError(path, _mark_place(mark) if mark else "", f"not valid YAML ({reason})", hint) from None
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0]
        raise PlacedError(path, "", f"not valid YAML ({reason})", "save it as plain UTF-8 text") from None


def parse_json(path: Path, text: str) -> Any:
    """Return the content of a JSON document; arguments and errors as for `parse_yaml`."""
    try:
        return json.loads(text, object_pairs_hook=_unique_keys)
    except _KeyTwice as error:
        # the JSON reader does not know where; nearly all JSON is YAML, whose reader does
        parse_yaml(path, text)
        raise _key_twice(path, "", str(error)) from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise PlacedError(path, place, f"not valid JSON ({error.msg})", "correct the JSON there") from None
    except ValueError as error:
        raise PlacedError(path, "", f"not valid JSON ({error})", "put long numbers in quotes") from None
    except RecursionError:
        raise _too_deep(path, "") from None


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader; a value that looks like a date or number but is none is reported with its line."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise yaml.constructor.ConstructorError(
                None, None, f"{error}; put the value in quotes", node.start_mark
            ) from None


def _way_out(error: yaml.MarkedYAMLError, reason: str, text: str) -> tuple[str, Any]:
    """Return what to do about a mistake, and the mark of where to do it."""
    mark = error.problem_mark or error.context_mark
    found = _character_at(text, mark)
    if found == "\t" or "tab character" in reason:
        return "YAML takes no tabs there: indent with spaces", mark
    if found == "@":
        return 'a value that begins with @ needs quotes: "@file:items/levels.csv"', mark
    for sign, words in (("*", "alias"), ("&", "anchor"), ("!", "the tag"), (found, "cannot start any token")):
        if words in reason:
            return f'a value that begins with {sign} needs quotes: "{sign}..."', mark
    if "quoted scalar" in reason and "end of stream" in reason:
        return "close the quote that is opened there", error.context_mark
    if "flow sequence" in reason or "flow mapping" in reason:
        return "close the bracket that is opened there, and put a comma between its parts", error.context_mark
    if "expected ':'" in reason:
        return "a key is followed by a colon and a space: key: value", mark
    if "mapping values are not allowed" in reason:
        return "a text with a colon and a space in it needs quotes; a key begins in the column of its neighbours", mark
    if "another document" in reason:
        return "remove the line ---: one document is read", mark
    return "correct the YAML there; keys that belong together begin in the same column", mark


def _character_at(text: str, mark: Any) -> str:
    lines = text.splitlines()
    if mark is None or mark.line >= len(lines):
        return ""
    return str(lines[mark.line][mark.column : mark.column + 1])


def _mark_place(mark: Any) -> str:
    return f"line {mark.line + 1} column {mark.column + 1}"


def _check_depth(path: Path, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _too_deep(path, _mark_place(event.start_mark))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _too_deep(path: Path, place: str) -> PlacedError:
    return PlacedError(
        path, place, "lists and mappings are nested too deeply", "five levels are enough for all there is"
    )


def _check_keys(path: Path, root: yaml.Node) -> None:
    """A key given twice silently drops what the first one said, so it is an error."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            waiting.extend(child for pair in node.value for child in pair)
            first: dict[tuple[str, str], int] = {}
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    continue
                line = key.start_mark.line + 1
                name = (key.tag, key.value)
                if name in first:
                    raise _key_twice(path, f"line {line}", key.value, f" (first in line {first[name]})")
                first[name] = line


def _key_twice(path: Path, place: str, key: str, where: str = "") -> PlacedError:
    return PlacedError(path, place, f"the key '{key}' is given twice{where}", "join the two or rename one")


class _KeyTwice(ValueError):
    pass


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise _KeyTwice(key)
        mapping[key] = value
    return mapping
