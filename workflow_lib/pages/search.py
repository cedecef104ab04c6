"""The search index of a cohort's page: which words stand in which texts, in a page of its own beside it."""

import base64
import itertools
import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..stages import JUDGING
from . import html, texts
from .documents import Document, Store, drafts_of

_WORD = re.compile(r"[^\W_]{2,30}")
MAX_WORDS = 20_000
"""Different words of one text that are kept; more of them are no prose."""
MAX_JUDGEMENTS = 5_000
"""Judgements up to which their words are searched, too."""
MAX_BYTES = 500_000
"""Size of the packed index above which the words of judgements are left out."""
EXCERPT = 100
"""Characters of a text that are kept as they are, for searches that hit them."""
ID_LENGTH = 8
"""First characters of a judgement's id that are kept: they hold 30 bits that differ."""


def words(text: str) -> set[str]:
    """Return the words of a text in lower case: runs of 2 to 30 letters and digits."""
    return set(_WORD.findall(text.lower()))


SCRIPTS = ("lend.js",)
"""The cohort's page opens this one in a frame when something is searched for, and is sent the index."""


def page(store: Store, documents: Sequence[Document], common: Mapping[str, Any]) -> str:
    """Return the page that holds the index and the beginnings of the documents' texts.

    Args:
        store: where the texts are.
        documents: in the order of the cohort's page.
        common: what all pages of the cohort are given.
    """
    packed = pack(store, documents)
    packed["excerpts"] = [texts.excerpt(document.text or "", document.title, EXCERPT) for document in documents]
    return html.render("search.html.j2", scripts=SCRIPTS, **common, index=html.json_data(packed))


def pack(store: Store, documents: Sequence[Document]) -> dict[str, Any]:
    """Return the index of a cohort's texts: those of its documents, then their drafts, then judgements.

    Returns:
        ``data``: base64 of zlib of: two 32-bit big-endian sizes, the words and what `build` returns for them, a byte
        that is 1 if a text per document with the answers of its judges is in it, and a line per document
        with the beginnings of the ids of its judgements. ``judgements``: that byte, true or false.
    """
    own = [document.text or "" for document in documents]
    drafts = [store.parsed(draft) or "" for draft in drafts_of(documents)]
    number = sum(len(document.scores) for document in documents)
    if 0 < number <= MAX_JUDGEMENTS:
        packed = _packed([*own, *drafts, *_judged(store, documents)], documents, True)
        if len(packed) <= MAX_BYTES:
            return {"data": packed, "judgements": True}
    return {"data": _packed([*own, *drafts], documents, False), "judgements": False}


def build(contents: Sequence[str]) -> tuple[list[str], bytes]:
    """Return the words of texts, rare ones first, and for each which texts have it.

    Per word there is a head, twice the number of texts that follow, plus one if these are the texts that lack
    the word: so a common word costs no more than a rare one. The texts follow as the gaps between their
    numbers, counted from -1, less one. All are numbers of seven bits per byte, the lowest first, with the
    eighth bit set in all bytes but the last.
    """
    found: dict[str, list[int]] = defaultdict(list)
    for number, text in enumerate(contents):
        different = words(text)
        for word in different if len(different) <= MAX_WORDS else sorted(different)[:MAX_WORDS]:
            found[word].append(number)
    # words of equal frequency side by side compress best
    ordered = sorted(found, key=lambda word: (len(found[word]), word))
    packed = bytearray()
    for word in ordered:
        having = found[word]
        lacks = len(having) * 2 > len(contents)
        if lacks:
            present = set(having)
            having = [number for number in range(len(contents)) if number not in present]
        _append(packed, 2 * len(having) + lacks)
        gaps = [number - last - 1 for last, number in itertools.pairwise([-1, *having])]
        if max(gaps, default=0) < 128:
            packed += bytes(gaps)
        else:
            for gap in gaps:
                _append(packed, gap)
    return ordered, bytes(packed)


def _packed(contents: Sequence[str], documents: Iterable[Document], has_judgements: bool) -> str:
    ordered, postings = build(contents)
    listed = "\n".join(ordered).encode()
    ids = "\n".join(" ".join(score.gen_id[:ID_LENGTH] for score in document.scores) for document in documents)
    sizes = struct.pack(">II", len(listed), len(postings))
    whole = sizes + listed + postings + bytes([has_judgements]) + ids.encode()
    return base64.b64encode(zlib.compress(whole, 9)).decode()


def _judged(store: Store, documents: Iterable[Document]) -> list[str]:
    def answer(gen_id: str) -> str:
        return texts.read(store.data.generation(JUDGING, gen_id).raw) or ""

    return ["\n".join(answer(score.gen_id) for score in document.scores) for document in documents]


def _append(packed: bytearray, number: int) -> None:
    while number > 127:
        packed.append(number & 127 | 128)
        number >>= 7
    packed.append(number)
