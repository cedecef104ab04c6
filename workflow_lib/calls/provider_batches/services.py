"""The styles of batch services. A style is a module with the functions of `Service`, and a row of `SERVICES`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .. import retries
from ..providers import Endpoint
from ..providers.openai_compatible import target_of
from ..providers.reading import content_of, field_of
from ..replies import CallError
from ..retries import Again, Rule
from ..transfer import Limits, Received, exchange

CHAT = "/v1/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")

NOT_DELIVERED = Rule(
    "batch_ended", Again.FAILURE, False, "run again: requests that a batch did not get to are free, and asked anew"
)
REFUSED = Rule(
    "batch_failed", Again.ONCE, False, "read the service's words above; without provider_batch calls are single"
)
LOST_RESULTS = Rule(
    "batch_results_lost", Again.NEVER, True, "the service keeps results for a while only: see its list of batches"
)

# the batch is not there after all, and nothing says why
NOT_ARRIVED = Rule("batch_not_taken", Again.NEVER, False, "the service may be in trouble: run again later")

_REFUSALS = {retries.STATUS[code] for code in (400, 401, 402, 403, 404, 409, 410, 425, 429)}
_REFUSALS |= {retries.UNEXPECTED, retries.NOT_REACHED, retries.NO_ADDRESS}

Body = tuple[str, Mapping[str, Any]]
"""custom_id, body of the request."""


@dataclass(frozen=True)
class Seen:
    """A batch as its service shows it.

    Attributes:
        created_at: seconds since the epoch by the service's clock, None if it does not say.
        total, completed, failed: counts of requests, None where it does not say.
        cost_usd: what it billed for the whole batch, None if it does not say.
        words: why it failed, None where it did not.
        mark: the record id that it was handed over with, None where the service keeps none.
        content: all that it shows.
    """

    batch_id: str
    status: str
    model: str | None = None
    created_at: float | None = None
    total: int | None = None
    completed: int | None = None
    failed: int | None = None
    cost_usd: float | None = None
    words: str | None = None
    mark: str | None = None
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in ENDED


@dataclass(frozen=True)
class Result:
    """What came of one request.

    Attributes:
        received: the response, None if there is none with a status of success.
        code: of the error, None for none.
        words: of the service about the error.
    """

    custom_id: str
    received: Received | None = None
    code: object = None
    words: str = ""

    @property
    def rule(self) -> Rule:
        """What follows from an error."""
        if isinstance(self.code, int):
            return retries.of_status(self.code)
        return NOT_DELIVERED if self.code else retries.SERVER_ERROR


class Service(Protocol):
    """What a style's module has.

    Attributes:
        MOST_REQUESTS, MOST_BYTES: limits of one batch.
    """

    MOST_REQUESTS: int
    MOST_BYTES: int

    def prepare(self, endpoint: Endpoint, bodies: Sequence[Body], limits: Limits) -> dict[str, Any]:
        """Do what goes before handing over and costs nothing; returns what `submit` needs of it."""

    def submit(
        self,
        endpoint: Endpoint,
        model: str,
        bodies: Sequence[Body],
        prepared: Mapping[str, Any],
        mark: str,
        limits: Limits,
    ) -> Seen:
        """Hand a batch over; from here on it costs money."""

    def look(self, endpoint: Endpoint, batch_id: str, limits: Limits) -> Seen:
        """Return how a batch stands."""

    def results(self, endpoint: Endpoint, seen: Seen, limits: Limits) -> list[Result]:
        """Return what an ended batch delivered."""

    def listed(self, endpoint: Endpoint, since: float, limits: Limits) -> list[Seen]:
        """Return the batches that were created since a time (seconds since the epoch), the newest first."""

    def custom_ids(self, endpoint: Endpoint, seen: Seen, limits: Limits) -> set[str] | None:
        """Return the custom_ids of a batch, or some of them; None while the service does not show any."""


def seen_of(
    content: Mapping[str, Any],
    *,
    cost_usd: float | None = None,
    words: str | None = None,
    mark: str | None = None,
) -> Seen:
    """Return a batch from what its service shows; what each style shows in its own way comes as arguments."""
    counts = content.get("request_counts") or {}
    return Seen(
        name_of(content.get("id")),
        name_of(content.get("status")),
        name_of(content.get("model")) or None,
        plain_number(content.get("created_at")),
        count(counts.get("total")),
        count(counts.get("completed")),
        count(counts.get("failed")),
        cost_usd,
        words,
        mark,
        content,
    )


def was_refused(error: CallError) -> bool:
    """Return whether an error at handing over says that the service has not got the batch; otherwise it may have."""
    return error.rule in _REFUSALS


def get(endpoint: Endpoint, path: str, limits: Limits) -> Received:
    """Ask a service for something."""
    return _exchange("GET", endpoint, path, None, "", limits)


def post(endpoint: Endpoint, path: str, content: bytes, content_type: str, limits: Limits) -> Received:
    """Give a service something."""
    return _exchange("POST", endpoint, path, content, content_type, limits)


def object_in(endpoint: Endpoint, received: Received) -> dict[str, Any]:
    """Return the JSON object of a response."""
    return content_of(repr(endpoint), received)


def pages(endpoint: Endpoint, since: float, limits: Limits) -> list[dict[str, Any]]:
    """Return the batches of a service's list that were created since a time, page by page, the newest first."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = object_in(endpoint, get(endpoint, f"/batches?limit=100{after}", limits))
        batches = [one for one in page.get("data") or [] if isinstance(one, dict)]
        found += [one for one in batches if (plain_number(one.get("created_at")) or since) >= since]
        last = str(page.get("last_id") or (batches[-1].get("id") if batches else ""))
        is_older = bool(batches) and (plain_number(batches[-1].get("created_at")) or since) < since
        if not page.get("has_more") or not last or is_older:
            return found
        after = f"&after={last}"


def name_of(value: object) -> str:
    """Return an id or a short word of a service as text that can be kept and shown; empty where there is none."""
    return "".join(char for char in field_of(value) or "" if char.isprintable() and not char.isspace())


def plain_number(value: object) -> float | None:
    """Return a number as a service gave it, None if it is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def count(value: object) -> int | None:
    """Return a count as a service gave it, None if it is none."""
    number = plain_number(value)
    return None if number is None else int(number)


def _exchange(
    method: str, endpoint: Endpoint, path: str, content: bytes | None, content_type: str, limits: Limits
) -> Received:
    path, _, query = path.partition("?")
    target = target_of(endpoint.base_url or "", path)
    if query:
        target += ("&" if "?" in target else "?") + query
    return exchange(
        method, target, content, content_type, dict(endpoint.headers), endpoint.key, endpoint.key_name, limits
    )
