"""
Offline writers: texts that recombine the concepts, or the draft, of a prompt in the shape it asks for.

How good a text is, is settled first, as its *richness* in ``[0, 1]``: a part of the model, of the template's
wording, of the combo (for essays: of the draft), and a little of the sample. Richness decides how many parts of
the mechanism are told, how many concepts are used, and how much of the rest is filler. That is what gives
tables and plots a structure to show.
"""

import re

from . import phrases
from .dice import Dice
from .prompt import Brief, Concept, read_brief, sentences

# Per model: richness that it starts from, share of the length asked for that it delivers.
_MODELS = {"sim-writer-a": (0.58, 1.0), "sim-writer-b": (0.36, 0.82)}
_WORDS_OF_DRAFT, _WORDS_OF_ESSAY = 520, 680
_SENTENCE_WORDS = 22
_SHORTEST, _LONGEST = 260, 4000
_NO_CONCEPTS = (
    Concept("curiosity", ()),
    Concept("selection", ()),
    Concept("patient observation", ()),
)

_ALTERNATIVES = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{([abABs])\}")
_BOLD = re.compile(r"\*\*([^*\n]{3,80})\*\*")
_SENTENCE_END = re.compile(r"(?<=[.!?]) +(?=[A-Z*])")
_LONG_WORD = re.compile(r"[a-z]{8,20}")
_CAPITALISED = re.compile(r"[A-Z][a-z]+(?:-[A-Za-z]+)*")
# A head noun with one of these endings or of these words stands without an article.
_BARE_ENDINGS = (
    "ing",
    "ion",
    "ity",
    "ness",
    "ism",
    "ance",
    "ence",
    "ship",
    "ory",
    "logy",
    "phy",
    "ics",
    "y",
)
_BARE_WORDS = frozenset(
    (
        "search",
        "generate-and-test",
        "insight",
        "curiosity",
        "attention",
        "knowledge",
        "research",
    )
)
_LEANING = re.compile(
    r"(?:It|Its|This|That|These|Those|They|Their|Such|He|She|His|Her|But|And|Or|Yet|So|Where|Then|Both|Here|There)\b"
)
_SINGULAR_ENDINGS = ("ss", "us", "is")
_COUNTED_IN_Y = frozenset(("story", "theory", "category", "strategy", "library", "factory"))


def write(model: str, prompt: str, dice: Dice) -> str:
    """Return a writer's answer.

    Args:
        model: a key of the offline writers.
        prompt: printable text of any length.
        dice: source of the sample's own choices.
    """
    brief = read_brief(prompt)
    material = _Material(model, brief, dice)
    if brief.stages:
        return _stages(brief, material, _target_words(model, brief))
    document = material.document(brief, _target_words(model, brief), 1.0)
    thinking = f"<thinking>\n{material.thoughts()}\n</thinking>\n\n" if brief.thinking else ""
    if brief.essay:
        return f"{thinking}<essay>\n{document}\n</essay>"
    return thinking + document


def _target_words(model: str, brief: Brief) -> int:
    words = brief.words or (_WORDS_OF_ESSAY if brief.draft else _WORDS_OF_DRAFT)
    return max(_SHORTEST, min(_LONGEST, int(words * _MODELS[model][1])))


def _stages(brief: Brief, material: "_Material", words: int) -> str:
    """One block per stage. Each tells more than the one before; only the last is a complete text."""
    blocks = []
    for number in range(1, brief.stages + 1):
        done = number / brief.stages
        length = words if brief.words_each else max(_SHORTEST if number == brief.stages else 90, int(words * done))
        last_opening = len(phrases.STAGE_OPENINGS) - 1
        opening = phrases.STAGE_OPENINGS[last_opening if done == 1 else min(number - 1, last_opening - 1)]
        body = material.document(brief, length, done)
        blocks.append(f'<essay-idea stage="{number}">\n{material.say(opening, ())}\n\n{body}\n</essay-idea>')
    return "\n\n".join(blocks)


_Deck = tuple[str, tuple[str, ...]]


