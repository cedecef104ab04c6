"""Every setting there is: type, unit, default and meaning.

config/config.schema.yaml and the table in docs/configuration.md are made from these models
(`scripts/write-docs`), and nothing else gives a setting a default.
"""

import contextlib
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from ..paths import DataRoot, is_safe_id
from ..stages import STAGE, STAGES
from .names import split_names

OTHER_NAMES = {"combo_size": "k"}
"""Another name of a setting -> its own: Snakemake refuses names of one letter on the command line."""
AS_TEXT = {"as_text": True}
"""Validation context for values of `--config`, whose numbers and truth values may come as text."""
REFUSED = "refused"
UNKNOWN_KEY = "unknown_key"

ENDPOINT_DEFAULTS: dict[str, dict[str, Any]] = {
    "openrouter": {
        "base_url": "https://openrouter.ai/api/v1",
        "api_key_env": "OPENROUTER_API_KEY",
        "batch": "openrouter",
    },
    "offline": {},
}
POOL_DEFAULTS: dict[str, dict[str, Any]] = {
    "free": {"max_concurrent": 1, "calls_per_minute": 1},
    "paid": {"max_concurrent": 64},
    "offline": {},
}
REFUSAL_PHRASES = [
    "I'm sorry",
    "I am sorry",
    "Sorry",
    "I apologize",
    "I apologise",
    "My apologies",
    "I cannot",
    "I can't",
    "I can not",
    "I'm unable",
    "I am unable",
    "I'm not able",
    "I am not able",
    "I won't",
    "I will not",
    "I must decline",
    "I have to decline",
    "I'm afraid I",
    "Unfortunately, I",
    "As an AI",
]


