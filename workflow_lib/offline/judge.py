"""
Offline judges: marks from what can be measured in a text.

A mark is a weighted mean of features in ``[0, 1]``, stretched over the scale. The rubric's words decide the
weights, so that rubrics disagree; each judge adds its own leniency, taste and noise, so that judges disagree.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from . import phrases
from .dice import Dice
from .prompt import ScoreLine, judged, score_line, sentences

# Per judge: added to the mark, noise (three standard deviations), the smallest step of a mark.
_JUDGES = {
    "sim-judge-a": (0.8, 0.9, 1.0),
    "sim-judge-b": (0.0, 1.2, 0.5),
    "sim-judge-c": (-1.1, 2.7, 1.0),
}
_SCALE_MAX = 9
# The weighted mean at which a text of average quality stands, and marks per unit of the mean above it.
_AVERAGE, _AVERAGE_MARK, _STRETCH = 0.55, 5.0, 12.0

_BASE = {
    "parts": 2.0,
    "concepts": 1.0,
    "links": 1.0,
    "structure": 0.5,
    "length": 0.5,
    "variety": 0.5,
    "economy": 1.0,
}
# Words of a rubric and what they make a judge look at.
_RUBRICS: tuple[tuple[str, tuple[str, ...], dict[str, float]], ...] = (
    (
        "novelty",
        ("novel", "surpris"),
        {"links": 4.0, "images": 2.0, "parts": 2.0, "economy": 2.0},
    ),
    (
        "creativity",
        ("creativ", "original", "distant"),
        {"images": 4.0, "concepts": 3.0, "links": 3.0},
    ),
    ("the loop", ("day-dream", "daydream", "idle"), {"parts": 8.0, "cycle": 3.0}),
    (
        "prior art",
        ("prior art", "patent", "anticipat"),
        {"parts": 3.0, "concepts": 3.0, "economy": 3.0, "rigor": 1.0},
    ),
    (
        "rigour",
        ("rigor", "rigour", "scientific", "falsif"),
        {"rigor": 7.0, "economy": 3.0},
    ),
    (
        "style",
        ("style", "coheren", "prose", "editor"),
        {"variety": 3.0, "structure": 3.0, "economy": 5.0, "length": 1.0},
    ),
    ("iteration", ("iterat", "loop", "cycle"), {"cycle": 6.0, "parts": 3.0}),
)

# several judges and rubrics read the same text, one after another
_LAST_TEXTS = 64

_WORD = re.compile(r"[a-z][a-z'-]*")
_BOLD = re.compile(r"\*\*([^*\n]{3,80})\*\*")
_RUBRIC_HEADING = re.compile(r"^#+ *rubric:? *(\S.{0,60})$", re.IGNORECASE | re.MULTILINE)


def judge(model: str, prompt: str, dice: Dice) -> str:
    """Return a judge's answer: reasoning that quotes what was measured, then the score in the wording asked for.

    Args:
        model: a key of the offline judges.
        prompt: printable text of any length. Judged is what it fences; without a fence the whole prompt.
        dice: source of the replicate's noise.
    """
    text, rubric = judged(prompt)
    features, counts = measure(prompt if text is None else text)
    weights = _weights(model, rubric)
    mean = _weighted_mean(features, weights)
    leniency, noise, step = _JUDGES[model]
    mark = _AVERAGE_MARK + _STRETCH * (mean - _AVERAGE) + leniency
    mark += 0.9 * Dice("rubric", " ".join(rubric.split())).spread() + noise * dice.spread()
    if counts["words"] < 60:
        mark = min(mark, counts["words"] / 30)
    mark = min(_SCALE_MAX, max(0.0, mark))
    reasons = _reasons(text or "", rubric, features, counts, dice)
    return f"{reasons}\n\n{_stated(mark, step, score_line(rubric))}"


def _stated(mark: float, step: float, asked: ScoreLine) -> str:
    """The line with the score: the mark on the scale asked for, in steps of that judge."""
    step *= max(1, asked.highest // 20)
    score = min(asked.highest, int(mark * (asked.highest / _SCALE_MAX) / step + 0.5) * step)
    return f"{asked.before}{score:.1f}{asked.after}" if score % 1 else f"{asked.before}{score:.0f}{asked.after}"


def _weighted_mean(features: Mapping[str, float], weights: Mapping[str, float]) -> float:
    # Not sum(): since Python 3.12 it compensates rounding, and marks would depend on the version.
    total, whole = 0.0, 0.0
    for name, weight in weights.items():
        total += weight * features[name]
        whole += weight
    return total / whole


@lru_cache(maxsize=_LAST_TEXTS)
def measure(text: str) -> tuple[Mapping[str, float], Mapping[str, int]]:
    """Return a text's features, each in ``[0, 1]``, and the counts behind them.

    Features: parts (of the mechanism), cycle (words for repetition and return), concepts (emphasised or known
    terms), links (sentences that join two of them), images, rigor, structure, length, variety (of words),
    economy (absence of filler). Counts: words, paragraphs, headings, parts, concepts, links, fillers.
    """
    lowered = text.lower()
    words = _WORD.findall(lowered)
    said = [sentence.lower() for sentence in _sentences(text)]
    paragraphs = [block for block in text.split("\n\n") if block.strip()]
    headings = sum(block.lstrip().startswith("#") for block in paragraphs)
    found = _told(text)
    terms = _terms(text, lowered)
    links = sum(1 for sentence in said if sum(term in sentence for term in terms) > 1)
    fillers = len(phrases.FILLER.findall(lowered))
    scale = max(1.0, len(words) / 100)
    sample = words[:400]
    counts = {
        "words": len(words),
        "paragraphs": len(paragraphs) - headings,
        "headings": headings,
        "parts": len(found),
        "concepts": len(terms),
        "links": links,
        "fillers": fillers,
    }
    features = {
        "parts": len(found) / len(phrases.STEMS),
        "cycle": _share(
            _hits(lowered, phrases.STEMS["loop"] + phrases.STEMS["feedback"]) / scale,
            1.2,
        ),
        "concepts": _share(len(terms), 5),
        "links": _share(links / max(1, len(said)), 0.3),
        "images": _share(_hits(lowered, phrases.IMAGE_STEMS) / scale, 0.8),
        "rigor": _share(_hits(lowered, phrases.RIGOR_STEMS) / scale, 1.4),
        "structure": 0.6 * _share(counts["paragraphs"], 8) + 0.4 * _share(headings, 3),
        "length": _share(len(words), 700),
        "variety": _share(max(0.0, len(set(sample)) / max(120, len(sample)) - 0.3), 0.28),
        "economy": 1.0 - _share(fillers / max(1, len(said)), 0.3),
    }
    return features, counts


@lru_cache(maxsize=_LAST_TEXTS)
def _told(text: str) -> tuple[str, ...]:
    """The parts of the mechanism that a text has."""
    lowered = text.lower()
    return tuple(part for part, stems in phrases.STEMS.items() if any(stem in lowered for stem in stems))


@lru_cache(maxsize=_LAST_TEXTS)
def _sentences(text: str) -> tuple[str, ...]:
    return tuple(sentences(text))


def _share(value: float, full: float) -> float:
    return min(1.0, value / full)


def _hits(lowered: str, stems: tuple[str, ...]) -> int:
    return sum(lowered.count(stem) for stem in stems)


def _terms(text: str, lowered: str) -> list[str]:
    """The concepts that a text names: what it emphasises, and what the judges know."""
    terms = [term.lower().strip(" .:") for term in _BOLD.findall(text)[:40]]
    known = [term for term in phrases.CONCEPT_TERMS if term in lowered]
    return list(dict.fromkeys(terms + [term for term in known if not any(term in other for other in terms)]))


@lru_cache(maxsize=_LAST_TEXTS)
def _weights(model: str, rubric: str) -> Mapping[str, float]:
    lowered = rubric.lower()
    weights = dict(_BASE)
    for _, words, wanted in _RUBRICS:
        said = min(6, sum(lowered.count(word) for word in words))
        for feature, weight in wanted.items():
            weights[feature] = weights.get(feature, 0.0) + weight * said / 3
    taste = {feature: 1.0 + 0.5 * Dice("taste", model, feature).spread() for feature in weights}
    return {feature: weight * taste[feature] for feature, weight in weights.items()}


def _reasons(
    text: str,
    rubric: str,
    features: Mapping[str, float],
    counts: Mapping[str, int],
    dice: Dice,
) -> str:
    heading = _RUBRIC_HEADING.search(rubric)
    subject = f"Measured for {heading[1].strip(' ?')}. " if heading else ""
    told = _told(text)
    missing = [part for part in phrases.STEMS if part not in told]
    lines = [
        (
            f"{subject}The text runs to {counts['words']} words in {counts['paragraphs']} paragraphs "
            f"under {counts['headings']} headings; its variety of words is {features['variety']:.2f} of what could be "
            f"expected."
        ),
        (
            f"It names {counts['concepts']} concepts and joins two of them in {counts['links']} sentences. "
            f"Of the parts of the mechanism it has {_listed(told)}; missing: {_listed(missing)}."
        ),
        (
            f"Rigour {features['rigor']:.2f}, imagery {features['images']:.2f}, repetition and return "
            f"{features['cycle']:.2f}. Sentences that would fit into any text: {counts['fillers']}."
        ),
    ]
    short = [sentence for sentence in _sentences(text) if sentence.count(" ") < 20]
    if short:
        lines.append(f'Typical of it: "{dice.choice(short)}"')
    return "\n\n".join(lines)


def _listed(items: Sequence[str]) -> str:
    return ", ".join(items) if items else "none"