class _Material:
    """What one answer is made of: concepts, parts of the mechanism, decks of sentences not yet used."""

    def __init__(self, model: str, brief: Brief, dice: Dice):
        self._dice = dice
        self._decks: dict[str, list[str]] = {}
        self._introduced: set[str] = set()
        self._named: set[str] = set()
        self._said: set[str] = set()
        self._reworking = bool(brief.draft)
        given = brief.concepts or (_concepts_of_draft(brief.draft) if brief.draft else ()) or _NO_CONCEPTS
        drafted = _parts_told(brief.draft)
        self.richness = _richness(model, brief, given, drafted, dice)
        wanted = max(2, round(len(given) * (0.6 + 0.5 * self.richness)))
        self._concepts = list(given) if wanted >= len(given) else _kept(given, wanted, dice)
        self._nouns = {concept.name: noun_phrase(concept.name) for concept in self._concepts}
        self._heads = _distinct_heads(self._nouns)
        self._parts = _chosen_parts(self.richness, drafted, dice)
        self._lifts: dict[str, list[str]] = {}
        self._pairs = dice.shuffled(
            [(a, b) for i, a in enumerate(self._concepts) for b in self._concepts[i + 1 :]]
        ) or [(self._concepts[0], Concept("its opposite", ()))]
        self._next_pair = 0

    def document(self, brief: Brief, words: int, done: float) -> str:
        """Return paragraphs of about this many words; ``done`` is the share of the mechanism to tell."""
        self._introduced, self._said = set(), set()
        self._lifts = {concept.name: list(concept.sentences) for concept in self._concepts}
        parts = self._parts[: max(1, round(len(self._parts) * done))]
        count = max(2, len(brief.headings) - 1, round((words - 120) / 95))
        opening = self._paragraph([("opening", phrases.OPENINGS)], 55)
        body, written = [], len(opening.split())
        for i in range(count):
            told = parts[i * len(parts) // count : (i + 1) * len(parts) // count]
            budget = (words - written - 60) // (count - i)
            paragraph = self._paragraph(self._part_frames(told, budget), max(30, budget), link=True)
            written += len(paragraph.split())
            body.append(paragraph)
        closing = self._paragraph([("closing", phrases.CLOSINGS)], 45, last=True)
        if brief.items:
            drawn = (self._drawn("item", phrases.ITEMS) for _ in range(4))
            body.append("\n".join(f"- {sentence}" for sentence in drawn))
        return self._arranged([opening, *body, closing], brief)

    def thoughts(self) -> str:
        """Return the notes of a ``<thinking>`` block."""
        return "\n".join(self._drawn("thought", phrases.THOUGHTS) for _ in range(4))

    def say(self, frame: str, pair: tuple[Concept, ...], lifted: str = "") -> str:
        """Return a frame's sentence with its alternatives chosen and its slots filled."""
        chosen = _ALTERNATIVES.sub(lambda match: self._dice.choice(match[1].split("|")), frame)

        def fill(match: re.Match[str]) -> str:
            slot = match[1]
            if slot == "s":
                return lifted
            return self._mention(pair[slot.lower() == "b"], sentence_start=slot.isupper())

        return _SLOT.sub(fill, chosen)

    def _mention(self, concept: Concept, sentence_start: bool) -> str:
        article, noun = self._nouns.get(concept.name, ("", concept.name))
        if concept.name not in self._introduced:
            self._introduced.add(concept.name)
            noun = f"**{noun}**" if concept.name in self._nouns else noun
        elif concept.name in self._named and self._dice.below(3):
            noun = self._heads.get(concept.name, noun)
        self._named.add(concept.name)
        text = article + noun
        if not sentence_start:
            return text
        start = 2 if text.startswith("**") else 0
        return text[:start] + text[start : start + 1].upper() + text[start + 1 :]

    def _drawn(self, deck: str, frames: tuple[str, ...]) -> str:
        """A sentence from a deck; another one if the document has one like it, as far as the deck goes."""
        sentence = ""
        for _ in range(3):
            sentence = self.say(self._frame(deck, frames), self._pair())
            if _beginning(sentence) not in self._said:
                break
        self._said.add(_beginning(sentence))
        return sentence

    def _frame(self, deck: str, frames: tuple[str, ...]) -> str:
        left = self._decks.get(deck)
        if not left:
            left = self._decks[deck] = self._dice.shuffled(frames)
        return left.pop()

    def _pair(self) -> tuple[Concept, Concept]:
        pair = self._pairs[self._next_pair // 3 % len(self._pairs)]
        self._next_pair += 1
        return pair if self._next_pair % 2 else (pair[1], pair[0])

    def _part_frames(self, parts: list[str], words: int) -> list[_Deck]:
        """A deck for each part, twice when rich and when there is room for it."""
        decks: list[_Deck] = []
        for i, part in enumerate(parts):
            room = words - _SENTENCE_WORDS * (len(decks) + len(parts) - i)
            twice = room >= _SENTENCE_WORDS and self._dice.unit() < self.richness
            decks += [(part, phrases.STEPS[part])] * (2 if twice else 1)
        return decks

    def _paragraph(self, core: list[_Deck], words: int, link: bool = False, last: bool = False) -> str:
        """Return a sentence from each core deck and as many others as the length affords.

        Sentences are made in the order in which they are read, since later mentions of a concept are shorter.
        """
        self._named = set()
        said: list[str] = []
        if link:
            said.append((self._lifted() if self._dice.unit() < 0.55 else "") or self._drawn("link", phrases.LINKS))
        if not last:
            said += [self._drawn(*deck) for deck in core]
        reserved = _SENTENCE_WORDS * (len(core) if last else 0) + _SENTENCE_WORDS // 2
        while reserved + sum(len(sentence.split()) for sentence in said) < words:
            said.append(self._filling())
        if last:
            said += [self._drawn(*deck) for deck in core]
        return " ".join(said)

    def _filling(self) -> str:
        throw = self._dice.unit()
        if throw < 0.9 - self.richness:
            return self._drawn("plain", phrases.PLAIN)
        kind = self._dice.below(8)
        if kind < 3:
            lifted = self._lifted()
            if lifted:
                return lifted
        if kind == 3:
            return self._drawn("analogy", phrases.ANALOGIES)
        if kind == 4:
            return self._drawn("test", phrases.TESTS)
        if kind == 5:
            return self._drawn("objection", phrases.OBJECTIONS)
        return self._drawn("link", phrases.LINKS)

    def _lifted(self) -> str:
        """A frame around the next unused sentence of a concept; empty when all are used."""
        pair = self._pair()
        for a, b in (pair, (pair[1], pair[0])):
            left = self._lifts.get(a.name)
            while left:
                sentence = left.pop(0)
                if _beginning(sentence) in self._said:
                    continue
                self._said.add(_beginning(sentence))
                if self._reworking:
                    return sentence
                leans = _LEANING.match(sentence)
                deck, frames = ("lift more", phrases.LIFTS_MORE) if leans else ("lift", phrases.LIFTS)
                return self.say(self._frame(deck, frames), (a, b), sentence)
        return ""

    def _arranged(self, paragraphs: list[str], brief: Brief) -> str:
        """Put paragraphs under the headings asked for, evenly, and a title on top.

        A single heading is taken for that of the last section.
        """
        if brief.speakers:
            paragraphs = _as_dialogue(paragraphs[:-1], brief.speakers) + paragraphs[-1:]
        headings = list(brief.headings)
        if not headings and brief.sections:
            count = max(2, min(3, len(paragraphs) // 2))
            headings = [f"## {heading}" for heading in self._ordered(phrases.HEADINGS, count)]
        blocks = []
        if brief.title and not (headings and headings[0].startswith("# ")):
            title = self.say(self._frame("title", phrases.TITLES), self._pair()).replace("**", "")
            blocks.append(f"# {title}")
        if len(headings) == 1:
            headings, paragraphs = [], [*paragraphs[:-1], headings[0], paragraphs[-1]]
        if not headings:
            return "\n\n".join(blocks + paragraphs)
        for i, heading in enumerate(headings):
            first, last = (len(paragraphs) * k // len(headings) for k in (i, i + 1))
            blocks += [heading, *paragraphs[first:last]]
        return "\n\n".join(blocks)

    def _ordered(self, items: tuple[str, ...], count: int) -> list[str]:
        chosen = sorted(self._dice.shuffled(range(len(items)))[:count])
        return [items[i] for i in chosen]


def _as_dialogue(paragraphs: list[str], speakers: tuple[str, ...]) -> list[str]:
    """Turn paragraphs into speeches of two sentences, the speakers taking turns."""
    speeches: list[str] = []
    for paragraph in paragraphs:
        said = _SENTENCE_END.split(paragraph)
        speeches += [" ".join(said[i : i + 2]) for i in range(0, len(said), 2)]
    return [f"{speakers[i % len(speakers)]}: {speech}" for i, speech in enumerate(speeches)]


def _distinct_heads(nouns: dict[str, tuple[str, str]]) -> dict[str, str]:
    """The last words of names with an article, where no other concept ends in the same: "the gap"."""
    heads = {name: noun.split(" ")[-1] for name, (article, noun) in nouns.items() if article and " of " not in noun}
    ends = [noun.split(" ")[-1] for _, noun in nouns.values()]
    return {name: head for name, head in heads.items() if ends.count(head) == 1}


def noun_phrase(name: str) -> tuple[str, str]:
    """Return the article (with its blank, or empty) and the form of a concept's name in running text.

    ``"Data Flywheel"`` gives ``("the ", "data flywheel")``; ``"Mind wandering"`` gives
    ``("", "mind wandering")``. A guess by endings: names come from users.
    """
    short = re.sub(r" ?\([^()]*\)", "", name).strip(" .:*_`#<>")[:80].strip() or "the unnamed"
    words = short.split(" ")
    running = " ".join(_running_form(word) for word in words)
    lowered = [word.lower() for word in words]
    if lowered[0] in ("the", "a", "an"):
        return "", running
    heads = [i for i, word in enumerate(lowered) if word in ("of", "in", "for", "from", "between") and i > 0]
    head = lowered[heads[0] - 1] if heads else lowered[-1]
    if heads and lowered[heads[0]] == "of":
        return "the ", running
    plural = head.endswith("s") and not head.endswith(_SINGULAR_ENDINGS)
    bare = head.endswith(_BARE_ENDINGS) and head not in _COUNTED_IN_Y
    if plural or bare or "and" in lowered or head in _BARE_WORDS or short.isupper():
        return "", running
    return "the ", running


def _running_form(word: str) -> str:
    return word.lower() if _CAPITALISED.fullmatch(word) and not word.endswith("ian") else word


def _richness(
    model: str,
    brief: Brief,
    concepts: tuple[Concept, ...],
    drafted: list[str],
    dice: Dice,
) -> float:
    names = "|".join(sorted(concept.name.lower() for concept in concepts))
    template = " ".join(brief.instructions.split())
    told = " ".join(sentence for concept in concepts for sentence in concept.sentences).lower()
    own = _MODELS[model][0]
    own += 0.16 * Dice("template", template).spread()
    own += 0.10 * Dice("combo", names).spread() + 0.06 * Dice("affinity", model, names).spread()
    own += 0.025 * (len(_parts_told(brief.instructions)) - 2)
    if brief.draft:
        own = 0.5 * own + 0.5 * len(drafted) / len(phrases.STEPS)
    else:
        own += 0.03 * (len(_parts_told(told)) - 2)
    own += 0.14 * dice.spread()
    return min(1.0, max(0.0, own))


def _parts_told(text: str) -> list[str]:
    lowered = text.lower()
    return [part for part, stems in phrases.STEMS.items() if any(stem in lowered for stem in stems)]


def _chosen_parts(richness: float, drafted: list[str], dice: Dice) -> list[str]:
    """The parts of the mechanism to tell, in their order: mostly what a draft already has, then others."""
    count = max(1, round(len(phrases.STEPS) * (0.1 + 0.95 * richness)))
    kept = [part for part in drafted if dice.unit() < 0.85][: count + 1]
    others = [part for part in phrases.STEPS if part not in drafted]
    chosen = kept + dice.shuffled(others)[: max(0, count - len(kept))]
    return [part for part in phrases.STEPS if part in chosen]


def _kept(concepts: tuple[Concept, ...], count: int, dice: Dice) -> list[Concept]:
    positions = sorted(dice.shuffled(range(len(concepts)))[:count])
    return [concepts[i] for i in positions]


def _beginning(sentence: str) -> str:
    return " ".join(sentence.split(" ", 3)[:3])


def _worth_keeping(sentence: str) -> bool:
    return len(sentence) >= 70 and not _LEANING.match(sentence) and not phrases.FILLER.search(sentence.lower())


def _concepts_of_draft(draft: str) -> tuple[Concept, ...]:
    """What a draft is about: its emphasised terms, else known terms, else its most frequent long words."""
    said = [sentence for sentence in sentences(draft) if _worth_keeping(sentence)]
    lowered = draft.lower()
    terms = list(dict.fromkeys(term.strip(" .:").lower() for term in _BOLD.findall(draft)))
    terms = [term for term in terms if len(term) > 2]
    if len(terms) < 2:
        terms += [term for term in phrases.CONCEPT_TERMS if term in lowered and term not in terms]
    if len(terms) < 2:
        counts: dict[str, int] = {}
        for word in _LONG_WORD.findall(lowered):
            counts[word] = counts.get(word, 0) + 1
        terms += sorted(counts, key=lambda word: (-counts[word], word))[:4]
    terms = terms[:6]
    about = [[sentence for sentence in said if term in sentence.lower()] for term in terms]
    return tuple(Concept(term, tuple(found[:8])) for term, found in zip(terms, about, strict=True))