def merge(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """Return two mappings as one: `high` wins, mappings that both have are merged key by key."""
    merged = dict(low)
    for key, value in high.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return merged


def refusal(problem: str, hint: str) -> PydanticCustomError:
    """Return the error for a value of the right type that makes no sense."""
    return PydanticCustomError(REFUSED, "{problem}", {"problem": problem, "hint": hint})


def _from_text(read: Callable[[str], Any]) -> BeforeValidator:
    def as_typed(value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str) and info.context == AS_TEXT:
            with contextlib.suppress(ValueError):
                return read(value)
        return value

    return BeforeValidator(as_typed)


def truth(text: str) -> bool:
    """Return the truth value that a text names; ValueError if it names none."""
    try:
        return {"true": True, "false": False}[text.lower()]
    except KeyError:
        raise ValueError(text) from None


def _beside(defaults: Mapping[str, Any]) -> BeforeValidator:
    return BeforeValidator(lambda value: merge(defaults, value) if isinstance(value, Mapping) else value)


def _known_stage(name: str) -> str:
    if name not in STAGES:
        raise PydanticCustomError(UNKNOWN_KEY, "unknown stage", {"known": STAGES})
    return name


def _cohort_names(text: str) -> str:
    for name in split_names(text):
        if not is_safe_id(name):
            raise refusal(
                f"'{name}' cannot be a cohort's name",
                "names are letters, digits, '.', '_' and '-', and begin with a letter or digit",
            )
    return text


def _stages_or_all(value: bool | str) -> bool | str:
    for stage in split_names(value) if isinstance(value, str) else ():
        if stage not in STAGES:
            raise refusal(f"unknown stage '{stage}'", f"true, or some of {', '.join(STAGES)}")
    return value


def _existing_slice(shard: str) -> str:
    index, count = (int(part) for part in shard.split("/"))
    if index > count:
        raise refusal(f"there is no slice {index} of {count}", f"1/{count} to {count}/{count}")
    return shard


def wrong_base_url(url: str) -> tuple[str, str] | None:
    """Return what is wrong with a base URL, and what to do; None if nothing is.

    The message does not repeat the URL: it may hold a password.
    """
    if not url.startswith(("http://", "https://")):
        return "a URL begins with http:// or https://", "for example http://localhost:11434/v1"
    path = url.partition("?")[0].rstrip("/")
    for ending in ("/chat/completions", "/completions", "/responses", "/models", "/embeddings"):
        if path.endswith(ending):
            return f"the URL ends in {ending}", f"leave {ending} out: what follows the base URL is added to it"
    return None


def _base_url(url: str) -> str:
    if wrong := wrong_base_url(url):
        raise refusal(*wrong)
    return url


def _within_batch_mode(wanted: bool, info: ValidationInfo) -> bool:
    if wanted and not info.data.get("batch"):
        raise refusal("provider_batch works in batch mode only", "add batch=200")
    return wanted


Flag = Annotated[bool, _from_text(truth)]
Whole = Annotated[int, _from_text(int)]
Number = Annotated[float, _from_text(float)]
Positive = Annotated[int, Field(ge=1), _from_text(int)]
Dollars = Annotated[float, Field(ge=0), _from_text(float)]
StageName = Annotated[str, AfterValidator(_known_stage), WithJsonSchema({"enum": list(STAGES)})]
Phrase = Annotated[str, StringConstraints(pattern=r"\S")]
CohortNames = Annotated[str, AfterValidator(_cohort_names)]


class _Section(BaseModel):
    # strict: a number is no text and a truth value no number; the numbers of --config are read by `_from_text`
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class IdSettings(_Section):
    """How generations get their ids."""

    scope: Literal["content", "cohort"] = Field(
        default="content",
        description="`content`: same cell, same id in every cohort; `cohort`: a cohort of its own regenerates "
        "everything.",
    )
    essay_model: Literal["auto", "never"] = Field(
        default="auto",
        description="`auto`: an essay's model is part of its id if it differs from the draft's; `never`: it never is.",
    )


class StageSettings(_Section):
    """How the models of one stage are asked, and what their answers must be."""

    temperature: Number = Field(default=0.7, ge=0, le=2, description="Sampling temperature.")
    max_tokens: Whole = Field(default=20480, ge=1, description="Longest answer, tokens.")
    min_lines: Whole = Field(default=0, ge=0, description="An answer with fewer non-empty lines fails at parsing.")
    allow_truncated: Flag = Field(default=False, description="Parse an answer that was cut at max_tokens.")
    extra: dict[str, Any] = Field(default={}, description="Further fields of the request, such as top_p or seed.")


class EndpointSettings(_Section):
    """An OpenAI-compatible server."""

    base_url: Annotated[str, AfterValidator(_base_url)] | None = Field(
        default=None, pattern="^https?://", description="URL up to, not including, /chat/completions."
    )
    api_key_env: str | None = Field(default=None, description="Environment variable that holds the key.")
    headers: dict[str, str] = Field(default={}, description="Further HTTP headers (no secrets).")
    batch: Literal["openrouter", "openai"] | None = Field(
        default=None,
        description="How its batch service is spoken to, for `provider_batch`; built in for openrouter.",
    )
    start: str | None = Field(
        default=None,
        min_length=1,
        description="Shell command of a server that each process with calls for it starts on its own host and stops at "
        "its end: on a cluster each job. `{port}` in it and in base_url is a free port.",
    )
    ready_url: str | None = Field(
        default=None,
        pattern="^https?://",
        description="URL, with `{port}`, that answers 200 as soon as such a server takes requests; default: base_url "
        "with /models.",
    )


class PoolSettings(_Section):
    """The limits of one pool; None is no limit."""

    max_concurrent: Positive | None = Field(default=None, description="Calls in flight at most.")
    calls_per_minute: Positive | None = Field(default=None, description="Calls started within 60 seconds at most.")


class LlmSettings(_Section):
    """The client that talks to endpoints."""

    max_tries: Whole = Field(
        default=6,
        ge=1,
        description="Tries per call; answers 429 (come back later) are counted apart, up to the same number.",
    )
    connect_timeout_s: Number = Field(default=20, gt=0, description="Time to reach an endpoint, seconds.")
    read_timeout_s: Number = Field(default=600, gt=0, description="Time to wait for an answer, seconds.")
    answer_timeout_s: Number = Field(
        default=1800,
        gt=0,
        description="Deadline of a whole try, seconds: also for an endpoint that keeps sending, but never ends.",
    )
    max_answer_mb: Number = Field(
        default=64,
        gt=0,
        description="Largest answer, megabytes after decompression; a larger one is not read to its end.",
    )
    backoff_s: Number = Field(
        default=1,
        ge=0,
        description="First pause before another try, seconds; it doubles each time, up to 60 s, with jitter.",
    )
    refusal_phrases: list[Phrase] = Field(
        default=REFUSAL_PHRASES,
        description="An answer under 400 characters that opens with one of these is a refusal and fails at parsing, "
        "unless an evaluation's parser finds a score in it. Upper and lower case are the same.",
    )


class ResultsSettings(_Section):
    """What tables show."""

    allowlist: list[str] = Field(
        default=[],
        description="Score columns (`<judge>_<template>`) summed up in generation_scores.csv; empty means all.",
    )
    accept_other_models: Flag = Field(
        default=False,
        description="Count scores with a text in their lineage that another model served than was asked for; "
        "otherwise summary and analysis leave them out.",
    )
    accept_edited: Flag = Field(
        default=False,
        description="Count scores with a hand-edited text in their lineage; otherwise summary and analysis leave "
        "them out.",
    )


class Settings(_Section):
    """All settings of a run after precedence, defaults and checks."""

    cohort: CohortNames | None = Field(
        default=None, description="Cohort to build; several in one run as `a,b`. `auto` stands for the active catalog."
    )
    auto: Flag = Field(
        default=False,
        description="Build the active catalog (all combos x templates x models) under the name given by `cohort`, or "
        "a computed one.",
    )
    selection: str | None = Field(
        default=None,
        description="File with one essay or draft gen_id per line; makes a curated cohort of the name given by "
        "`cohort`.",
    )
    data_root: str = Field(
        default="data",
        min_length=1,
        description="Folder of catalogs, cohorts and generations. Environment DAYDREAMING_DATA_ROOT.",
    )
    templates_root: str | None = Field(
        default=None,
        min_length=1,
        description="Folder that holds draft/, essay/ and evaluation/ templates and system/ prompts, if not "
        "1_raw/templates. Environment GEN_TEMPLATES_ROOT.",
    )
    k: Positive | None = Field(
        default=None,
        description="Exact number of concepts per combo of an `auto` cohort (overrides k_max). On the command line of "
        "snakemake, which refuses names of one letter: `combo_size`.",
    )
    k_max: Whole = Field(
        default=2,
        ge=2,
        description="Largest number of concepts per combo of an `auto` cohort; combos start at 2 concepts.",
    )
    description_level: Literal["sentence", "paragraph", "article"] = Field(
        default="paragraph", description="Which concept texts an `auto` cohort uses."
    )
    template_filter: dict[StageName, list[str]] = Field(
        default={},
        description="Shell patterns that narrow the active templates of an `auto` cohort, per stage: "
        "`{draft: [memo-*]}`.",
    )
    max_generations: Whole = Field(
        default=20000,
        ge=1,
        description="An expansion that adds more generations than this to a cohort is refused, with its counts.",
    )
    ids: IdSettings = Field(
        default=IdSettings(), description="How generations get their ids; frozen at a cohort's first expansion."
    )
    experiment_id: str | None = Field(
        default=None, description="Free label, kept in the manifest and in each generation's metadata.json."
    )
    notes: str | None = Field(default=None, description="Free text, kept in the manifest.")
    stages: Annotated[
        dict[StageName, StageSettings], _beside({name: stage.settings for name, stage in STAGE.items()})
    ] = Field(default={}, validate_default=True, description="How each stage's models are asked.")
    endpoints: Annotated[
        dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], EndpointSettings],
        _beside(ENDPOINT_DEFAULTS),
    ] = Field(
        default={},
        validate_default=True,
        description="OpenAI-compatible servers by the name that llm_models.csv uses.",
    )
    pools: Annotated[
        dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")], PoolSettings],
        # not merged: who names a pool says all its limits
        BeforeValidator(lambda value: {**POOL_DEFAULTS, **value} if isinstance(value, Mapping) else value),
    ] = Field(
        default={},
        validate_default=True,
        description="Limits that hold over all processes and hosts using the data root, by pool name.",
    )
    llm: LlmSettings = Field(default=LlmSettings(), description="The client that talks to endpoints.")
    budget_usd: Dollars | None = Field(
        default=None,
        description="No more than this is spent in the name of the cohort, US dollars, over all runs.",
    )
    budget_per_model: dict[str, Dollars] = Field(
        default={}, description="The same by model id of llm_models.csv, US dollars."
    )
    fresh: Annotated[bool | str, _from_text(truth), AfterValidator(_stages_or_all)] = Field(
        default=False,
        description="Buy a new answer for each raw job that runs: `true`, or stages such as `essay,draft`. Older "
        "answers are kept.",
    )
    partial: Flag = Field(
        default=False, description="Make tables and page from what is there now, without generating anything."
    )
    accept_failures: Flag = Field(
        default=False,
        description="Count recorded parse failures as final, so that a run with nothing else open ends with exit "
        "code 0.",
    )
    shard: (
        Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*/[1-9][0-9]*$"), AfterValidator(_existing_slice)] | None
    ) = Field(default=None, description="`3/10` limits a run to the third of ten slices of the lineages.")
    batch: Whole = Field(
        default=0,
        ge=0,
        description="Make up to this many generations of one stage in one job, their calls in parallel (0 is off).",
    )
    provider_batch: Annotated[Flag, AfterValidator(_within_batch_mode)] = Field(
        default=False,
        description="In batch mode: hand calls to the batch service of their endpoint (`endpoints.*.batch`), typically "
        "at half the price, and wait for it.",
    )
    results: ResultsSettings = Field(default=ResultsSettings(), description="What tables show.")
    cross_cohort: CohortNames | None = Field(
        default=None, description="Cohorts that the tables over the whole store are limited to, as `a,b`."
    )

    _environment: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of the run, over the lines of .env."""
        return self._environment

    @cached_property
    def data(self) -> DataRoot:
        """Where everything lies."""
        # normpath: the same file must have one name, or Snakemake takes it for two
        return DataRoot(
            Path(os.path.normpath(self.data_root)),
            Path(os.path.normpath(self.templates_root)) if self.templates_root else None,
        )

    @property
    def cohorts(self) -> list[str]:
        """The names of the cohorts of this run, in the order given."""
        return split_names(self.cohort)

    def stage(self, stage: str) -> StageSettings:
        """Return how the models of a stage are asked."""
        return self.stages[stage]

    def is_fresh(self, stage: str) -> bool:
        """Return whether this run was asked to buy new answers for a stage."""
        return self.fresh if isinstance(self.fresh, bool) else stage in split_names(self.fresh)
