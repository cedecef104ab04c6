"""Writing a cohort down, and what that changes."""

import sys
from collections import Counter
from collections.abc import Iterable

from .. import cohorts
from ..calls import Log
from ..calls.committed import sum_of
from ..calls.journal import Journal
from ..settings import Settings
from ..stages import STAGES
from .run import Run


def expand(run: Run, cohort_id: str, say: Log) -> None:
    """Expand a cohort and write it down; warnings go to its log and to the screen."""
    expansion = cohorts.expand_source(run.settings, run.sources[cohort_id])
    lines = changes(run.settings, expansion)
    cohorts.write(run.settings, expansion)
    for warning in (*expansion.warnings, *lines):
        say(f"Warning: {warning}")
        print(f"Warning: {cohort_id}: {warning}", file=sys.stderr)


def changes(settings: Settings, expansion: cohorts.Expansion) -> list[str]:
    """Return the report of the rows that an expansion adds to a cohort's membership.csv and drops from it.

    No or one line; the first expansion adds nothing. To be asked for before the expansion is written.
    """
    cohort = settings.data.cohort(expansion.source.cohort_id)
    if expansion.source.mode == "given" or not cohort.membership.exists():
        return []
    before, after = cohorts.read_ids(cohort.membership), {(one.stage, one.gen_id) for one in expansion.membership}
    added, dropped = after - before, before - after
    parts = [f"adds {_by_stage(added)}"] if added else []
    if dropped:
        journals = (Journal(settings.data.generation(stage, gen_id)) for stage, gen_id in dropped)
        bought = [answer for own in journals for answer in own.readable_answers() if not answer.get("adopted")]
        cost = sum_of(answer.get("cost_usd") for answer in bought)
        usd = "an unknown amount" if cost.usd is None else f"{cost.usd:.4f} USD"
        parts.append(f"drops {_by_stage(dropped)}, which cost {usd} and stay in the store")
    return [f"the expansion of cohort {cohort.cohort_id} {' and '.join(parts)}"] if parts else []


def _by_stage(rows: Iterable[tuple[str, str]]) -> str:
    counts = Counter(stage for stage, _ in rows)
    return ", ".join(f"{counts[name]:,} {name}{'s' * (counts[name] > 1)}" for name in STAGES if counts[name])
