"""Buying answers: one request at a time leaves through `endpoints.send`.

Comes in: a generation's request, and the limits of pools and budgets.
Goes out: an attempt in the generation's journal; what was paid for is on disk before anything else happens.
Never: knows what a prompt means, or writes a file of a generation outside attempts/.
"""

from .call import Log
from .caller import Caller
from .committed import Saved, Spent, answers, attempt_key, bought, saved_by_batches, spent, sum_of

__all__ = ["Caller", "Log", "Saved", "Spent", "answers", "attempt_key", "bought", "saved_by_batches", "spent", "sum_of"]
