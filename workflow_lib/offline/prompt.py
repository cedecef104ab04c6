"""What a prompt gives and asks for, as far as the offline models understand it."""

import re
from dataclasses import dataclass
from functools import lru_cache

_SENTENCE_END = re.compile(r"(?<=[.!?])[ \n]+(?=[A-Z\"'(*])")
_HEADING = re.compile(r"^#{1,6} +(\S.{0,119})$")
_LISTED_CONCEPT = re.compile(
    r"^ {0,3}(?:[-*]|[0-9]{1,3}[.)]) +\*{0,2}([^:*`#]{3,60}?)\*{0,2} ?(?::|--|—)\*{0,2} +(\S.+)$"
)
_TASK_HEADING = re.compile(
    r"(?:(?:your|the) )?(?:tasks?|output|output format|format|instructions?|rules|constraints?|answer|what to write)",
    re.IGNORECASE,
)
_WORDS_ASKED = re.compile(r"\b([0-9]{2,5})(?: ?(?:-|–|to|and) ?([0-9]{2,5}))?[ -]?words?\b", re.IGNORECASE)
_EACH = re.compile(r"\b(?:each|every|per)\b", re.IGNORECASE)
_STAGE_NUMBER = re.compile(r"\bstage ?= ?[\"']?([0-9]{1,2})\b", re.IGNORECASE)
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7}
_MOST_STAGES = 12
_STAGES_ASKED = re.compile(
    r"\b([0-9]{1,2}|two|three|four|five|six|seven)(?: (?:to|or|and) ([0-9]{1,2}|two|three|four|five|six|seven))?"
    r"(?: [a-z-]{1,20}){0,2} (?:stages|blocks|versions|passes|rounds|turns)\b",
    re.IGNORECASE,
)
_NAMED_HEADING = re.compile(r"[`\"“'](#{1,4}) ([^`\"”'#\n<>{}]{2,80})[`\"”']")
_THESE_HEADINGS = re.compile(r"\b(?:these|following|those) (?:[a-z]{1,20} )?headings\b", re.IGNORECASE)
_LIST_WORDS = re.compile(r"(?<!no )\b(?:bullets?|bulleted|numbered|list of|as a list)\b", re.IGNORECASE)
_SPEECH = re.compile(r"^[A-Z]{3,12}: ")
_SPEAKER = re.compile(r"\b[A-Z]{3,12}\b")
_FENCE = re.compile(r"<(response-[0-9a-z]+)>")
# "SCORE: <0-9>", "**Final score**: [0-10]/10", "### Score" and "(0 to 100)" on the next line
_SCORE_ASKED = re.compile(
    r"(?P<before>(?:#{1,4} )?(?:\*\*)?(?:(?:final|total) )?score(?:\*\*)?(?::|\n)(?:\*\*)? ?(?:\*\*)?)"
    r"[<\[({](?P<range>[^<>\[\](){}\n]{1,20})[>\])}](?:/(?P<out_of>[1-9][0-9]{0,2}))?(?P<marks>(?:\*\*)?)",
    re.IGNORECASE,
)
_SCALE_END = re.compile(r"(?<![0-9])[0-9]{1,3}(?![0-9])")
_TITLE_WORDS = re.compile(r"\b(?:title|headline)\b", re.IGNORECASE)
_HEADING_WORDS = re.compile(r"\b(?:headings?|subheadings?|headers|titled sections)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Concept:
    """A concept as the prompt shows it: its name and the sentences that describe it."""

    name: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Brief:
    """What a prompt asks a writer for.

    Attributes:
        concepts: the given concepts in their order; empty if none were recognised.
        draft: the text to be reworked; empty for a first draft.
        instructions: the prompt without the concepts' texts and without the draft.
        words: length asked for in words, 0 if the prompt names none.
        words_each: the length is meant for every stage.
        stages: number of ``<essay-idea>`` blocks asked for, 0 for none.
        thinking, essay: a ``<thinking>`` or an ``<essay>`` block is asked for.
        headings: Markdown headings asked for, with their hashes.
        sections, title, items: headings of the writer's choice, a title, a list are asked for.
        speakers: the two speakers of a dialogue, empty for prose.
    """

    concepts: tuple[Concept, ...]
    draft: str
    instructions: str
    words: int
    words_each: bool
    stages: int
    thinking: bool
    essay: bool
    headings: tuple[str, ...]
    sections: bool
    title: bool
    items: bool
    speakers: tuple[str, ...]


def read_brief(prompt: str) -> Brief:
    """Read a writer's prompt. Never fails: what is not recognised stays empty."""
    draft, rest = cut_block(prompt, "draft")
    concepts, instructions = ((), rest) if draft else _take_concepts(rest)
    if not draft and not concepts and len(instructions) > 1500:
        draft = instructions
    lowered = instructions.lower()
    words, words_each = _words_asked(instructions)
    return Brief(
        concepts=concepts,
        draft=draft,
        instructions=instructions,
        words=words,
        words_each=words_each,
        stages=_stages_asked(instructions, len(concepts)) if "<essay-idea" in lowered else 0,
        thinking="<thinking>" in lowered,
        essay="<essay>" in lowered,
        headings=_headings_asked(instructions),
        sections=bool(_HEADING_WORDS.search(instructions)),
        title=bool(_TITLE_WORDS.search(instructions)),
        items=bool(_LIST_WORDS.search(instructions)),
        speakers=_speakers(instructions),
    )


def cut_block(text: str, tag: str) -> tuple[str, str]:
    """Return the text between the lines ``<tag>`` and ``</tag>`` (first and last), and all the rest.

    Without such lines the first is empty.
    """
    opening, closing = f"<{tag}>", f"</{tag}>"
    lines = text.split("\n")
    starts = [i for i, line in enumerate(lines) if line.strip() == opening]
    ends = [i for i, line in enumerate(lines) if line.strip() == closing]
    if not starts or not ends or ends[-1] < starts[0]:
        return "", text
    first, last = starts[0], ends[-1]
    return "\n".join(lines[first + 1 : last]), "\n".join(lines[:first] + lines[last + 1 :])


def judged(prompt: str) -> tuple[str | None, str]:
    """Return the text that a prompt gives to judge, None if it marks none, and the prompt without it.

    A text is fenced by lines ``<response-WORD>`` and ``</response-WORD>``, whatever it holds itself; or else it
    stands between the last lines ``<response>`` and ``</response>``.
    """
    lines = prompt.split("\n")
    for start, line in enumerate(lines):
        if fence := _FENCE.fullmatch(line.strip()):
            closing = f"</{fence[1]}>"
            ends = (i for i in range(start + 1, len(lines)) if lines[i].strip() == closing)
            if end := next(ends, None):
                rest = "\n".join(lines[:start] + lines[end + 1 :])
                # the word is another one in every prompt, and no part of the rubric
                return "\n".join(lines[start + 1 : end]), rest.replace(fence[1].removeprefix("response-"), "")
    text = last_block(prompt, "response")
    return text, prompt if text is None or not text.strip() else prompt.replace(text, "", 1)


def last_block(text: str, tag: str) -> str | None:
    """Return the text between the last line ``</tag>`` and the last line ``<tag>`` before it, or None."""
    lines = text.split("\n")
    end = next(
        (i for i in range(len(lines) - 1, -1, -1) if lines[i].strip() == f"</{tag}>"),
        None,
    )
    if end is None:
        return None
    start = next((i for i in range(end - 1, -1, -1) if lines[i].strip() == f"<{tag}>"), None)
    return None if start is None else "\n".join(lines[start + 1 : end])


@dataclass(frozen=True)
class ScoreLine:
    """The wording in which a rubric asks for its score.

    Attributes:
        before, after: what stands around the number, such as ``SCORE: `` and nothing, or ``Score: `` and ``/10``.
        highest: the best score.
    """

    before: str
    after: str
    highest: int


@lru_cache(maxsize=64)
def score_line(rubric: str) -> ScoreLine:
    """Return the wording of the last line in which a rubric asks for a score; ``SCORE: n`` up to 9 without one."""
    asked = list(_SCORE_ASKED.finditer(rubric[-4000:]))
    if not asked:
        return ScoreLine("SCORE: ", "", 9)
    found = asked[-1]
    numbers = [int(number) for number in _SCALE_END.findall(found["range"])]
    highest = max([*numbers, int(found["out_of"] or 0)]) or 9
    out_of = f"/{found['out_of']}" if found["out_of"] else ""
    return ScoreLine(found["before"], f"{out_of}{found['marks']}", highest)


def sentences(text: str) -> list[str]:
    """Return the whole sentences of running text that can stand elsewhere: 30 to 320 characters each.

    Headings, list markers, speakers, tags and emphasis are dropped.
    """
    found: list[str] = []
    for paragraph in text.split("\n"):
        line = paragraph.strip()
        if not line or line[0] in "#<|>" or line.startswith(("```", "---")):
            continue
        line = line.lstrip("-*0123456789.) ").replace("**", "").replace("`", "")
        line = _SPEECH.sub("", line, count=1)
        for sentence in _SENTENCE_END.split(line):
            sentence = sentence.strip()
            if 30 <= len(sentence) <= 320 and sentence[-1] in ".!?" and sentence[0].isupper():
                found.append(sentence)
    return found


def _take_concepts(text: str) -> tuple[tuple[Concept, ...], str]:
    lines = text.split("\n")
    marks = [i for i, line in enumerate(lines) if line.startswith("### ") and _is_concept_name(line[4:])]
    if marks:
        return _concepts_under(lines, marks)
    listed = [(i, match) for i, line in enumerate(lines) if (match := _LISTED_CONCEPT.match(line[:2000]))]
    if len(listed) < 2:
        return (), text
    concepts = tuple(Concept(match[1].strip(), tuple(sentences(match[2]))) for _, match in listed)
    taken = {i for i, _ in listed}
    return concepts, "\n".join(line for i, line in enumerate(lines) if i not in taken)


def _is_concept_name(heading: str) -> bool:
    return 0 < len(heading.strip()) <= 100 and not _TASK_HEADING.fullmatch(heading.strip())


def _concepts_under(lines: list[str], marks: list[int]) -> tuple[tuple[Concept, ...], str]:
    """Split at the headings. The last concept ends where the instructions go on: at a rule, a heading or a
    tag, or when it has as many paragraphs as the longest of the others."""
    ends = marks[1:] + [len(lines)]
    bodies = [_until_break(lines[mark + 1 : end]) for mark, end in zip(marks, ends, strict=True)]
    longest = max((_paragraph_count(body) for body in bodies[:-1]), default=1)
    bodies[-1] = _first_paragraphs(bodies[-1], longest)
    kept: list[str] = lines[: marks[0]]
    concepts = []
    for mark, end, body in zip(marks, ends, bodies, strict=True):
        concepts.append(Concept(lines[mark][4:].strip(), tuple(sentences("\n".join(body)))))
        kept += lines[mark + 1 + len(body) : end]
    return tuple(concepts), "\n".join(kept)


def _until_break(lines: list[str]) -> list[str]:
    for i, line in enumerate(lines):
        if _HEADING.match(line) or line.startswith(("---", "***", "===", "<")):
            return lines[:i]
    return lines


def _paragraph_count(lines: list[str]) -> int:
    return sum(1 for i, line in enumerate(lines) if line.strip() and (i == 0 or not lines[i - 1].strip()))


def _first_paragraphs(lines: list[str], count: int) -> list[str]:
    seen = 0
    for i, line in enumerate(lines):
        if line.strip() and (i == 0 or not lines[i - 1].strip()):
            seen += 1
            if seen > count:
                return lines[:i]
    return lines


def _words_asked(text: str) -> tuple[int, bool]:
    """The largest length named, and whether its sentence says that it is meant for each part."""
    best, each = 0, False
    flat = text.replace(",", "")
    for match in _WORDS_ASKED.finditer(flat):
        low = int(match[1])
        words = (low + int(match[2])) // 2 if match[2] else low
        if words > best:
            before = re.split(r"[.\n]", flat[max(0, match.start() - 120) : match.start()])[-1]
            after = re.split(r"[.\n]", flat[match.end() : match.end() + 60])[0]
            best, each = words, bool(_EACH.search(before + after))
    return best, each


def _stages_asked(text: str, concepts: int) -> int:
    numbers = [int(match) for match in _STAGE_NUMBER.findall(text)]
    for match in _STAGES_ASKED.finditer(text):
        last = (match[2] or match[1]).lower()
        numbers.append(_COUNTS.get(last) or int(last))
    asked = max((number for number in numbers if number <= _MOST_STAGES), default=0)
    return max(2, asked) if asked else min(max(3, concepts), 5)


def _headings_asked(text: str) -> tuple[str, ...]:
    """The heading lines that follow the words "these headings", else headings that the text quotes."""
    announced = _THESE_HEADINGS.search(text)
    if announced:
        lines = [line.strip() for line in text[announced.end() :].split("\n")]
        asked = [line for line in lines if line.startswith("## ") and _HEADING.match(line)]
    else:
        asked = []
    asked = asked or [f"{hashes} {name.strip()}" for hashes, name in _NAMED_HEADING.findall(text)]
    return tuple(dict.fromkeys(asked))[:12]


def _speakers(text: str) -> tuple[str, ...]:
    """The two names in capitals that a dialogue is asked for by, or nothing."""
    if "dialogue" not in text.lower():
        return ()
    counts: dict[str, int] = {}
    for name in _SPEAKER.findall(text):
        counts[name] = counts.get(name, 0) + 1
    names = [name for name, count in counts.items() if count > 1]
    return tuple(names[:2]) if len(names) > 1 else ()
