"""The search index of a page: which words stand in which documents, small enough to be part of it."""

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

_WORD = re.compile(r"[^\W_]{2,30}")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
MAX_WORDS = 20_000
"""Different words of one document that are kept; more of them are no prose."""


def words(text: str) -> set[str]:
    """Return the words of a text in lower case: runs of 2 to 30 letters and digits."""
    return set(_WORD.findall(text.lower()))


def build(texts: Sequence[str]) -> list[str]:
    """Return [words, documents], two texts with a line per word, words sorted.

    A line of documents holds the gaps between the numbers of the documents that have the word, counted
    from -1, in base 36 with a comma behind each; a gap of 1 is nothing but its comma. A line that begins
    with ``!`` has those that lack the word: so a common word costs no more than a rare one.
    """
    found: dict[str, list[int]] = defaultdict(list)
    for number, text in enumerate(texts):
        for word in sorted(words(text))[:MAX_WORDS]:
            found[word].append(number)
    ordered = sorted(found)
    everything = range(len(texts))
    lines = []
    for word in ordered:
        having = found[word]
        if len(having) * 2 > len(texts):
            present = set(having)
            lines.append("!" + _gaps([number for number in everything if number not in present]))
        else:
            lines.append(_gaps(having))
    return ["\n".join(ordered), "\n".join(lines)]


def _gaps(numbers: Sequence[int]) -> str:
    return "".join(f"{'' if gap == 1 else _base36(gap)}," for gap in (b - a for a, b in pairwise([-1, *numbers])))


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"
