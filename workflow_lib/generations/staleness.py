"""Whether a generation's answer still fits what would be asked today, and if not, why."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .. import catalogs as catalogs_module
from ..catalogs import Model, templates
from ..cohorts.membership import Entry
from ..errors import DayDreamError
from ..files import read_text, sha256_file, sha256_text
from ..paths import Generation
from ..settings import Settings
from ..stages import PARENT_STAGE
from .prompts import render, request_for

if TYPE_CHECKING:
    from .state import State

STALE = "true"
CURRENT = "false"
UNKNOWN = "unknown"

PROMPT = "prompt"
PARENT = "parent"
MODEL = "model"
PARAMETERS = "parameters"
REASONS = (PROMPT, PARENT, MODEL, PARAMETERS)
"""What may differ today: the rendered prompt, the parent's text, the model's name, the other fields of the request."""


class Staleness:
    """Compares generations with what would be asked today; a prompt that several have in common is rendered once.

    What it was is kept: make a new one after texts have changed.
    """

    def __init__(self, settings: Settings):
        self._settings = settings
        self._prompts: dict[tuple[str, ...], str | None] = {}
        self._parents: dict[tuple[str, str], str | None] = {}
        self._models: Mapping[str, Model] | None = None
        self._fenced: dict[tuple[str, str], bool] = {}

    def reasons(self, state: "State") -> tuple[tuple[str, ...], bool]:
        """Return why a generation is stale, some of `REASONS` in their order, and whether its prompt was compared.

        What is not on record makes nothing stale. A generation without an answer has no reasons.
        """
        if not state.has_raw:
            return (), False
        text, compared = self._text(state)
        found = {*text, *self._request(state)}
        return tuple(reason for reason in REASONS if reason in found), compared

    def _text(self, state: "State") -> tuple[set[str], bool]:
        """Return what of the parent and the prompt differs, and whether they could be compared."""
        used, now = state.recorded.get("parent_sha256"), self._parent_sha256(state.entry)
        if used and now and used != now:
            # the prompt holds the parent's text: a difference there does not show that the template changed
            return {PARENT}, True
        today = self._prompt_sha256(state.entry)
        if today is None:
            return set(), False
        try:
            sent = state.recorded.get("prompt_sha256") or _kept_prompt_sha256(state.files)
            if sent is None and state.is_copy:
                return self._copy(state), True
        except (OSError, DayDreamError):
            return set(), False
        return (set() if sent in (None, today) else {PROMPT}), sent is not None

    def _copy(self, state: "State") -> set[str]:
        parent = self._settings.data.generation(PARENT_STAGE[state.entry.stage], state.entry.parent_gen_id)
        # older tools stripped what they copied
        return set() if read_text(state.files.raw).strip() == read_text(parent.parsed).strip() else {PARENT}

    def _request(self, state: "State") -> set[str]:
        """Return whether another model would be asked, or with other parameters."""
        if state.is_copy:
            return set()
        model = self._model(state.entry.llm_model_id)
        if model is None:
            return set()
        found = set()
        asked = state.recorded.get("model")
        if asked and asked != model.model:
            found.add(MODEL)
        sent = state.facts.request if state.facts else None
        today = self._request_today(state.entry, model)
        if sent is not None and today is not None:
            limits = state.truncated and sent.get("max_tokens") != today.get("max_tokens")
            if limits or parameters(sent) != parameters(today):
                found.add(PARAMETERS)
        return found

    def _request_today(self, entry: Entry, model: Model) -> Mapping[str, Any] | None:
        try:
            return request_for(self._settings, entry, model, "")
        except (OSError, DayDreamError):
            # its system prompt cannot be read
            return None

    def _model(self, model_id: str) -> Model | None:
        if self._models is None:
            try:
                self._models = catalogs_module.load(self._settings.data).models
            except DayDreamError:
                self._models = {}
        return self._models.get(model_id)

    def _parent_sha256(self, entry: Entry) -> str | None:
        if entry.stage not in PARENT_STAGE:
            return None
        key = (PARENT_STAGE[entry.stage], entry.parent_gen_id)
        if key not in self._parents:
            try:
                self._parents[key] = sha256_text(read_text(self._settings.data.generation(*key).parsed))
            except (OSError, DayDreamError):
                self._parents[key] = None
        return self._parents[key]

    def _prompt_sha256(self, entry: Entry) -> str | None:
        if self._is_fenced(entry):
            # the word that fences the judged text is another one for each generation
            return self._rendered_sha256(entry)
        # neither the model nor the replicate goes into a prompt
        key = (entry.stage, entry.parent_gen_id or entry.combo_id, entry.template_id)
        if key not in self._prompts:
            self._prompts[key] = self._rendered_sha256(entry)
        return self._prompts[key]

    def _rendered_sha256(self, entry: Entry) -> str | None:
        try:
            return sha256_text(render(self._settings, entry).text)
        except (OSError, DayDreamError):
            return None

    def _is_fenced(self, entry: Entry) -> bool:
        key = (entry.stage, entry.template_id)
        if key not in self._fenced:
            try:
                self._fenced[key] = templates.is_fenced(self._settings.data.template(*key), entry.stage)
            except (OSError, DayDreamError):
                self._fenced[key] = False
        return self._fenced[key]


def combined(states: Iterable[str]) -> str:
    """Return ``true`` if any of these is, else ``unknown`` if any is or there is none, else ``false``."""
    found = set(states)
    return STALE if STALE in found else UNKNOWN if UNKNOWN in found or not found else CURRENT


def request_facts(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request without the prompt: the model, the parameters, and the messages before the user's."""
    messages = request.get("messages")
    before = messages[:-1] if isinstance(messages, list) else []
    return {key: value for key, value in request.items() if key != "messages"} | {"messages_before": before}


def parameters(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a request makes its answers another experiment, besides model, prompt and length."""
    facts = request if "messages_before" in request else request_facts(request)
    return {key: value for key, value in facts.items() if key not in ("model", "max_tokens")}


def _kept_prompt_sha256(files: Generation) -> str | None:
    try:
        return sha256_file(files.prompt) if files.prompt.stat().st_size else None
    except OSError:
        return None
