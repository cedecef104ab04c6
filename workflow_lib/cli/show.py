"""``daydream show``."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from ..inspect import show
from .options import add_json, command, settings_of
from .output import console, print_json, print_table, usd

DETAILS = (
    "What it was made from, prompt, request, answer, parsed text, scores, costs, what was made of it, and its files. "
    "Only the store is read. The beginning of a gen_id is enough if no other begins so."
)
TEXTS = (("system", "System message"), ("prompt", "Prompt"), ("answer", "Answer"), ("parsed", "Parsed text"))
COLUMNS = ("stage", "gen_id", "template", "model", "replicate", "state", "score")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = command(commands, "show", run, "Show one generation with its lineage, texts, scores and costs.", DETAILS)
    parser.add_argument("gen_id", metavar="ID", help="a gen_id, or its beginning")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the generation; always 0."""
    about = show.of(settings_of(args), args.gen_id)
    if args.json:
        print_json(about)
    else:
        _show(about)
    return 0


def _show(about: Mapping[str, Any]) -> None:
    out = console()
    combo = about["combo"] or {}
    made_from = [_row(one) for one in about["made_from"]]
    print_table(f"{about['stage']} {about['gen_id']}", COLUMNS, [*made_from, _row(about)], numbers=1)
    if combo:
        concepts = f": {', '.join(combo['concepts'])} ({combo['level']})" if "concepts" in combo else ""
        out.print(f"Combo {combo['combo_id']}{concepts}.")
    out.print(f"Cohorts: {', '.join(about['cohorts']) or 'none'}.")
    if about["is_copy"]:
        out.print("A copy of what it was made from: no call is made for it.")
    if about["stale_reasons"]:
        out.print(f"Stale: {', '.join(about['stale_reasons'])} would differ today.")
    if about["edited"]:
        out.print("Edited: raw.txt differs from the answer that it claims to come from.")
    if failure := about["failure"]:
        out.print(f"Failed at {failure['step']}: {failure['reason']}: {failure['message']}\n{failure['remedy']}")
    if about["attempts"]:
        print_table("Attempts", ("number", "request", "served", "end", "tokens", "seconds", "USD"), _attempts(about), 3)
        out.print(f"Cost of its answers: {usd(about['cost_usd'])} USD.")
    below = list(_below(about["made_of_it"]))
    if below:
        print_table("Made of it", COLUMNS, below, numbers=1)
    for name, title in TEXTS:
        if about[name] is not None:
            out.print(f"\n--- {title} ---\n{printable(about[name])}", soft_wrap=True)
    out.print("\n--- Files ---")
    for path in about["files"]:
        out.print(path, soft_wrap=True)


def _row(one: Mapping[str, Any]) -> tuple[object, ...]:
    score = "" if one["score"] is None else f"{one['score']:g}"
    return tuple(one[name] for name in COLUMNS[:5]) + (one["state"], score)


def _below(children: list[Mapping[str, Any]]) -> Iterator[tuple[object, ...]]:
    for child in children:
        yield _row(child)
        yield from _below(child["made_of_it"])


def _attempts(about: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    for one in about["attempts"]:
        usage = one["usage"] if isinstance(one["usage"], dict) else {}
        request = ", ".join(f"{name} {value}" for name, value in (one["request"] or {}).items())
        yield (
            one["attempt"],
            printable(f"{one['endpoint'] or ''} {request}".strip()),
            printable(str(one["served_model"] or "")),
            one["finish_reason"] or "",
            usage.get("total_tokens"),
            one["duration_s"],
            usd(one["cost_usd"]),
        )


def printable(text: str) -> str:
    """Return a model's text without signs that a terminal would obey."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "?" for sign in text)
