"""What a run would do and cost, before anything is bought or written."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import catalogs as catalogs_module
from .. import cohorts, generations
from .. import spec as spec_module
from ..calls import costs
from ..calls.estimates import Estimates
from ..calls.provider_batches import styles
from ..catalogs import Model, prices
from ..catalogs.prices import Price
from ..cohorts.membership import Entry
from ..errors import ConfigError, DayDreamError
from ..files import encode, read_recorded
from ..generations import work
from ..generations.staleness import STALE
from ..generations.state import State, States
from ..paths import DataRoot
from ..settings import PoolSettings, Settings
from ..stages import PARENT_STAGE, STAGES
from . import models, prompts, scope
from .scope import Scope

# calls at a time in a pool without a limit: the cores of profiles/default
CALLS_WITHOUT_LIMIT = 16
NO_POOL = "unknown"


@dataclass
class Line:
    """One model in one stage. Tokens and costs are of what is to do; a cost of None is not known.

    Attributes:
        rows: generations of the cohort.
        done: those for which nothing is bought: the answer is there, or nothing needs it any more.
        reusable: the part of `done` that was bought in the name of another cohort.
        to_do: the others.
        copies: the part of `to_do` that is copied from the parent, without a call.
        prompt_tokens, completion_tokens: expected.
        cost_ceiling_usd: every prompt byte as a token, and every answer at its full length.
        cost_expected_usd: with the expected tokens.
        batch_ceiling_usd, batch_expected_usd: the same through the batch service of the model's endpoint, None also
            where there is none.
    """

    rows: int = 0
    done: int = 0
    reusable: int = 0
    to_do: int = 0
    copies: int = 0
    prompt_tokens: float = 0
    completion_tokens: float = 0
    cost_ceiling_usd: float | None = 0.0
    cost_expected_usd: float | None = 0.0
    batch_ceiling_usd: float | None = 0.0
    batch_expected_usd: float | None = 0.0


@dataclass(frozen=True)
class Call:
    """What one call is expected to take; costs in US dollars, None where the price is not known.

    Attributes:
        batch_ceiling_usd, batch_expected_usd: through a batch service, None also where the endpoint has none.
        rendered: whether its prompt can be rendered now; its length is estimated if not.
    """

    prompt_tokens: float
    completion_tokens: float
    ceiling_usd: float | None
    expected_usd: float | None
    seconds: float
    rendered: bool = True
    batch_ceiling_usd: float | None = None
    batch_expected_usd: float | None = None


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        stages: stage -> model id -> its line.
        pools: pool -> seconds, given enough --cores.
        prices: model id -> its price, None if it is not known; of all models that are asked in the cohort.
        stale: gen_ids whose prompt or parent has changed since they were bought.
        stale_usd: what buying those again would cost, None if not known.
        estimated: generations to do whose prompt cannot be rendered yet.
    """

    stages: Mapping[str, Mapping[str, Line]]
    pools: Mapping[str, float]
    prices: Mapping[str, Price | None]
    stale: list[str]
    stale_usd: float | None
    estimated: int


@dataclass(frozen=True)
class Comparison:
    """An edited spec against the present membership.

    Attributes:
        added, dropped: generations that only the edited spec, or only the membership has.
        reused: those added ones whose answer is in the store already.
        rules: (place of a rule, rows before it, rows after it).
        rows: how many rows the spec makes.
        calls: calls that the added ones need.
        ceiling_usd, expected_usd: what these cost, None if not known.
    """

    added: list[Entry]
    dropped: list[Entry]
    reused: list[Entry]
    rules: list[tuple[str, int, int]]
    rows: int
    calls: int
    ceiling_usd: float | None
    expected_usd: float | None


