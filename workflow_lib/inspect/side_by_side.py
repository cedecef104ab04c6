"""The counts of a cohort as each part of the project shows them, side by side: they have to be equal."""

from collections.abc import Mapping

from .. import catalogs as catalogs_module
from ..cohorts.membership import Membership
from ..generations import census, counts, work
from ..generations.state import States
from ..settings import Settings
from ..stages import JUDGING, STAGES
from . import health, planning, scope, status
from .findings import EDITED_RAW
from .progress import Progress

SOURCES = ("state", "status", "plan", "watch", "page", "tables", "check")

Number = int | float | None
Table = dict[str, dict[str, Number]]
"""What is counted -> source -> number, for the sources that show it."""


def of(settings: Settings) -> Table:
    """Return the counts of the cohorts of a run, from the store as it is now; nothing is written.

    Raises:
        DayDreamError: no such cohort, or a membership.csv that cannot be used.
    """
    within = scope.as_written(settings)
    table: Table = {}

    def note(source: str, numbers: Mapping[str, Number]) -> None:
        for what, number in numbers.items():
            table.setdefault(what, {})[source] = number

    note("state", _of_state(settings, within.membership))
    note("status", _of_status(settings, within))
    note("plan", _of_plan(settings, within))
    note("watch", _of_watch(settings))
    note("page", _of_page(settings, within.membership))
    note("tables", _of_tables(settings, within))
    note("check", _of_check(settings, within.membership))
    return table


def differences(table: Table) -> list[str]:
    """Return what the sources do not agree on; costs may differ by half of their last printed digit per row."""
    return [what for what, found in table.items() if len({_rounded(number) for number in found.values()}) > 1]


def _rounded(number: Number) -> Number:
    return None if number is None else round(number, 4)


def _of_state(settings: Settings, membership: Membership) -> dict[str, Number]:
    states = States(settings)
    found = counts.of(states, membership)
    numbers: dict[str, Number] = {}
    for stage in STAGES:
        own = found[stage]
        numbers |= {f"{stage} rows": own.rows, f"{stage} done": own.done, f"{stage} failed": own.failed}
    for name in ("missing", "stale", "truncated", "edited", "adopted", "ordered", "maybe_billed", "other_model"):
        numbers[name.replace("_", " ")] = sum(getattr(found[stage], name) for stage in STAGES)
    numbers["failures"] = sum(found[stage].failed for stage in STAGES)
    numbers["in flight"] = sum(found[stage].in_flight for stage in STAGES)
    return numbers | {"to make": len(work.to_make(states, membership))}


def _of_status(settings: Settings, within: scope.Scope) -> dict[str, Number]:
    found = status.of(settings, within.cohort_ids, within.membership)
    numbers: dict[str, Number] = {}
    for stage, own in found.stages.items():
        numbers |= {f"{stage} rows": own.rows, f"{stage} done": own.done, f"{stage} failed": own.failed}
    return numbers | {
        "missing": sum(own.missing for own in found.stages.values()),
        "failures": len(found.failures),
        "stale": len(found.stale),
        "truncated": len(found.truncated),
        "edited": len(found.edited),
        "adopted": found.adopted,
        "ordered": len(found.ordered),
        "maybe billed": len(found.maybe_billed),
        "other model": found.served_other_model,
        "spent usd": found.spent.usd,
    }


def _of_plan(settings: Settings, within: scope.Scope) -> dict[str, Number]:
    plan = planning.Planner(settings, within).plan()
    rows = {f"{stage} rows": sum(line.rows for line in plan.stages[stage].values()) for stage in STAGES}
    to_make = sum(line.to_do for lines in plan.stages.values() for line in lines.values())
    return {**rows, "stale": len(plan.stale), "to make": to_make}


def _of_watch(settings: Settings) -> dict[str, Number]:
    look = Progress(settings).look()
    numbers: dict[str, Number] = {"in flight": look.in_flight, "spent usd": look.spent.usd}
    for stage, own in look.stages.items():
        numbers |= {f"{stage} rows": own.rows, f"{stage} done": own.done, f"{stage} failed": own.failed}
    return numbers


def _of_page(settings: Settings, membership: Membership) -> dict[str, Number]:
    found = census.of(States(settings), membership, catalogs_module.load(settings.data))
    numbers: dict[str, Number] = {}
    for own in found.stages:
        numbers |= {
            f"{own.stage} rows": own.rows,
            f"{own.stage} done": own.done,
            f"{own.stage} failed": own.failed,
        }
    for name in ("missing", "stale", "truncated"):
        numbers[name] = sum(getattr(own, name) for own in found.stages)
    return numbers | {"other model": sum(own.other_model for own in found.stages)}


def _of_tables(settings: Settings, within: scope.Scope) -> dict[str, Number]:
    # pandas: only here
    from ..results import coverage, scores, spending

    states = States(settings)
    judgements = scores.of_cohort(settings, within.membership, states)
    rows = coverage.rows(judgements, coverage.outcomes(states, judgements))
    costs = [row for one in within.cohort_ids for row in spending.rows(states, one, within.membership)]
    known = [float(str(row["cost_usd"])) for row in costs if row["cost_usd"]]
    return {
        f"{JUDGING} rows": sum(int(str(row["expected"])) for row in rows),
        "failures": len(states.failures(within.membership)),
        "stale": sum(state.stale == "true" for state in states.each(within.membership)),
        "spent usd": sum(known) if known or not costs else None,
    }


def _of_check(settings: Settings, membership: Membership) -> dict[str, Number]:
    members = {f"gens/{entry.stage}/{entry.gen_id}" for entry in membership}
    found = [one.path for one in health.check(settings) if one.kind == EDITED_RAW]
    return {"edited": sum(path.rpartition("/")[0] in members for path in found)}
