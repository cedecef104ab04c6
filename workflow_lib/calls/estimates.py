"""What a call is likely to take: tokens and seconds, learned from what the store has recorded.

Prompt tokens are characters / 4; where a model's usage is recorded, its own ratio of prompt tokens to
characters. Answer tokens, the length of parsed texts and seconds are means: of the stage and model;
else of the stage over models of the same kind (offline stand-ins never stand for real models); else
the defaults of `stages`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from .. import catalogs as catalogs_module
from ..catalogs import Model
from ..cohorts.membership import Entry
from ..errors import DayDreamError
from ..files import read_recorded, read_text
from ..paths import DataRoot, Generation
from ..stages import STAGE, STAGES
from .endpoints import OFFLINE

CHARS_PER_TOKEN = 4.0
OFFLINE_SECONDS_PER_CALL = 0.01

SAMPLED_PER_STAGE = 400
SAMPLED_PER_MODEL = 50


@dataclass
class _Seen:
    answer_tokens: list[float] = field(default_factory=list)
    parsed_chars: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


class Estimates:
    """Means over a sample of the store.

    Args:
        data: the store.
        entries: generations whose models matter most; up to 50 per stage and model are looked at,
            beside 400 per stage spread over the whole store.
    """

    def __init__(self, data: DataRoot, entries: Iterable[Entry]):
        self._models = catalogs_module.load(data).models
        self._chars: dict[str, float] = defaultdict(float)
        self._tokens: dict[str, float] = defaultdict(float)
        self._own: dict[tuple[str, str], _Seen] = defaultdict(_Seen)
        self._kind: dict[tuple[str, bool], _Seen] = defaultdict(_Seen)
        self._means: dict[tuple[str, str, str], float | None] = {}
        for generation in _sample(data, entries):
            self._learn(generation)

    def prompt_tokens(self, model_id: str, chars: int) -> float:
        """Return how many tokens a prompt of some characters is for a model."""
        if self._chars[model_id]:
            return chars * self._tokens[model_id] / self._chars[model_id]
        return chars / CHARS_PER_TOKEN

    def answer_tokens(self, stage: str, model_id: str) -> float:
        """Return how many tokens an answer is likely to have."""
        mean = self._mean("answer_tokens", stage, model_id)
        return STAGE[stage].answer_tokens if mean is None else mean

    def parsed_chars(self, stage: str, model_id: str) -> int:
        """Return how many characters a parsed text is likely to have."""
        mean = self._mean("parsed_chars", stage, model_id)
        return round(self.answer_tokens(stage, model_id) * CHARS_PER_TOKEN if mean is None else mean)

    def seconds(self, stage: str, model_id: str) -> float:
        """Return how long a call is likely to take."""
        mean = self._mean("seconds", stage, model_id)
        if mean is not None:
            return mean
        return OFFLINE_SECONDS_PER_CALL if self._is_offline(model_id) else STAGE[stage].seconds

    def _mean(self, what: str, stage: str, model_id: str) -> float | None:
        key = (what, stage, model_id)
        if key not in self._means:
            groups = (self._own.get((stage, model_id)), self._kind.get((stage, self._is_offline(model_id))))
            seen = next((values for group in groups if group and (values := getattr(group, what))), None)
            self._means[key] = fmean(seen) if seen else None
        return self._means[key]

    def _is_offline(self, model_id: str) -> bool:
        model: Model | None = self._models.get(model_id)
        return model is not None and model.endpoint == OFFLINE

    def _learn(self, generation: Generation) -> None:
        recorded = read_recorded(generation.raw_metadata)
        if not recorded or recorded.get("mode") == "copy":
            return
        model_id = recorded.get("llm_model_id") or read_recorded(generation.metadata).get("llm_model_id")
        if not model_id:
            return
        stage = generation.stage
        seen = (self._own[stage, model_id], self._kind[stage, self._is_offline(model_id)])
        usage = recorded.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        for name, value in (
            ("answer_tokens", _number(usage.get("completion_tokens"))),
            ("seconds", _number(recorded.get("duration_s"))),
            ("parsed_chars", _size(generation.parsed)),
        ):
            if value is not None:
                for one in seen:
                    getattr(one, name).append(value)
        chars = _chars(generation.prompt) + _chars(generation.system)
        tokens = _number(usage.get("prompt_tokens"))
        if chars and tokens is not None:
            self._chars[model_id] += chars
            self._tokens[model_id] += tokens


def _sample(data: DataRoot, entries: Iterable[Entry]) -> Iterator[Generation]:
    chosen: set[tuple[str, str]] = set()
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        key = (entry.stage, entry.llm_model_id)
        if counts[key] < SAMPLED_PER_MODEL and data.generation(entry.stage, entry.gen_id).raw.exists():
            counts[key] += 1
            chosen.add((entry.stage, entry.gen_id))
    for stage in STAGES:
        try:
            names = sorted(folder.name for folder in (data.gens / stage).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            continue
        step = max(1, len(names) // SAMPLED_PER_STAGE)
        chosen.update((stage, name) for name in names[::step])
    return (data.generation(stage, gen_id) for stage, gen_id in sorted(chosen))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _chars(path: Path) -> int:
    try:
        return len(read_text(path))
    except (OSError, DayDreamError):
        return 0


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
