"""The retry policy: each way a try can end has one row, and a call's tries are counted by it."""

import pytest

from tests.project import SOURCE
from workflow_lib.calls import retries
from workflow_lib.calls.retries import Again, Rule, Tally, backoff_seconds

RULES = [*retries.STATUS.values(), *(rule for rule in vars(retries).values() if isinstance(rule, Rule))]
UNUSABLE = ("too_large", "broken_encoding", "event_stream", "not_json", "no_choices", "error_in_answer")


def tries_of(rules: list[Rule], max_tries: int) -> int:
    """Return how many tries a call makes whose tries end like this, the last for ever."""
    tally = Tally(max_tries)
    for number in range(1, 100):
        rule = rules[min(number, len(rules)) - 1]
        tally.count(rule)
        if not tally.allows_another(rule):
            return number
    raise AssertionError("it never ends")


def test_a_200_that_cannot_be_used_may_be_billed_and_is_asked_for_once_more():
    found = {rule.reason: rule for rule in RULES if rule.again is Again.ONCE}
    assert sorted(found) == sorted(UNUSABLE)
    assert all(rule.billed for rule in found.values())


def test_what_never_left_or_was_refused_is_not_billed():
    assert not any(rule.billed for rule in RULES if rule.again in (Again.NEVER, Again.WAIT))
    assert not retries.NOT_REACHED.billed


def test_the_docs_name_every_reason():
    text = (SOURCE / "docs" / "failures.md").read_text()
    assert [rule.reason for rule in RULES if f"`{rule.reason}`" not in text and rule is not retries.UNEXPECTED] == []


@pytest.mark.parametrize(
    ("rules", "max_tries", "tries"),
    [
        ([retries.of_status(401)], 6, 1),
        ([retries.NO_CHOICES], 6, 2),
        ([retries.NO_CHOICES], 1, 1),
        ([retries.LOST], 6, 6),
        ([retries.of_status(429)], 6, 6),
        # waiting is no failure: six of each
        ([retries.of_status(429)] * 5 + [retries.LOST], 6, 11),
        # an answer that could not be used is one
        ([retries.NO_CHOICES] + [retries.LOST], 6, 6),
        ([retries.LOST] * 4 + [retries.NOT_JSON, retries.NO_CHOICES], 6, 6),
        ([retries.LOST, retries.of_status(404)], 6, 2),
    ],
)
def test_tries_are_counted_by_what_they_ended_in(rules, max_tries, tries):
    assert tries_of(rules, max_tries) == tries


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (429, "rate_limited"),
        (401, "unauthorized"),
        (402, "no_credits"),
        (502, "error_in_answer"),
        ("429", "error_in_answer"),
    ],
)
def test_a_refusal_inside_a_200_is_that_refusal(code, reason):
    assert retries.of_error_inside(code).reason == reason


def test_pauses_double_up_to_a_minute_and_are_as_long_as_asked_up_to_ten():
    assert all(0.5 <= backoff_seconds(1, 1, None) <= 1 for _ in range(50))
    assert 4 <= backoff_seconds(1, 4, None) <= 8
    assert 30 <= backoff_seconds(1, 60, None) <= 60
    assert backoff_seconds(0, 3, 7.5) == 7.5
    assert backoff_seconds(0, 3, 10.0**20) == 600
