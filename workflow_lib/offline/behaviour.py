"""How the server of the offline models behaves: delays, prices, and the faults that hosted endpoints have."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..errors import DayDreamError, nearest

# What each status code says, in the words that hosted endpoints use.
STATUSES: dict[int, str] = {
    400: "This endpoint's maximum context length is 4096 tokens, but more were requested",
    401: "No auth credentials found or invalid API key",
    402: "Insufficient credits",
    403: "Access to this model is forbidden",
    404: "No endpoints found for this model",
    408: "Request timed out",
    409: "Conflict with another request",
    425: "Too early",
    429: "Rate limit exceeded",
    500: "Internal server error",
    502: "Bad gateway: the provider returned an invalid response",
    503: "No available provider",
}
# hang: no answer until the client gives up; html: 200 with a page; drop: connection closed before an answer
# exists; late_drop: closed in the middle of one; error200: 200 with an error object; nochoices: 200 with an
# empty list; empty: empty text; length: cut short; refuse: a refusal.
KINDS: tuple[str, ...] = (
    "hang",
    "html",
    "drop",
    "late_drop",
    "error200",
    "nochoices",
    "empty",
    "length",
    "refuse",
)
FAILED_REQUEST = "request"
# expired, cancelled: half of the results were delivered before; failed: refused as a whole after it was accepted;
# lost: accepted, and the connection is closed without a response; hang: accepted, and no response comes;
# busy, down: not accepted, 429 and 503
FATES: tuple[str, ...] = ("expired", "cancelled", "failed", "lost", "hang", "busy", "down")


@dataclass(frozen=True)
class Behaviour:
    """How a server answers.

    Attributes:
        latency: seconds from a request to its answer; refusals by status code come at once.
        faults: probability in ``[0, 1]`` of each fault (see `parse_faults`).
        script: pairs of (substring of prompt or model, faults); the first pair that fits and has faults left
            gives its next one, ``"ok"`` for an answer. Only then do probabilities count.
        retry_after: seconds in the Retry-After header of a 429.
        seed: of the faults.
        require_key: the only bearer token that is let in; None lets everybody in.
        serve_as: model name that answers carry; None for the one asked for.
        usd_per_call: cost in each answer's usage; None for no such field.
        usd_per_mtok: US dollars per million tokens in and out, likewise.
        batch_delay: seconds from the submission of a batch to its end.
        batch_faults: probability in ``[0, 1]`` of `FAILED_REQUEST` for each request of a batch, and of each of
            `FATES` for each batch.
        batch_script: fates of the next batches in order, ``"ok"`` for none; only then do probabilities count.
        batch_price: price of a request in a batch as a share of that of a single call.
    """

    latency: float = 0.0
    faults: Mapping[str, float] | None = None
    script: tuple[tuple[str, tuple[str, ...]], ...] = ()
    retry_after: float = 1
    seed: int = 0
    require_key: str | None = field(default=None, repr=False)
    serve_as: str | None = None
    usd_per_call: float | None = None
    usd_per_mtok: tuple[float, float] | None = None
    batch_delay: float = 0.0
    batch_faults: Mapping[str, float] | None = None
    batch_script: tuple[str, ...] = ()
    batch_price: float = 0.5


def parse_faults(text: str, known: Iterable[str] = ()) -> dict[str, float]:
    """Return the probabilities in ``"429:0.1,500:0.05,html:0.03"``, in their order.

    Args:
        text: the faults.
        known: which there are; default: those of single calls.

    Raises:
        DayDreamError: an unknown fault, a probability outside ``[0, 1]``, or a sum above 1.
    """
    faults: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, _, probability = part.partition(":")
        faults[known_fault(kind.strip(), known)] = _probability(part, probability)
    if sum(faults.values()) > 1 + 1e-9:
        raise DayDreamError(f"faults '{text}' add up to more than 1", "lower the probabilities")
    return faults


def known_fault(kind: str, known: Iterable[str] = ()) -> str:
    """Return a fault's name; DayDreamError if there is no such fault among `known`, default: those of single calls."""
    names = list(known) or [*map(str, STATUSES), *KINDS]
    if kind not in names:
        raise DayDreamError(f"unknown fault '{kind}'", nearest(kind, names))
    return kind


def thrown(seed: int, what: object, faults: Mapping[str, float]) -> str:
    """Return the fault that a throw of dice gives, ``"ok"`` for none; the same for the same `seed` and `what`."""
    digest = hashlib.sha256(f"{seed}|{what}".encode()).digest()
    throw = int.from_bytes(digest[:6], "big") / (1 << 48)
    for kind, probability in faults.items():
        throw -= probability
        if throw < 0:
            return kind
    return "ok"


def _probability(part: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise DayDreamError(f"fault '{part}' has no probability between 0 and 1", "write it as 429:0.1")
    return value
