"""Parsers: from a model's answer to the text, or the score, that the next step works with.

A parser takes the answer and returns text, or a number for a score. docs/architecture.md shows how to add one.

Answers are hostile input of any length, so no pattern here takes more than linear time.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from .errors import DayDreamError
from .stages import JUDGING, STAGES, WRITTEN

ESSAY_TAG = "essay"
DEFAULT_SCALE = 9.0
"""The best score of an evaluation template whose row names no scale_max."""
IN_LAST_LINE_RANGE = (0.0, 9.0)
COMPLEX_RANGE = (0.0, 10.0)
SCORE_0_100_RANGE = (0.0, 100.0)

REMEDIES = {
    "missing_essay_idea_block": "The answer has no complete <essay-idea> block with its tags alone on their "
    "lines: make the draft template ask for one, choose another parser for it, or regenerate.",
    "missing_essay_block": "The answer has no <essay> tag: make the template ask for one, choose another parser "
    "(essay_block_lenient takes the whole text), or regenerate.",
    "empty_response": "The answer, or the block in it, is empty: regenerate, or give the model more max_tokens "
    "if it spent them on reasoning.",
    "no_score_last_lines": "No score was found at the end of the answer: make the evaluation template ask for a "
    "last line 'SCORE: <0-9>', choose another parser, or regenerate.",
    "out_of_range": "The score is outside the parser's range: state the range in the evaluation template, choose "
    "the parser that fits its scale, or regenerate.",
    "unknown_parser": "The template's parser does not exist: correct the parser column of the template's catalog.",
    "refused": "The model declined: read raw.txt; then change the template, or take another model, or regenerate.",
    "truncated": "The answer was cut off: raise max_tokens for the stage or the model and regenerate, or set "
    "allow_truncated.",
    "min_lines_not_met": "The answer is too short: regenerate, or lower min_lines of the stage.",
}
"""Failure reason -> what to do about it, one sentence; for tables of failures."""

Parser = Callable[[str], str | float]


@dataclass(frozen=True)
class Reading:
    """What a parser of scores needs of an evaluation template.

    Attributes:
        highest: the best score that it can give.
        asked_by: is found in a template that asks for the line that the parser reads.
        line: that line, as people write it.
    """

    highest: float
    asked_by: re.Pattern[str]
    line: str


_PARSERS: dict[str, dict[str, Parser]] = {stage: {} for stage in STAGES}
_READINGS: dict[str, Reading] = {}


class ParseFailure(DayDreamError):
    """An answer does not hold what its parser looks for.

    Args:
        reason: a key of `REMEDIES`, or another word of a parser registered elsewhere.
        detail: what was found instead, short.
    """

    def __init__(self, reason: str, detail: str):
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}", REMEDIES.get(reason))

    def __reduce__(self) -> tuple[type["ParseFailure"], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


def register(name: str, *stages: str, reading: Reading | None = None) -> Callable[[Parser], Parser]:
    """Register the decorated function as a parser of that name for the stages.

    With `reading`, templates that do not ask for what it reads are refused before a call is made.
    """

    def add(function: Parser) -> Parser:
        for stage in stages:
            _PARSERS[stage][name] = function
        if reading is not None:
            _READINGS[name] = reading
        return function

    return add


def reading(name: str) -> Reading | None:
    """Return what a parser needs of a template, None where it takes any answer."""
    return _READINGS.get(name)


def summary(stage: str, name: str) -> str:
    """Return what a parser of a stage takes from an answer, in a sentence."""
    first = (_PARSERS[stage][name].__doc__ or "").partition("\n\n")[0]
    return " ".join(first.split()).removeprefix("Return ")


def names(stage: str) -> list[str]:
    """Return the names of the parsers of a stage (`draft`, `essay` or `evaluation`), sorted."""
    return sorted(_PARSERS[stage])


def parse(stage: str, parser: str, text: str) -> str:
    """Return what a parser takes from an answer.

    Args:
        stage: `draft`, `essay` or `evaluation`.
        parser: one of `names(stage)`.
        text: the answer, verbatim, of any length.

    Returns:
        Text for drafts and essays; for evaluations a line with the score as Python prints a float.

    Raises:
        ParseFailure: with `reason` and `detail`.
    """
    function = _PARSERS.get(stage, {}).get(parser)
    if function is None:
        known = ", ".join(sorted(_PARSERS.get(stage, {})))
        raise ParseFailure("unknown_parser", f"'{parser}' is no parser for stage {stage}; known: {known}")
    if not text.strip():
        raise ParseFailure("empty_response", f"the answer has {len(text)} characters, none of them visible")
    found = function(text)
    return found if isinstance(found, str) else f"{float(found)!r}\n"


@register("identity", *STAGES)
def identity(text: str) -> str:
    """Return the answer as it is."""
    return text


_IDEA_OPEN = re.compile(r"<essay-idea((?:\s[^<>]*)?)(?<!/)>", re.IGNORECASE | re.ASCII)
_IDEA_CLOSE = re.compile(r"</essay-idea\s*>", re.IGNORECASE | re.ASCII)
_ATTRIBUTE = re.compile(r"""(?<!\S)([^\s="']+)\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.ASCII)
_STAGE_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


@register("essay_idea_last", *WRITTEN)
def essay_idea_last(text: str) -> str:
    """Return the inner text of the ``<essay-idea>`` block with the highest stage, the last of several.

    Without a numeric stage anywhere it is the last block. Tags stand alone on their lines; a block that is
    opened again before it is closed starts anew. The text keeps its blanks, but not the line breaks next
    to the tags.

    Raises:
        ParseFailure: no complete block, or an empty one.
    """
    best: tuple[Decimal, str] | None = None
    for stage, inner in _idea_blocks(text):
        if best is None or stage >= best[0]:
            best = (stage, inner)
    if best is None:
        raise ParseFailure("missing_essay_idea_block", _describe("essay-idea", text))
    if not best[1].strip():
        raise ParseFailure("empty_response", f"the <essay-idea> block is empty; {_describe('essay-idea', text)}")
    return best[1]


def _idea_blocks(text: str) -> Iterator[tuple[Decimal, str]]:
    """Yield (stage, inner text) for each complete block; -1 for one without a numeric stage."""
    opened: tuple[Decimal, int] | None = None
    for start, line in _lines(text):
        tag = line.strip(" \t\r\n")
        if not tag.startswith("<") or not tag.endswith(">"):
            continue
        if opening := _IDEA_OPEN.fullmatch(tag):
            opened = (_stage_of(opening[1]), start + len(line))
        elif opened is not None and _IDEA_CLOSE.fullmatch(tag):
            inner = text[opened[1] : start]
            yield opened[0], inner.removesuffix("\n").removesuffix("\r")
            opened = None


def _stage_of(attributes: str) -> Decimal:
    for attribute in _ATTRIBUTE.finditer(attributes):
        value = (attribute[2] or attribute[3] or "").strip()
        if attribute[1].lower() == "stage" and _STAGE_NUMBER.fullmatch(value):
            return Decimal(value)
    return Decimal(-1)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (position, line with its line feed); only a line feed ends a line."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end + 1
        yield start, text[start:end]
        start = end


_ESSAY_OPEN = re.compile(r"<essay>", re.IGNORECASE | re.ASCII)
_ESSAY_CLOSE = re.compile(r"</essay>", re.IGNORECASE | re.ASCII)
_THINKING_OPEN = re.compile(r"<thinking>", re.IGNORECASE | re.ASCII)
_THINKING_CLOSE = re.compile(r"</thinking>", re.IGNORECASE | re.ASCII)


@register("essay_block", *WRITTEN)
def essay_block(text: str) -> str:
    """Return the stripped text of the first ``<essay>`` block; an unclosed one goes to the end.

    Raises:
        ParseFailure: no tag, or an empty block.
    """
    inner = _essay(text)
    if inner is None:
        raise ParseFailure("missing_essay_block", _describe(ESSAY_TAG, text))
    return _not_empty(inner, ESSAY_TAG, text)


@register("essay_block_lenient", *WRITTEN)
def essay_block_lenient(text: str) -> str:
    """Return what `essay_block` finds when ``<thinking>`` blocks are gone, or else all that remains.

    Raises:
        ParseFailure: nothing remains, or the block is empty.
    """
    remaining = _without_thinking(text)
    inner = _essay(remaining)
    return _not_empty(remaining.strip() if inner is None else inner, ESSAY_TAG, text)


def _essay(text: str) -> str | None:
    opening = _ESSAY_OPEN.search(text)
    if opening is None:
        return None
    closing = _ESSAY_CLOSE.search(text, opening.end())
    return text[opening.end() : closing.start() if closing else len(text)].strip()


def _without_thinking(text: str) -> str:
    # A pattern over both tags would scan to the end once per unclosed tag.
    kept: list[str] = []
    position = 0
    while opening := _THINKING_OPEN.search(text, position):
        closing = _THINKING_CLOSE.search(text, opening.end())
        if closing is None:
            break
        kept.append(text[position : opening.start()])
        position = closing.end()
    return "".join(kept) + text[position:]


def _not_empty(inner: str, tag: str, text: str) -> str:
    if not inner:
        raise ParseFailure("empty_response", f"nothing is left to take; {_describe(tag, text)}")
    return inner


def _describe(tag: str, text: str) -> str:
    return f"looked for <{tag}> in {len(text)} characters that end in {text[-80:]!r}"


# Only ASCII digits count, in all of the patterns below: float() would take others as well.
_WHOLE_LINE = re.compile(r"score:\s*([0-9](?:\.[0-9]+)?)\.?", re.IGNORECASE)
_HEADER = r"(?:final\s+|total\s+)?score(?::\s*|\s+)"
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
_IN_LINE = re.compile(
    rf"{_HEADER}(?:(?P<digits>[0-9],?\s?[0-9],?\s?[0-9])(?![0-9./])"
    rf"|(?P<number>{_NUMBER})(?:(?=\s|\.?$)|/9(?![0-9]|\.[0-9])))",
    re.IGNORECASE,
)
_WHOLE_LINE_0_100 = re.compile(r"^score:\s*([0-9]{1,3}(?:\.[0-9]+)?)$", re.IGNORECASE)
_IN_LINE_0_100 = re.compile(rf"{_HEADER}({_NUMBER})(?:(?=\s|$)|/100(?![0-9]|\.[0-9]))", re.IGNORECASE)
_ANGLED = re.compile(rf"({_HEADER})<\s*({_NUMBER})\s*>", re.IGNORECASE)
_FRACTION = re.compile(rf"{_HEADER}({_NUMBER})/({_NUMBER})", re.IGNORECASE)
_PLAIN = re.compile(rf"{_HEADER}({_NUMBER})(?=\s|$)", re.IGNORECASE)
# a number that is no fraction ends its line: "score" may end a line of prose, and a list begin on the next
_ON_TWO_LINES = re.compile(
    rf"(?<![^\W_])score(?P<between>[\s:*_`>]++)(?P<upper>{_NUMBER})"
    rf"(?:/(?P<lower>{_NUMBER})|\.?[ \t*_`]*+(?:\n|\Z))",
    re.IGNORECASE,
)

# "SCORE: <0-9>", "**Final score**: N", "Score 7", "Score (0 to 9)"; not the word in a sentence
_ASKS_FOR_SCORE = re.compile(r"score[\s*_`\"']{0,4}(?::|[<\[({]|[0-9])", re.IGNORECASE)
# the number may be asked for on the next line, such as **<0-10>/10**
_ASKS_FOR_SCORE_BELOW = re.compile(r"score[\s*_`\"']{0,12}(?::|[<\[({]|[0-9])", re.IGNORECASE)


def _line_of(highest: float, asked_by: re.Pattern[str] = _ASKS_FOR_SCORE) -> Reading:
    return Reading(highest, asked_by, f"SCORE: <0-{highest:g}>")


@register("in_last_line", JUDGING, reading=_line_of(IN_LAST_LINE_RANGE[1]))
def in_last_line(text: str) -> float:
    """Return the score that one of the last three non-empty lines states, 0 to 9.

    A line that is nothing but ``score: <digit>`` comes first, the last of several; then, from the last line
    upwards, three single digits (their mean) or a number after the word score. A number may stand in angle
    brackets, and a full stop may end its line.

    Raises:
        ParseFailure: no score in these lines, or one outside the range.
    """
    lines = [_ANGLED.sub(r"\1\2", line) for line in _last_lines(text)]
    for line in reversed(lines):
        if whole := _WHOLE_LINE.fullmatch(line):
            return _in_range(float(whole[1]), whole[1], IN_LAST_LINE_RANGE)
    for line in reversed(lines):
        if hit := _IN_LINE.search(line):
            if hit["digits"]:
                digits = [int(character) for character in hit["digits"] if character.isdecimal()]
                return sum(digits) / len(digits)
            return _in_range(float(hit["number"]), hit["number"], IN_LAST_LINE_RANGE)
    raise _no_score(lines)


@register("score_0_100", JUDGING, reading=_line_of(SCORE_0_100_RANGE[1]))
def score_0_100(text: str) -> float:
    """Return the score that one of the last three non-empty lines states, 0 to 100.

    A line that is nothing but ``score: <number>`` comes first, the last of several; then, from the last line
    upwards, a number after the word score. A number may stand in angle brackets, and a full stop may end its line.

    Raises:
        ParseFailure: no score in these lines, or one outside the range.
    """
    lines = [_ANGLED.sub(r"\1\2", line).removesuffix(".") for line in _last_lines(text)]
    for pattern in (_WHOLE_LINE_0_100, _IN_LINE_0_100):
        for line in reversed(lines):
            if hit := pattern.search(line):
                return _in_range(float(hit[1]), hit[1], SCORE_0_100_RANGE)
    raise _no_score(lines)


@register("complex", JUDGING, reading=_line_of(COMPLEX_RANGE[1], _ASKS_FOR_SCORE_BELOW))
def complex_score(text: str) -> float:
    """Return the last score that the last 30 lines state, 0 to 10; ``a/b`` counts as a tenth part of ten.

    On one line, scores with ``a/b`` come before all others. Header and number may stand on two lines with only
    blanks, a colon or marks between them; the last such score comes before those of earlier lines.

    Raises:
        ParseFailure: no score in these lines, or one outside the range.
    """
    lines = [line.strip() for line in _split(text.strip().replace("**", "").replace("#", ""))][-30:]
    found = [hit for hit in (_on_two_lines(lines), _on_one_line(lines)) if hit is not None]
    if not found:
        raise _no_score(lines)
    _, upper, lower = max(found, key=lambda hit: hit[0])
    if lower is None:
        return _in_range(float(upper), upper, COMPLEX_RANGE)
    shown = f"{upper}/{lower}"
    if float(lower) == 0:
        raise _out_of_range(shown, COMPLEX_RANGE)
    return _in_range(float(upper) / float(lower) * 10, shown, COMPLEX_RANGE)


# index of the header's line, the number, and what it is out of where that is said
_Hit = tuple[int, str, str | None]


def _on_one_line(lines: list[str]) -> _Hit | None:
    for index, line in reversed(list(enumerate(lines))):
        if fractions := _FRACTION.findall(line):
            return index, *fractions[-1]
    for index, line in reversed(list(enumerate(lines))):
        if numbers := _PLAIN.findall(line):
            return index, numbers[-1], None
    return None


def _on_two_lines(lines: list[str]) -> _Hit | None:
    text = "\n".join(lines)
    hits = [hit for hit in _ON_TWO_LINES.finditer(text) if "\n" in hit["between"]]
    return (text.count("\n", 0, hits[-1].start()), hits[-1]["upper"], hits[-1]["lower"]) if hits else None


def _last_lines(text: str) -> list[str]:
    stripped = (line.strip() for line in _split(re.sub(r"[*#`]", "", text)))
    return [line for line in stripped if line][-3:]


def _split(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _in_range(score: float, shown: str, limits: tuple[float, float]) -> float:
    if not limits[0] <= score <= limits[1]:
        raise _out_of_range(shown, limits)
    return score + 0.0  # -0.0 becomes 0.0


def _out_of_range(shown: str, limits: tuple[float, float]) -> ParseFailure:
    return ParseFailure("out_of_range", f"{shown[:40]} is not between {limits[0]:g} and {limits[1]:g}")


def _no_score(lines: list[str]) -> ParseFailure:
    shown = " | ".join(line[-80:] for line in lines[-3:])
    return ParseFailure("no_score_last_lines", f"the last lines are {shown!r}")
