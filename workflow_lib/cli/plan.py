"""``daydream plan``."""

import argparse
from pathlib import Path

from ..catalogs import prices
from ..cohorts.membership import Entry
from ..generations import preflight, provider_batches
from ..inspect import batches as inspect_batches
from ..inspect import mistakes, models, planning, scope
from ..inspect.planning import Comparison, Line, Plan
from ..stages import STAGES
from . import batches
from .options import add_cohort, add_config, add_json, command, settings_of
from .output import console, counted, duration, print_json, print_table, usd, warn

DETAILS = (
    "The cohort is expanded in memory; nothing is written and no call is made. A mistake that would stop a run before "
    "its first call is an error here, too. Tokens are estimated from characters and from recorded calls; costs are a "
    "ceiling (every prompt byte a token, every answer at full length) and an expectation. Times assume that --cores "
    "allows as many calls at a time as the pool."
)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "plan", run, "Show what a run would make, and what it would cost.", DETAILS)
    add_cohort(parser)
    parser.add_argument(
        "--spec",
        metavar="PATH",
        type=Path,
        help="compare this edited spec (folder or file) with its own cohort, or with --cohort, as it is",
    )
    parser.add_argument("--selection", metavar="FILE", help="list of essays or drafts that makes a curated cohort")
    add_config(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the plan; always 0.

    Raises:
        PreflightError: a run would stop before its first call.
    """
    settings = settings_of(args)
    comparison = None
    if args.spec:
        args.cohort = args.cohort or planning.cohort_of_spec(settings.data, args.spec)
        settings = settings_of(args)
        within, comparison = planning.compare(settings, args.spec)
    else:
        within = scope.declared(settings)
    findings = mistakes.of_scope(settings, within)
    asked = {entry.llm_model_id for entry in within.membership}
    rows = [model for model in models.configured(settings) if model.model_id in asked]
    singly = provider_batches.warnings(settings, within.membership)
    warn([*within.warnings, *singly, *preflight.warnings(findings), *models.price_warnings(settings, rows)])
    preflight.refuse(findings)
    plan = planning.Planner(settings, within).plan()
    in_flight = inspect_batches.of(settings.data, within.cohort_ids)
    if args.json:
        content = {"cohort": within.name, **planning.as_json(plan)}
        content["provider_batches"] = [inspect_batches.as_json(one) for one in in_flight]
        if comparison:
            content |= planning.comparison_json(comparison)
        print_json(content)
        return 0
    if comparison:
        _show_comparison(comparison)
    _show(within.name, plan, in_batches=settings.provider_batch)
    if in_flight:
        console().print(f"Some of these calls are on their way: {batches.line(in_flight)}.")
    return 0


def _show(name: str, plan: Plan, *, in_batches: bool) -> None:
    rows = [
        (
            stage,
            model_id,
            line.rows,
            line.done,
            line.reusable,
            line.to_do,
            f"{line.prompt_tokens:,.0f}",
            f"{line.completion_tokens:,.0f}",
            usd(line.cost_expected_usd),
            usd(line.cost_ceiling_usd),
        )
        for stage in STAGES
        for model_id, line in plan.stages[stage].items()
    ]
    columns = (
        "stage",
        "model",
        "rows",
        "done",
        "of other cohorts",
        "to do",
        "prompt tokens",
        "answer tokens",
        "USD expected",
        "USD at most",
    )
    print_table(f"Plan of {name}", columns, rows, numbers=8)
    out = console()
    lines = [line for stage in STAGES for line in plan.stages[stage].values()]
    to_do = sum(line.to_do for line in lines)
    copies = sum(line.copies for line in lines)
    expected = planning.total(line.cost_expected_usd for line in lines)
    ceiling = planning.total(line.cost_ceiling_usd for line in lines)
    out.print(
        f"To do: {counted(to_do - copies, 'call')}, {copies:,} to copy without a call; "
        f"{usd(expected)} USD expected, {usd(ceiling)} at most."
    )
    _show_batches(lines, in_batches=in_batches)
    _show_prices(plan)
    for pool, seconds in plan.pools.items():
        if seconds:
            out.print(f"Pool {pool}: about {duration(seconds)}.")
    if plan.estimated:
        out.print(f"{counted(plan.estimated, 'prompt')} cannot be rendered before the parent is there: estimated.")
    if plan.stale:
        out.print(
            f"Stale: {len(plan.stale)} (prompt, parent, model or parameters would differ today); buying them again "
            f"would cost about {usd(plan.stale_usd)} USD. A run keeps them as they are; see "
            "`daydream regenerate --stale`."
        )


def _show_batches(lines: list[Line], *, in_batches: bool) -> None:
    """Print what the calls cost through batch services, and what that saves, where an endpoint has one."""
    asked = [line for line in lines if line.to_do > line.copies]
    through = [line for line in asked if line.batch_expected_usd is not None]
    if not any(line.batch_expected_usd for line in through):
        return
    expected = planning.total(line.batch_expected_usd for line in through)
    saved = planning.plus(planning.total(line.cost_expected_usd for line in through), -(expected or 0.0))
    ceiling = planning.total(line.batch_ceiling_usd for line in through)
    calls = sum(line.to_do - line.copies for line in through)
    console().print(
        f"{'In' if in_batches else 'With provider_batch=true, in'} provider batches: {counted(calls, 'call')}, "
        f"{usd(expected)} USD expected, {usd(ceiling)} at most; {usd(saved)} less expected than single calls."
    )


def _show_prices(plan: Plan) -> None:
    """Print the price of every model that is to be asked, by where it comes from."""
    asked = {
        name: plan.prices[name]
        for lines in plan.stages.values()
        for name, line in lines.items()
        if line.to_do > line.copies and name in plan.prices
    }
    by_source: dict[str | None, list[str]] = {}
    for name, price in sorted(asked.items()):
        amounts = f" {price.input:g} / {price.output:g}" if price else ""
        by_source.setdefault(price.source if price else None, []).append(name + amounts)
    for source, listed in by_source.items():
        if source is None:
            console().print(f"Price not known: {', '.join(listed)}.")
            continue
        age = "" if source == prices.OWN else f", which knows changes up to {prices.newest_change()}"
        console().print(f"Prices (USD per million tokens in / out) of {source}{age}: {', '.join(listed)}.")


def _show_comparison(comparison: Comparison) -> None:
    rows = [(place, f"{before:,}", f"{after:,}") for place, before, after in comparison.rules]
    if rows:
        print_table("Cells of the edited spec, rule by rule", ("rule", "before", "after"), rows, numbers=2)
    changed = [
        (stage, *(sum(entry.stage == stage for entry in part) for part in _parts(comparison))) for stage in STAGES
    ]
    print_table("Against the present membership", ("stage", "added", "of these in the store", "dropped"), changed, 3)
    console().print(
        f"The difference: {counted(comparison.calls, 'call')}, {usd(comparison.expected_usd)} USD expected, "
        f"{usd(comparison.ceiling_usd)} at most. What is dropped stays in the store."
    )


def _parts(comparison: Comparison) -> tuple[list[Entry], ...]:
    return comparison.added, comparison.reused, comparison.dropped
