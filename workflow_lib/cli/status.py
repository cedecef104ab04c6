"""``daydream status``."""

import argparse
from collections import Counter

from ..generations.failures import Failure
from ..inspect import scope
from ..inspect import status as status_module
from ..inspect.status import Status
from ..stages import STAGES
from . import batches
from .options import add_cohort, add_config, add_json, command, settings_of
from .output import console, counted, print_json, print_table, usd, warn

DETAILS = "Exit code 1 if anything is missing or failed."
MAX_SHOWN = 10


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(
        commands, "status", run, "Show what of a cohort is done, missing, failed, stale and spent.", DETAILS
    )
    add_cohort(parser)
    add_config(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the status; 0 if everything is done."""
    settings = settings_of(args)
    within = scope.as_written(settings)
    status = status_module.of(settings, within.cohort_ids, within.membership)
    warn(within.warnings)
    if args.json:
        print_json(status_module.as_json(within.name, status))
    else:
        _show(within.name, status)
    return 0 if status.is_complete else 1


def _show(name: str, status: Status) -> None:
    rows = [
        (stage, counts.rows, counts.done, counts.raw_only, counts.missing, counts.failed)
        for stage in STAGES
        for counts in [status.stages[stage]]
    ]
    columns = ("stage", "rows", "done", "answer only", "missing", "failed")
    print_table(f"Status of {name}", columns, rows, numbers=5)
    _show_failures(status.failures)
    out = console()
    spent = f"Spent: {usd(status.spent.usd)} USD for {counted(status.spent.calls, 'answer')}"
    if status.spent.unknown:
        spent += f"; the cost of {status.spent.unknown:,} of them is not known"
    if status.dropped.calls:
        spent += f"; {usd(status.dropped.usd)} of it for generations that are no longer in the cohort"
    out.print(spent + ".")
    if status.batches:
        print_table("Provider batches in flight", batches.COLUMNS, batches.rows(status.batches), numbers=2)
    if status.saved.answers:
        out.print(
            f"{counted(status.saved.answers, 'answer')} came in provider batches, for {usd(abs(status.saved.usd))} USD "
            f"{'less' if status.saved.usd >= 0 else 'more'} than single calls by their prices."
        )
    if status.maybe_billed:
        out.print(
            f"{counted(len(status.maybe_billed), 'request')} may have been billed without an answer that can be used:"
        )
        for one in status.maybe_billed[:MAX_SHOWN]:
            cost = "" if one.cost_usd is None else f", {usd(one.cost_usd)} USD"
            why = f", {one.reason}" if one.reason else ""
            out.print(
                f"  {one.stage} {one.gen_id}, attempt {one.attempt:04d}, {one.model}, {one.started_at}{why}{cost}"
            )
        _show_rest(len(status.maybe_billed))
    _show_ids("Truncated", "the answer ended at max_tokens", status.truncated)
    _show_ids("Stale", "prompt, parent, model or parameters would differ today; kept as they are", status.stale)
    _show_ids("Edited", "raw.txt differs from the answer that it claims to come from", status.edited)
    _show_ids("Ordered", "another answer was ordered and has not come yet", status.ordered)
    if status.served_other_model:
        out.print(f"{counted(status.served_other_model, 'answer')} came from another model than the one asked for.")


def _show_failures(failures: list[Failure]) -> None:
    if not failures:
        return
    counts = Counter((failure.stage, failure.step, failure.reason) for failure in failures)
    examples = {(failure.stage, failure.step, failure.reason): failure for failure in reversed(failures)}
    rows = [
        (*key, count, examples[key].gen_id, examples[key].message, examples[key].remedy)
        for key, count in sorted(counts.items(), key=lambda item: (STAGES.index(item[0][0]), -item[1], item[0]))
    ]
    columns = ("stage", "step", "reason", "count", "for example", "message", "what to do")
    print_table("Failures by reason", columns, rows)


def _show_ids(title: str, meaning: str, gen_ids: list[str]) -> None:
    if gen_ids:
        out = console()
        out.print(f"{title}: {len(gen_ids):,} ({meaning})")
        for gen_id in gen_ids[:MAX_SHOWN]:
            out.print(f"  {gen_id}")
        _show_rest(len(gen_ids))


def _show_rest(count: int) -> None:
    if count > MAX_SHOWN:
        console().print(f"  ... and {count - MAX_SHOWN:,} more; --json lists all")