class Planner:
    """Estimates the calls of a scope."""

    def __init__(self, settings: Settings, within: Scope):
        self.settings = settings
        self.scope = within
        self.states = States(settings)
        # kept: asking for the catalogs looks at their files each time, and a plan asks very often
        self.catalogs = catalogs_module.load(settings.data)
        self.models = self.catalogs.models
        self.estimates = Estimates(settings.data, within.membership)
        used = {entry.llm_model_id for entry in within.membership if not self._copies(entry)}
        self.prices = {name: prices.price(model) for name, model in self.models.items() if name in used}
        self.batch_prices = {
            name: prices.batch_price(model)
            for name, model in self.models.items()
            if name in used and styles.style_of(settings, model) is not None
        }
        self._lengths: dict[tuple[str, str, str], tuple[int, int, bool]] = {}

    def plan(self) -> Plan:
        """Return the plan of all of the scope.

        Raises:
            TemplateError: a template that is needed cannot be rendered.
        """
        stages: dict[str, dict[str, Line]] = {stage: {} for stage in STAGES}
        busy: dict[str, list[float]] = defaultdict(list)
        estimated = 0
        open_ids = work.to_make(self.states, self.scope.membership)
        for entry in self.scope.membership:
            line = stages[entry.stage].setdefault(entry.llm_model_id, Line())
            line.rows += 1
            copies = self._copies(entry)
            pool = self._pool(entry)
            if not copies:
                busy[pool] += []
            if entry.gen_id not in open_ids:
                line.done += 1
                line.reusable += self._is_anothers(entry)
                continue
            line.to_do += 1
            if copies:
                line.copies += 1
                continue
            call = self.call(entry)
            line.prompt_tokens += call.prompt_tokens
            line.completion_tokens += call.completion_tokens
            line.cost_ceiling_usd = plus(line.cost_ceiling_usd, call.ceiling_usd)
            line.cost_expected_usd = plus(line.cost_expected_usd, call.expected_usd)
            line.batch_ceiling_usd = plus(line.batch_ceiling_usd, call.batch_ceiling_usd)
            line.batch_expected_usd = plus(line.batch_expected_usd, call.batch_expected_usd)
            busy[pool].append(call.seconds)
            estimated += not call.rendered
        stale = [state.entry.gen_id for state in self.states.each(self.scope.membership) if state.stale == STALE]
        return Plan(
            stages={stage: dict(sorted(lines.items())) for stage, lines in stages.items()},
            pools={pool: self._pool_seconds(pool, seconds) for pool, seconds in sorted(busy.items())},
            prices=self.prices,
            stale=stale,
            stale_usd=total(self._usd_if_redone(self.scope.membership.by_id[gen_id]) for gen_id in stale),
            estimated=estimated,
        )

    def call(self, entry: Entry) -> Call:
        """Return what buying one generation takes; copying takes nothing."""
        if self._copies(entry):
            return Call(0, 0, 0.0, 0.0, 0.0)
        model_id = entry.llm_model_id
        model = self.models.get(model_id)
        chars, size, rendered = self._length(entry)
        system = (generations.system_message(self.settings.data, model) if model else None) or ""
        prompt_tokens = self.estimates.prompt_tokens(model_id, chars + len(system))
        answer_tokens = self.estimates.answer_tokens(entry.stage, model_id)
        limit = self._max_tokens(entry, model)
        answer_tokens = min(answer_tokens, limit)
        price, in_batch = self.prices.get(model_id), self.batch_prices.get(model_id)
        return Call(
            prompt_tokens,
            answer_tokens,
            costs.ceiling_usd(model, size + len(encode(system)), limit) if model else None,
            price.usd(prompt_tokens, answer_tokens) if price else None,
            self.estimates.seconds(entry.stage, model_id),
            rendered,
            in_batch.most_usd(size, limit) if in_batch else None,
            in_batch.usd(prompt_tokens, answer_tokens) if in_batch else None,
        )

    def _usd_if_redone(self, entry: Entry) -> float | None:
        try:
            return self.call(entry).expected_usd
        except DayDreamError:
            # a finished cohort has a plan although its prompts can no longer be rendered
            return None

    def _max_tokens(self, entry: Entry, model: Model | None) -> int:
        if model is None:
            return self.settings.stage(entry.stage).max_tokens
        # from the request itself, where an endpoint's extra fields may have changed it
        return int(generations.request_for(self.settings, entry, model, "")["max_tokens"])

    def _length(self, entry: Entry) -> tuple[int, int, bool]:
        """Return a prompt's characters, its bytes, and whether it could be rendered."""
        key = (entry.stage, entry.template_id, entry.parent_gen_id or entry.combo_id)
        if key not in self._lengths:
            text = prompts.prompt(self.settings, entry, self.scope.combos)
            if text is None:
                return self._stand_in_length(entry)
            self._lengths[key] = (len(text), len(encode(text)), True)
        return self._lengths[key]

    def _stand_in_length(self, entry: Entry) -> tuple[int, int, bool]:
        chars = self._parent_chars(entry)
        key = (entry.stage, entry.template_id, str(chars))
        if key not in self._lengths:
            text = prompts.stand_in(self.settings, entry, chars)
            self._lengths[key] = (len(text), len(encode(text)), False)
        return self._lengths[key]

    def _parent_chars(self, entry: Entry) -> int:
        parent = self.scope.membership.parent(entry)
        while parent is not None and self._copies(parent):
            parent = self.scope.membership.parent(parent)
        if parent is None:
            return self.estimates.parsed_chars(PARENT_STAGE[entry.stage], "")
        return self.estimates.parsed_chars(parent.stage, parent.llm_model_id)

    def _copies(self, entry: Entry) -> bool:
        template = self.catalogs.templates[entry.stage].get(entry.template_id)
        # `inspect.prompts` reports a template that is gone, with what to do
        return template.copies if template else generations.is_copy(self.settings, entry)

    def _pool(self, entry: Entry) -> str:
        model = self.models.get(entry.llm_model_id)
        return model.pool if model else NO_POOL

    def _is_anothers(self, entry: Entry) -> bool:
        origin = read_recorded(self.settings.data.generation(entry.stage, entry.gen_id).metadata)
        return origin.get("origin_cohort_id") not in (None, *self.scope.cohort_ids)

    def _pool_seconds(self, pool: str, seconds: list[float]) -> float:
        """Return how long a pool's calls take: by calls in flight, or by calls per minute, whichever is longer."""
        limits = self.settings.pools.get(pool, PoolSettings())
        in_flight = min(limits.max_concurrent or CALLS_WITHOUT_LIMIT, max(1, len(seconds)))
        by_flight = sum(seconds) / in_flight
        per_minute = limits.calls_per_minute
        return max(by_flight, len(seconds) * 60 / per_minute if per_minute else 0.0)


