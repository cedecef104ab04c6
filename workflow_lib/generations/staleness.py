"""Whether a generation's answer still fits what would be asked today [SPEC 6.2, 9.1]."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..cohorts.membership import Entry
from ..errors import DayDreamError
from ..files import read_recorded, read_text, sha256_file, sha256_text
from ..paths import PARENT_STAGE, Generation
from ..settings import Settings
from . import make

STALE = "true"
CURRENT = "false"
UNKNOWN = "unknown"


class Staleness:
    """The staleness of generations; every prompt is rendered once, however many answers it has.

    What it has looked up it does not look up again: make a new one after files have changed.
    """

    def __init__(self, settings: Settings):
        self._settings = settings
        self._own: dict[tuple[str, str], str] = {}
        self._prompts: dict[tuple[str, str, str], str | None] = {}
        self._parents: dict[tuple[str, str], str | None] = {}

    def of(self, entry: Entry, recorded: Mapping[str, Any] | None = None) -> str:
        """Return a generation's own staleness.

        Args:
            entry: the generation.
            recorded: its raw_metadata.json, if the caller has read it already.

        Returns:
            ``true`` if the prompt or the parent's text is another one today, ``unknown`` if there is no
            answer, no record of what was used, or no prompt can be made today; else ``false``.
        """
        key = (entry.stage, entry.gen_id)
        if key not in self._own:
            self._own[key] = self._compare(entry, recorded)
        return self._own[key]

    def of_chain(self, chain: Iterable[Entry]) -> str:
        """Return ``true`` if any of these generations is stale, else ``unknown`` if any is unknown."""
        found = {self.of(entry) for entry in chain}
        return STALE if STALE in found else UNKNOWN if UNKNOWN in found or not found else CURRENT

    def _compare(self, entry: Entry, recorded: Mapping[str, Any] | None) -> str:
        files = self._settings.data.generation(entry.stage, entry.gen_id)
        if not files.raw.exists():
            return UNKNOWN
        recorded = read_recorded(files.raw_metadata) if recorded is None else recorded
        parent_used, parent_now = recorded.get("parent_sha256"), self._parent_sha256(entry)
        if parent_used and parent_now and parent_used != parent_now:
            return STALE
        now = self._prompt_sha256(entry)
        if now is None:
            return UNKNOWN
        try:
            used = recorded.get("prompt_sha256") or _kept_prompt_sha256(files)
            if used is None and make.is_copy(self._settings, entry):
                return self._compare_copy(entry, files)
        except (OSError, DayDreamError):
            return UNKNOWN
        if used is None:
            return UNKNOWN
        return CURRENT if used == now else STALE

    def _compare_copy(self, entry: Entry, files: Generation) -> str:
        parent = self._settings.data.generation(PARENT_STAGE[entry.stage], entry.parent_gen_id)
        # older tools stripped what they copied
        return CURRENT if read_text(files.raw).strip() == read_text(parent.parsed).strip() else STALE

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
        # neither the model nor the replicate goes into a prompt
        key = (entry.stage, entry.parent_gen_id or entry.combo_id, entry.template_id)
        if key not in self._prompts:
            try:
                self._prompts[key] = sha256_text(make.render(self._settings, entry).text)
            except (OSError, DayDreamError):
                self._prompts[key] = None
        return self._prompts[key]


def of(settings: Settings, entry: Entry) -> str:
    """Return a generation's own staleness: ``true``, ``false`` or ``unknown`` (see `Staleness.of`)."""
    return Staleness(settings).of(entry)


def stale_ids(settings: Settings, membership: Iterable[Entry]) -> list[str]:
    """Return the ids of the generations that are stale themselves, in the order of membership.

    What is made from a stale generation is not listed for that: it becomes stale when its parent's text does.
    """
    known = Staleness(settings)
    return [entry.gen_id for entry in membership if known.of(entry) == STALE]


def _kept_prompt_sha256(files: Generation) -> str | None:
    try:
        return sha256_file(files.prompt) if files.prompt.stat().st_size else None
    except OSError:
        return None
