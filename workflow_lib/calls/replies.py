"""What can come of one request: a `Reply`, or a `CallError` that says what follows from it."""

from dataclasses import dataclass

from ..errors import DayDreamError
from .retries import Rule


@dataclass(frozen=True)
class Reply:
    """A completed answer of a model.

    Attributes:
        answer: the text, verbatim, may be empty.
        reasoning: what the model thought aside, None if nothing came.
        refusal: the model's own words for why it declined, None if it did not.
        finish_reason: why the answer ended, in the endpoint's word.
        usage: prompt_tokens, completion_tokens, total_tokens as reported, and cached_tokens and cache_write_tokens
            where those parts of the prompt are; None where not.
        cost_usd: the endpoint's own figure, None if it gives none that can be used.
        odd_figures: usage and cost as JSON text where something in them cannot be right (negative, absurd,
            no number): the call then counts at its ceiling.
    """

    answer: str
    reasoning: str | None = None
    refusal: str | None = None
    finish_reason: str | None = None
    usage: dict[str, int] | None = None
    cost_usd: float | None = None
    served_model: str | None = None
    generation_id: str | None = None
    odd_figures: str | None = None


class CallError(DayDreamError):
    """A try that brought no answer that can be used.

    Attributes:
        rule: what follows from it.
        reason: short name, as in failure.json and coverage.csv.
        remedy: what to do.
        retry_after: seconds that the endpoint asked to wait, None if it did not.
        cost_usd: what the endpoint said that the try cost, None if it did not.
        body: what came instead of an answer: text, redacted, cut; None if nothing.
        is_said: the run has said on the screen what it is, once for all calls that it concerns.
    """

    def __init__(
        self,
        rule: Rule,
        message: str,
        *,
        remedy: str | None = None,
        retry_after: float | None = None,
        cost_usd: float | None = None,
        body: str | None = None,
    ):
        self.rule = rule
        self.reason = rule.reason
        self.remedy = remedy or rule.remedy
        super().__init__(message, self.remedy)
        self.retry_after = retry_after
        self.cost_usd = cost_usd
        self.body = body
        self.is_said = False

    @property
    def maybe_billed(self) -> bool:
        """Whether the endpoint may bill the try."""
        return self.rule.billed or bool(self.cost_usd)
