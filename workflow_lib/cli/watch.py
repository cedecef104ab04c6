"""``daydream watch``."""

import argparse
import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..inspect import progress, scope, serving
from ..inspect.progress import Look, Progress
from ..settings import Settings
from . import batches
from .options import add_cohort, add_json, command, not_negative, port, settings_of
from .output import console, counted, duration, usd, warn

DETAILS = (
    "Only reads the store: the run does not notice it, and it may run on another host. Ends with 0 when "
    "all is done, when only failures are left and nothing moves any more, or on Ctrl-C. What was done at the first "
    "look counts as done. With --serve, the report can be read from the first essays on: the pages are built aside, "
    "again and again, as often as takes a fifth of the time at most."
)
TERMINAL_SECONDS = 2.0
ASIDE_SECONDS = 30.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "watch", run, "Follow a long run: calls in flight, spent so far, time left.", DETAILS)
    add_cohort(parser)
    parser.add_argument(
        "--interval",
        metavar="S",
        type=not_negative,
        help=f"seconds between two looks (default: {TERMINAL_SECONDS:g} on a terminal or with --serve, "
        f"else {ASIDE_SECONDS:g})",
    )
    parser.add_argument(
        "--serve",
        metavar="PORT",
        nargs="?",
        type=port,
        const=serving.PORT,
        help="also serve the cohorts' pages to this machine, built from what is there, with the progress on top, until "
        f"Ctrl-C (default port: {serving.PORT}, 0: any free one)",
    )
    parser.add_argument("--once", action="store_true", help="look once and end")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Follow a run; always 0."""
    settings = settings_of(args)
    warn(scope.as_written(settings).warnings)
    is_live = sys.stdout.isatty() and not args.json
    default = TERMINAL_SECONDS if is_live or args.serve is not None else ASIDE_SECONDS
    interval = default if args.interval is None else args.interval
    watched = Progress(settings)
    looks: Iterable[Look] = [watched.look()] if args.once else progress.follow(watched, interval)
    try:
        if args.serve is None:
            _show(looks, args.json, is_live)
        else:
            _serve(settings, args.serve, looks, args.json, is_live)
    except KeyboardInterrupt:
        # the usual way to stop watching
        pass
    return 0


def _serve(settings: Settings, port: int, looks: Iterable[Look], as_json: bool, is_live: bool) -> None:
    with serving.Served(settings, port) as served:
        print(f"The pages of the run: {served.url} (Ctrl-C ends)", file=sys.stderr, flush=True)
        _show(_noted(looks, served), as_json, is_live)
        served.finish()
        # the run is over, and its pages go on being read
        threading.Event().wait()


def _noted(looks: Iterable[Look], served: serving.Served) -> Iterator[Look]:
    for look in looks:
        served.note(look)
        yield look


def _show(looks: Iterable[Look], as_json: bool, is_live: bool) -> None:
    if as_json:
        for look in looks:
            print(json.dumps(progress.as_json(look)), flush=True)
    elif is_live:
        _show_live(looks)
    else:
        for look in looks:
            print(line(look), flush=True)


def line(look: Look) -> str:
    """Return a look as one line of a log."""
    parts = [time.strftime("%H:%M:%S")]
    for stage, counts in look.stages.items():
        if counts.rows:
            more = [
                f"{number:,} {name}"
                for number, name in (
                    (counts.in_flight, "in flight"),
                    (counts.failed, "failed"),
                    (counts.blocked, "blocked"),
                )
                if number
            ]
            parts.append(f"{stage} {counts.done:,}/{counts.rows:,}" + (f" ({', '.join(more)})" if more else ""))
    parts += [f"{name} {_in_flight(pool)}" for name, pool in look.pools.items() if pool.in_flight]
    return "  ".join([*parts, *filter(None, [batches.line(look.batches)]), *_sums(look)])


def _show_live(looks: Iterable[Look]) -> None:
    with Live(console=console(), auto_refresh=False) as live:
        for look in looks:
            live.update(_screen(look), refresh=True)


def _screen(look: Look) -> Group:
    stages = _table(f"Progress of {look.name}", ("stage", "rows", "done", "in flight", "to do", "failed", "blocked"))
    for stage, counts in look.stages.items():
        if counts.rows:
            numbers = (counts.rows, counts.done, counts.in_flight, counts.to_do, counts.failed, counts.blocked)
            stages.add_row(stage, *(f"{number:,}" for number in numbers))
    parts: list[Table | Text] = [stages]
    if look.pools:
        pools = _table("Calls", ("pool", "in flight", "to do", "per minute"))
        for name, pool in look.pools.items():
            pools.add_row(name, _limited(pool), f"{pool.to_do:,}", f"{pool.calls_per_minute:.1f}")
        parts.append(pools)
    if look.batches:
        table = _table("Provider batches", batches.COLUMNS)
        for row in batches.rows(look.batches):
            table.add_row(*map(str, row))
        parts.append(table)
    parts.append(Text(", ".join(_sums(look)), style="bold"))
    if look.failures:
        parts.append(Text("Last failures:"))
        for seen in look.failures:
            failed = seen.failure
            line = f"  {_clock(seen.time)} {failed.stage} {failed.gen_id}, {failed.step}, {failed.reason}: "
            parts.append(Text(line + failed.message, overflow="ellipsis", no_wrap=True))
    return Group(*parts)


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def _sums(look: Look) -> list[str]:
    spent = f"{usd(look.spent.usd)} USD spent"
    if look.spent.unknown and look.spent.usd is not None:
        spent += f" (and {counted(look.spent.unknown, 'answer')} of unknown cost)"
    parts = [f"{look.calls_per_minute:.1f} calls/min", spent]
    for cohort_id, left in look.budget_left_usd.items():
        where = f" of {cohort_id}" if len(look.budget_left_usd) > 1 else ""
        parts.append(f"{usd(left)} USD of the budget{where} left")
    return [*parts, _left(look)]


def _left(look: Look) -> str:
    if look.is_done:
        return "all done"
    if look.is_settled:
        failed = sum(counts.failed for counts in look.stages.values())
        return f"nothing left but {counted(failed, 'failure')}"
    if look.seconds_left is None:
        return "time left not known yet"
    return f"about {duration(look.seconds_left)} left"


def _in_flight(pool: progress.PoolProgress) -> str:
    return f"{_limited(pool)} in flight"


def _limited(pool: progress.PoolProgress) -> str:
    return f"{pool.in_flight:,}" + ("" if pool.limit is None else f" of {pool.limit:,}")


def _clock(moment: str) -> str:
    """Return the time of day of a time as recorded (UTC), which is what the files show."""
    return moment[11:19]
