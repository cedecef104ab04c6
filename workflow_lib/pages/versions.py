"""How the prompt that was sent differs from the one that would be sent today."""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_WORD = re.compile(r"\S+\s*|\s+")
_LINE = re.compile(r".*\n|.+")
MAX_WORDS = 3_000
"""Words up to which texts are compared word by word; longer ones line by line."""
CONTEXT = 160
"""Characters of a common part that are shown on either side of a difference."""
SAME, GONE, NEW, SKIPPED = "same", "gone", "new", "skipped"


class Part(NamedTuple):
    """A part of a difference; `kind` is SAME, GONE (from the old text), NEW, or SKIPPED (what both have)."""

    kind: str
    text: str


def difference(old: str, new: str) -> list[Part]:
    """Return the parts of two texts in order, common parts without their middle; empty if the texts are equal."""
    if old == new:
        return []
    before, after = _WORD.findall(old), _WORD.findall(new)
    if max(len(before), len(after)) > MAX_WORDS:
        before, after = _LINE.findall(old), _LINE.findall(new)
    return list(_parts(before, after))


def _parts(before: Sequence[str], after: Sequence[str]) -> Iterator[Part]:
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=len(before) > MAX_WORDS)
    codes = matcher.get_opcodes()
    for place, (_, old_start, old_end, new_start, new_end) in enumerate(codes):
        gone, added = "".join(before[old_start:old_end]), "".join(after[new_start:new_end])
        if gone == added:
            yield from _shortened(gone, place == 0, place == len(codes) - 1)
            continue
        if gone:
            yield Part(GONE, gone)
        if added:
            yield Part(NEW, added)


def _shortened(text: str, is_first: bool, is_last: bool) -> Iterator[Part]:
    head, tail = (0 if is_first else CONTEXT), (0 if is_last else CONTEXT)
    if len(text) <= head + tail + CONTEXT:
        yield Part(SAME, text)
        return
    if head:
        yield Part(SAME, text[:head])
    yield Part(SKIPPED, f"{len(text) - head - tail:,} characters that are the same")
    if tail:
        yield Part(SAME, text[-tail:])