def cohort_of_spec(data: DataRoot, path: Path) -> str | None:
    """Return the cohort that a spec (folder or config file) lies in, None where it lies in none of this data root."""
    full = path.resolve()
    folder = full if full.is_dir() else full.parent
    own = data.cohort(folder.parent.name)
    return own.cohort_id if folder == own.spec.resolve() else None


def compare(settings: Settings, path: Path) -> tuple[Scope, Comparison]:
    """Compare an edited spec with the membership of the run's cohort as it is written.

    Args:
        settings: settings of a run with exactly one cohort.
        path: spec folder or config file.

    Returns:
        The cohort as the edited spec declares it, and what changes.

    Raises:
        ConfigError: the run has several cohorts.
        SpecError: the spec is wrong.
    """
    present = scope.as_written(settings)
    if len(present.cohort_ids) != 1:
        raise ConfigError("--spec compares with one cohort", f"choose one of {', '.join(present.cohort_ids)}")
    source = cohorts.spec_source(settings, present.cohort_ids[0], path)
    edited = scope.of_source(settings, source)
    before, after = present.membership.by_id, edited.membership.by_id
    added = [entry for gen_id, entry in after.items() if gen_id not in before]
    dropped = [entry for gen_id, entry in before.items() if gen_id not in after]
    planner = Planner(settings, edited)
    open_ids = work.to_make(planner.states, edited.membership)
    calls = [
        planner.call(entry) for entry in added if entry.gen_id in open_ids and not generations.is_copy(settings, entry)
    ]
    spec, _ = spec_module.with_combos(spec_module.load(path), catalogs_module.load(settings.data))
    rows, rules = spec_module.rows_with_counts(spec)
    manifest = cohorts.read_manifest(settings.data.cohort(source.cohort_id))
    for key in cohorts.changed_freeze(manifest, source):
        warning = f"{key} differs from the cohort's first expansion: a run with this spec will stop with an error"
        edited = Scope(edited.cohort_ids, edited.membership, edited.combos, (*edited.warnings, warning))
    return edited, Comparison(
        added=added,
        dropped=dropped,
        reused=[entry for entry in added if _is_there(planner.states.of(entry))],
        rules=rules,
        rows=len(rows),
        calls=len(calls),
        ceiling_usd=total(call.ceiling_usd for call in calls),
        expected_usd=total(call.expected_usd for call in calls),
    )


def _is_there(state: State) -> bool:
    return state.has_answer and not state.needs_call


def plus(first: float | None, second: float | None) -> float | None:
    """Return a sum that is not known if a part of it is not."""
    return None if first is None or second is None else first + second


def total(amounts: Iterable[float | None]) -> float | None:
    """Return the sum of amounts, None if one of them is not known."""
    result: float | None = 0.0
    for amount in amounts:
        result = plus(result, amount)
    return result


def as_json(plan: Plan) -> dict[str, Any]:
    """Return a plan in the shape that docs/tables.md documents; tokens are whole numbers, dollars have six decimals."""
    return {
        "stages": {
            stage: {model_id: _line_json(line) for model_id, line in lines.items()}
            for stage, lines in plan.stages.items()
        },
        "pools": {pool: round(seconds, 1) for pool, seconds in plan.pools.items()},
        "prices": {model_id: models.price_json(price) for model_id, price in plan.prices.items()},
        "stale": {"count": len(plan.stale), "cost_expected_usd": _rounded(plan.stale_usd)},
    }


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison in the shape that docs/tables.md documents."""
    return {
        "added": len(comparison.added),
        "dropped": len(comparison.dropped),
        "reused": len(comparison.reused),
        "cells_per_rule": [
            {"rule": place, "before": before, "after": after} for place, before, after in comparison.rules
        ],
        "difference": {
            "calls": comparison.calls,
            "cost_ceiling_usd": _rounded(comparison.ceiling_usd),
            "cost_expected_usd": _rounded(comparison.expected_usd),
        },
    }


def _line_json(line: Line) -> dict[str, Any]:
    return {
        "rows": line.rows,
        "done": line.done,
        "reusable": line.reusable,
        "to_do": line.to_do,
        "prompt_tokens": math.ceil(line.prompt_tokens),
        "completion_tokens": math.ceil(line.completion_tokens),
        "cost_ceiling_usd": _rounded(line.cost_ceiling_usd),
        "cost_expected_usd": _rounded(line.cost_expected_usd),
        "cost_batch_ceiling_usd": _rounded(line.batch_ceiling_usd),
        "cost_batch_expected_usd": _rounded(line.batch_expected_usd),
    }


def _rounded(amount: float | None) -> float | None:
    return None if amount is None else round(amount, 6)
