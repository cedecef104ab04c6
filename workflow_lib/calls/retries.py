"""What follows from each way in which a try can end without an answer: the retry policy, one row per way.

reason   as in failure.json and coverage.csv
again    whether another try may help, and how many there are
billed   the endpoint may bill the try although no answer came of it: it is listed as maybe billed, and
         budgets count what the endpoint said it cost, else the most that it can have cost
remedy   what a person can do about it
stops    what gets no further call in this run, because each would end in the same way
"""

import email.utils
import math
import random
import time
from collections import Counter
from dataclasses import dataclass
from enum import Enum

from .pools import LONGEST_PAUSE_SECONDS

LONGEST_BACKOFF_SECONDS = 60.0


class Again(Enum):
    """How often a call is tried."""

    NEVER = "no: another try would end in the same way"
    ONCE = "once: it may have been billed, and may be billed again"
    FAILURE = "up to llm.max_tries in total"
    WAIT = "up to llm.max_tries; not counted as a failure, and the whole pool waits"


class Stops(Enum):
    """What a refusal is about."""

    NOTHING = "this call only"
    MODEL = "the model, unless it has answered in this run: then it may be about one prompt"
    ENDPOINT = "all models of the endpoint"


@dataclass(frozen=True)
class Rule:
    """A row of the policy; see the module's docstring for the columns."""

    reason: str
    again: Again
    billed: bool
    remedy: str
    stops: Stops = Stops.NOTHING


NEVER, ONCE, FAILURE, WAIT = Again.NEVER, Again.ONCE, Again.FAILURE, Again.WAIT
MODEL, ENDPOINT = Stops.MODEL, Stops.ENDPOINT

_BAD_REQUEST = "read the endpoint's words above; a prompt may be too long for the model's context"
_KEY = "the key may not use this model: check {key_env} and the account's rights"
_CREDITS = "buy credits at the endpoint, or take a free or cheaper model; then run again"
_LIMITS = "lower calls_per_minute or max_concurrent of the pool, or wait; then run again"
_TROUBLE = "the endpoint is in trouble: run again later"
_READ = "read the endpoint's words above; run again later"
_NO_ENDPOINT = "check base_url: it must lead to an OpenAI-compatible endpoint"
_NETWORK = "check the network or the server; then run again"
_NAME = "check the column `model` of llm_models.csv and the endpoint's base_url"

# answers with a status of their own; a status that is not here is UNEXPECTED, or from 500 on SERVER_ERROR
STATUS: dict[int, Rule] = {
    400: Rule("bad_request", NEVER, False, _BAD_REQUEST),
    401: Rule("unauthorized", NEVER, False, "the key was refused: set {key_env} to a valid key", ENDPOINT),
    402: Rule("no_credits", NEVER, False, _CREDITS, ENDPOINT),
    403: Rule("forbidden", NEVER, False, _KEY, MODEL),
    404: Rule("unknown_model", NEVER, False, _NAME, MODEL),
    408: Rule("timeout", FAILURE, False, _TROUBLE),
    409: Rule("conflict", FAILURE, False, _TROUBLE),
    410: Rule("gone", NEVER, False, _NO_ENDPOINT),
    425: Rule("too_early", FAILURE, False, _TROUBLE),
    429: Rule("rate_limited", WAIT, False, _LIMITS),
    # a gateway gave up waiting for a model that may be at work all the same
    504: Rule("gateway_timeout", FAILURE, True, "ask for shorter answers, or run again later"),
    524: Rule("gateway_timeout", FAILURE, True, "ask for shorter answers, or run again later"),
}
SERVER_ERROR = Rule("server_error", FAILURE, False, _TROUBLE)
UNEXPECTED = Rule("unexpected_status", NEVER, False, _NO_ENDPOINT)

# before the request had left
NO_KEY = Rule("no_key", NEVER, False, "set the environment variable of the endpoint's key", ENDPOINT)
NO_SERVER = Rule("no_server", NEVER, False, "read the server's log, correct `start` or `ready_url`, and run again")
NOT_REACHED = Rule("unreachable", FAILURE, False, "check base_url and that the server is up; then run again")
NO_ADDRESS = Rule("unreachable", NEVER, False, "correct base_url of the endpoint")

# after it had left, and nothing whole came back
LOST = Rule("connection_lost", FAILURE, True, _NETWORK)
SILENT = Rule("timeout", FAILURE, True, "raise llm.read_timeout_s if answers take long, or run again later")
TOO_SLOW = Rule("timeout", FAILURE, True, "raise llm.answer_timeout_s if answers take long, or run again later")

# a 200 that cannot be used: asking again is likely to be billed again
TOO_LARGE = Rule("too_large", ONCE, True, "raise llm.max_answer_mb if answers of this size are meant")
BROKEN_ENCODING = Rule("broken_encoding", ONCE, True, _NETWORK)
EVENT_STREAM = Rule("event_stream", ONCE, True, "take `stream` out of stages.*.extra, or use another endpoint")
NOT_JSON = Rule("not_json", ONCE, True, "what answers is no OpenAI-compatible endpoint, or a proxy: check base_url")
NO_CHOICES = Rule("no_choices", ONCE, True, "the endpoint sent no answer: run again later")
ERROR_IN_ANSWER = Rule("error_in_answer", ONCE, True, _READ)


def of_status(status: int) -> Rule:
    """Return the rule for an answer with a status other than that of success."""
    return STATUS.get(status) or (SERVER_ERROR if status >= 500 else UNEXPECTED)


def of_error_inside(code: object) -> Rule:
    """Return the rule for an error object inside a 200, by the code that it carries.

    A refusal there is the same refusal as with its own status. Anything else may have come in the middle of an
    answer that is billed.
    """
    rule = STATUS.get(code) if isinstance(code, int) else None
    return rule if rule is not None and rule.again in (NEVER, WAIT) else ERROR_IN_ANSWER


class Tally:
    """Counts the tries of one call that brought no answer."""

    def __init__(self, max_tries: int):
        self._limits = {NEVER: 1, ONCE: min(2, max_tries), FAILURE: max_tries, WAIT: max_tries}
        self._seen: Counter[Again] = Counter()

    def count(self, rule: Rule) -> int:
        """Count one more; returns how many of its kind there were."""
        self._seen[rule.again] += 1
        if rule.again is ONCE:
            self._seen[FAILURE] += 1
        return self._seen[rule.again]

    def allows_another(self, rule: Rule) -> bool:
        """Return whether the call may be tried again after a try that ended like this."""
        failures = self._seen[FAILURE] < self._limits[FAILURE] or rule.again is WAIT
        return failures and self._seen[rule.again] < self._limits[rule.again]


def backoff_seconds(first: float, count: int, retry_after: float | None) -> float:
    """Return how long to wait before the next try, in seconds.

    Args:
        first: pause after the first failure; it doubles with each, up to a minute, and varies by half
            so that many callers do not come back at once.
        count: how many failures of this kind there were, 1 or more.
        retry_after: what the endpoint asked for, None if nothing; it is the least, but no more than ten minutes.
    """
    pause = min(LONGEST_BACKOFF_SECONDS, first * 2.0 ** (count - 1)) * random.uniform(0.5, 1.0)
    return max(pause, min(retry_after or 0.0, LONGEST_PAUSE_SECONDS))


def retry_after_seconds(header: str | None) -> float | None:
    """Return what a Retry-After header asks for, in seconds from now; None if it is neither a number nor a date."""
    try:
        seconds = float(header or "")
    except ValueError:
        pass
    else:
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header or "").timestamp() - time.time())
    except (TypeError, ValueError, OverflowError, OSError):
        return None
