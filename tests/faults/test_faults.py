"""Whatever an endpoint does: what it billed is kept or listed, and nothing else suffers."""

import re
import subprocess
import sys

import pytest

from tests.faults import trial
from tests.faults.attacks import ANSWER, ATTACKS, TEXT
from tests.faults.server import GOOD
from tests.project import SOURCE
from workflow_lib.calls import retries

pytestmark = pytest.mark.slow

# what ends so ends all calls to a model or an endpoint
STOPPING = {rule.reason for rule in retries.STATUS.values() if rule.stops is not retries.Stops.NOTHING}

# one of each kind of end, and odd figures, with a reported cost and without
BILLED = (
    "dropped after the request",
    "half a body",
    "event stream",
    "broken gzip",
    "gzip bomb",
    "no choices, with a cost",
    "no choices, cost is NaN",
    "error object in a 200",
    "negative usage",
    "negative cost",
    "400 digits in cost",
    "504",
)


@pytest.mark.parametrize("name", ATTACKS)
def test_what_was_billed_is_kept_or_listed_and_other_generations_are_made(tmp_path, name):
    attack = ATTACKS[name]
    seen = trial.alone(tmp_path, name)
    assert seen.key_in == []
    assert trial.KEY not in seen.output
    assert "Traceback" not in seen.output
    if attack.ends in STOPPING:
        check_that_one_refusal_is_enough(seen, attack.ends)
        return
    always, first = seen.outcomes["always"], seen.outcomes["first"]
    assert (always.ends, always.requests, always.parse) == (attack.ends, attack.tries, attack.parse)
    assert {outcome.template: outcome.lost for outcome in seen.outcomes.values() if outcome.lost} == {}
    if attack.ends == ANSWER:
        assert always.answer == (TEXT if attack.answer is None else attack.answer)
    elif attack.tries > 1:
        assert (first.ends, first.answer, first.requests) == (ANSWER, TEXT, 2)
    for peaceful in ("peace-a", "peace-b"):
        outcome = seen.outcomes[peaceful]
        assert (outcome.answer, outcome.requests, outcome.listed) == (TEXT, 1, 0)
    # what the budget counts is never less than the bill
    assert seen.counted_usd >= seen.bill_usd - 1e-9


def check_that_one_refusal_is_enough(seen: trial.Trial, reason: str) -> None:
    """The call that goes ahead may be one that is answered; then two others may be on their way together."""
    assert {outcome.ends for outcome in seen.outcomes.values()} <= {ANSWER, reason}
    refused = [outcome for outcome in seen.outcomes.values() if outcome.ends == reason]
    assert 1 <= sum(outcome.requests for outcome in refused) <= 2
    assert {outcome.template: outcome.lost for outcome in seen.outcomes.values() if outcome.lost} == {}
    assert seen.counted_usd >= seen.bill_usd - 1e-9


@pytest.mark.parametrize("name", BILLED)
def test_no_attack_spends_more_than_the_budget(tmp_path, name):
    seen = trial.everywhere(tmp_path, name)
    assert 0 < seen.bill_usd <= 4.5 * seen.ceiling_usd
    assert seen.total("billed") >= 3
    assert seen.total("lost") == 0
    assert seen.counted_usd >= seen.bill_usd - 1e-9
    assert "Traceback" not in seen.output
    assert "budget_usd of" in seen.output


def test_a_good_answer_is_what_the_others_are_compared_with(tmp_path):
    seen = trial.alone(tmp_path, GOOD)
    assert {outcome.files for outcome in seen.outcomes.values()} == {("0001.json", "0001.request.json")}
    assert seen.bill_usd == pytest.approx(seen.counted_usd)


def test_the_command_prints_the_table_and_bodies_without_end_take_little_memory():
    command = [sys.executable, "-m", "tests.faults", "gzip bomb", "3 GB"]
    printed = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=True).stdout
    assert re.search(r"^gzip bomb +too_large +6 +6 +3 +3 +0 ", printed, re.MULTILINE), printed
    used = re.search(r"2 attacks, 0 billed answers lost; most memory used: (\d+) MB", printed)
    # four at a time of at most 64 MB each; without a limit they took 7 and 11 GB
    assert used and int(used[1]) < 600, printed
