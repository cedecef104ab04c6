"""What a cohort shows, in sentences: each is written only if the tables allow it, and names its rows.

Pure functions from rows of the tables (text, as in the files) to sentences; nothing is computed here but sums of
costs.csv, which `overview` makes. Where nothing is clear the sentence says so, and what it would take.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..stages import FIRST, JUDGED, JUDGING
from .numbers import between, count, points, usd
from .overview import NOUNS, Spending, spending_of
from .reports import Reports, Rows

TEMPLATES, MODELS = ("draft_template", "generation_template"), ("draft_model", "generation_model")
AGREE, TENTATIVE = 0.8, 0.667
"""Krippendorff's own limits for alpha: from the first on data can be relied on, from the second on tentatively."""
RELIABLE = 0.9
"""Reliability of an essay's mean from which on more evaluations of it buy little."""
ALPHA = "krippendorff_alpha_of_replicate_means"
TARGET = "1 points"
"""The difference for which a finding says how many combos it takes, as next_steps.csv names it."""

CLEAR, OPEN, PLAIN = "clear", "open", "plain"


@dataclass(frozen=True)
class Finding:
    """One question and what the tables answer.

    Attributes:
        question: in a reader's words.
        verdict: the answer in two or three words.
        state: ``clear``, ``open`` (the tables do not decide it) or ``plain`` (a fact without uncertainty).
        text: the sentences.
        evidence: (place on the page without ``#``, name of a table), the first the more exact.
    """

    question: str
    verdict: str
    state: str
    text: Markup
    evidence: tuple[tuple[str, str], ...]


def of(tables: Reports, links: Mapping[str, tuple[str, str]]) -> list[Finding]:
    """Return what a cohort's tables allow to be said, in the order in which a reader asks.

    Args:
        tables: of the cohort.
        links: essay gen_id -> (address of its page, title).
    """
    comparisons, steps, costs = tables.analysis("comparisons"), tables.analysis("next_steps"), tables.summary("costs")
    missing = tables.completeness["expected"] - tables.completeness["scored"]
    board = tables.analysis("adjusted_scores")
    found = [
        *(
            better(question, factors, comparisons, steps) or unmatched(question, factors, board)
            for question, factors in (("Which template is better?", TEMPLATES), ("Which model is better?", MODELS))
        ),
        agreement(tables.analysis("judge_agreement"), tables.analysis("judges")),
        top(board, links),
        spent(costs, spending_of(costs)),
        next_step(steps, comparisons, missing),
    ]
    return [finding for finding in found if finding is not None]


def anchor(row: Mapping[str, str]) -> str:
    """Return the place on the page of a row of comparisons.csv."""
    return "-".join(("difference", row["factor"], row["level_a"], row["level_b"], row["pairing"] or "none"))


def better(question: str, factors: Sequence[str], comparisons: Rows, next_steps: Rows) -> Finding | None:
    """Return which level of some factors is better, by how much, and whether that is clear.

    A difference is called clear only where the table says so: p below 0.05 after Holm's correction for all pairs of
    the cohort. None where no two levels can be compared.

    Args:
        question: of the finding.
        factors: `TEMPLATES` or `MODELS`.
        comparisons: rows of comparisons.csv.
        next_steps: rows of next_steps.csv, for what it would take.
    """
    pairs = [row for row in comparisons if row["factor"] in factors and row["difference"]]
    if not pairs:
        return None
    clear = _largest_first(row for row in pairs if row["clear"] == "true")
    known = _largest_first(row for row in pairs if row["ci_low"] and row["p_holm"])
    if clear:
        text = Markup(" ").join(_difference(row) for row in clear[:2])
        rest = len(clear) - 2
        if rest > 0:
            text += f" {count(rest, 'more pair is clear', 'more pairs are clear')}."
        quiet = [factor for factor in factors if _has(pairs, factor) and not _has(clear, factor)]
        if quiet:
            text += f" Between {_plural(quiet[0])} no difference is clear."
        return Finding(question, "clear", CLEAR, text, _evidence(clear[0]))
    if known:
        first = known[0]
        family = sum(bool(row["p_holm"]) for row in comparisons)
        corrected = f"p {p_value(first['p_holm'])} after correction for {count(family, 'pair')}"
        text = Markup("No {} is clearly better. The largest difference: {} ({}).").format(
            _either(pairs), _difference(first, end=""), corrected
        )
        needed = combos_needed(next_steps, first["factor"])
        if needed:
            text += f" {needed}"
        return Finding(question, "not clear", OPEN, text, _evidence(first))
    most = max(int(row["n_combos"] or 0) for row in pairs)
    if most < 3:
        text = Markup("{} cannot decide it: an interval takes 3.").format(count(most, "combo"))
    else:
        text = Markup("The differences of all {} are the same by the steps of the scale: no interval.").format(
            count(most, "combo")
        )
    return Finding(question, "not known", OPEN, text, _evidence(pairs[0]))


def unmatched(question: str, factors: Sequence[str], board: Rows) -> Finding | None:
    """Return why no two levels of some factors can be compared; None without scores.

    Args:
        question: of the finding.
        factors: `TEMPLATES` or `MODELS`.
        board: rows of adjusted_scores.csv.
    """
    if not board:
        return None
    levels = {NOUNS[factor]: sorted({row[factor] for row in board if row[factor]}) for factor in factors}
    if any(len(found) > 1 for found in levels.values()):
        text = Markup("Nothing to compare: no combo has scored essays of two of them.")
        return Finding(question, "not known", OPEN, text, _DIFFERENCES)
    named = Markup(", ").join(
        Markup("one {}, <b>{}</b>").format(noun, found[0]) for noun, found in levels.items() if found
    )
    return Finding(question, "only one", PLAIN, Markup("Nothing to compare: {}.").format(named), _DIFFERENCES)


def combos_needed(next_steps: Rows, factor: str) -> str:
    """Return how many combos would show a difference of one point, and their price; empty if it is not known."""
    row = _step(next_steps, "more combos", f"detect {TARGET} of {factor}")
    if row is None or not row["now"]:
        return ""
    now = _whole(row["now"])
    if not row["then"]:
        known = any(step["then"] for step in next_steps if step["change"].endswith(factor))
        return f"Even 100 combos would not show a difference of 1 point between {_plural(factor)}." if known else ""
    then = _whole(row["then"])
    if then <= now:
        return f"The {count(now, 'combo')} would have shown a difference of 1 point between {_plural(factor)}."
    return f"To show 1 point between {_plural(factor)} takes {then} combos, not {now}{_price(row)}."


def agreement(agreements: Rows, judges: Rows) -> Finding | None:
    """Return whether the judges agree, and who is stricter; None without scores.

    They agree if all of alpha's interval lies at or above `AGREE`, disagree if all of it lies below `TENTATIVE`.
    Alpha takes a stricter judge for one that disagrees, so where it is not high the rank correlations stand beside it.
    A judge is called stricter or kinder only if the interval of its severity does not hold 0.

    Args:
        agreements: rows of judge_agreement.csv.
        judges: rows of judges.csv.
    """
    question = "Do the judges agree?"
    names = sorted({row["evaluation_llm_model"] for row in judges})
    if not names:
        return None
    if len(names) == 1:
        text = Markup("<b>{}</b> is the only judge: nothing says whether another one would agree.").format(names[0])
        return Finding(question, "not known", OPEN, text, (("judges", "judges"),))
    evidence = (("agreement", "judge_agreement"),)
    row = _overall([row for row in agreements if row["measure"] == ALPHA], "evaluation_template")
    if row is None or not row["value"]:
        text = Markup("No text was scored by two judges, or all scores are the same.")
        return Finding(question, "not known", OPEN, text, evidence)
    stricter = _severity(judges)
    n = count(int(row["n"]), "pair of essay and template", "pairs of essay and template")
    if not row["ci_low"]:
        text = Markup("Two judges or more scored {}: an interval of their agreement takes 20 essays.").format(n)
        return Finding(question, "not known", OPEN, text + stricter, evidence)
    low, high = float(row["ci_low"]), float(row["ci_high"])
    alpha = f"alpha {points(row['value'])} {between(low, high)}, {n}"
    if low >= AGREE:
        verdict, state, said = "yes", CLEAR, "The judges agree on which essays are better"
    elif high < TENTATIVE:
        verdict, state, said = "no", CLEAR, "The judges' scores do not agree"
    elif low >= TENTATIVE:
        verdict, state, said = "roughly", OPEN, "The judges' scores agree enough for tentative conclusions only"
    else:
        verdict, state, said = "not clear", OPEN, "Whether the judges' scores agree is not clear"
    order = "" if low >= AGREE else _order(agreements)
    return Finding(question, verdict, state, Markup("{} ({}).{}").format(said, alpha, order) + stricter, evidence)


def top(board: Rows, links: Mapping[str, tuple[str, str]]) -> Finding | None:
    """Return which essay to read first, and whether it is clearly the best; None without scores.

    Args:
        board: rows of adjusted_scores.csv.
        links: essay gen_id -> (address of its page, title).
    """
    if not board:
        return None
    question = "Which essay to read first?"
    sizes: dict[str, int] = {}
    for row in board:
        sizes[row["component"]] = sizes.get(row["component"], 0) + 1
    component = max(sizes, key=lambda name: (sizes[name], -int(name)))
    own = [row for row in board if row["component"] == component]
    first = own[0]
    href, title = links[first["parent_gen_id"]]
    link = Markup('<a href="{}"><bdi>{}</bdi></a>').format(href, title)
    interval = f" {between(first['ci_low'], first['ci_high'])}" if first["ci_low"] else ""
    score = f"{points(first['estimate'])} of 9{interval}"
    evidence = (("best", "adjusted_scores"),)
    apart = "" if len(sizes) == 1 else f" {len(sizes)} groups of essays share no judge: each has its own order."
    if len(own) == 1:
        text = Markup("{} is the only one with a score: {}.{}").format(link, score, apart)
        return Finding(question, "only one", PLAIN, text, evidence)
    group = sum(row["top_group"] == "true" for row in own)
    if not group and len({row["estimate"] for row in own}) == 1:
        text = Markup("All {} have the same score, {} of 9: {} is one of them.{}").format(
            f"{len(own):,}", points(first["estimate"]), link, apart
        )
        return Finding(question, "not known", OPEN, text, evidence)
    if not group:
        text = Markup("{} has the highest score: {}. Too few judges or essays to say how sure that is.{}").format(
            link, score, apart
        )
        return Finding(question, "not known", OPEN, text, evidence)
    if group == 1:
        text = Markup("{}: {}, clearly ahead of the other {}.{}").format(link, score, f"{len(own) - 1:,}", apart)
        return Finding(question, "clear", CLEAR, text, evidence)
    if group == len(own):
        text = Markup("No essay stands out: the scores cannot tell the {} apart. {} has the highest: {}.{}").format(
            f"{len(own):,} essays", link, score, apart
        )
        return Finding(question, "not clear", OPEN, text, evidence)
    text = Markup("{}: {}. The first {} of {} cannot be told apart.{}").format(
        link, score, f"{group:,}", f"{len(own):,}", apart
    )
    return Finding(question, f"one of {group:,}", OPEN, text, evidence)


def next_step(next_steps: Rows, comparisons: Rows, missing: int = 0) -> Finding | None:
    """Return what to buy next and its price; None without scores.

    First what is missing; then the smallest number of combos that would show a difference of one point between
    templates or models of which none is clearly better; then, where essays' means are not `RELIABLE`, the
    evaluations that raise their reliability most for their price.

    Args:
        next_steps: rows of next_steps.csv.
        comparisons: rows of comparisons.csv.
        missing: evaluations without a score.
    """
    parts: list[str] = []
    verdict = ""
    if missing:
        verdict = "the missing scores"
        lacking = count(missing, "evaluation has", "evaluations have")
        parts.append(f"First what is missing: {lacking} no score that counts.")
    more = _combos(next_steps, comparisons)
    if more is not None:
        verdict = verdict or "more combos"
        parts.append(combos_needed(next_steps, _factor(more)))
    evaluations = [row for row in next_steps if row["question"] == "more evaluations" and row["now"] and row["then"]]
    if evaluations:
        now = float(evaluations[0]["now"])
        if now >= RELIABLE:
            reliability = f"an essay's mean has a reliability of {points(now)} already"
            parts.append(f"More judges or replicates would change little: {reliability}.")
        else:
            best = max(evaluations, key=_gain)
            was, then = points(now), points(best["then"])
            if was == then:
                parts.append(f"More judges or replicates would not help: an essay's mean has a reliability of {was}.")
            else:
                verdict = verdict or best["change"]
                said = best["change"].capitalize()
                parts.append(
                    f"{said} would raise the reliability of an essay's mean from {was} to {then}{_price(best)}."
                )
    if not parts and not next_steps:
        return None
    if not parts:
        verdict = "not known"
        parts.append("The scores at hand cannot foresee what more would show: that takes two judges and three combos.")
    return Finding("What to buy next?", verdict or "nothing", PLAIN, Markup.escape(" ".join(parts)), _NEXT)


def spent(costs: Rows, total: Spending) -> Finding:
    """Return what was spent, by stage.

    Args:
        costs: rows of costs.csv.
        total: their sums.
    """
    question, evidence = "What was spent?", (("costs", "costs"),)
    if not total.calls:
        text = Markup("No call on record was made in this cohort's name.")
        return Finding(question, "nothing", PLAIN, text, evidence)
    stages: dict[str, float] = {}
    for row in costs:
        if row["cost_usd"]:
            stages[row["stage"]] = stages.get(row["stage"], 0.0) + float(row["cost_usd"])
    made = count(total.calls, "call")
    if total.usd is None:
        text = Markup("{} of unknown cost.").format(made)
    elif total.usd == 0:
        text = Markup("{} that cost nothing.").format(made)
    else:
        named = {FIRST: "drafts", JUDGED: "essays", JUDGING: "judging"}
        shares = ", ".join(f"{named[stage]} {usd(amount)}" for stage, amount in stages.items())
        text = Markup("{}: {}.").format(made, shares)
    if total.unknown_calls and total.usd is not None:
        unknown = count(total.unknown_calls, "call")
        text += f" {unknown} of unknown cost {'is' if total.unknown_calls == 1 else 'are'} not in it."
    return Finding(question, usd(total.usd), PLAIN, text, evidence)


_DIFFERENCES = (("differences", "comparisons"),)
_NEXT = (("next", "next_steps"),)


def _difference(row: Mapping[str, str], end: str = ".") -> Markup:
    value, low, high = (float(row[name]) for name in ("difference", "ci_low", "ci_high"))
    first, second = row["level_a"], row["level_b"]
    if value < 0:
        first, second, value, low, high = second, first, -value, -high, -low
    whole = " (drafts and essays)" if row["pairing"] == "pipeline" else ""
    return Markup("<b>{}</b> {} <b>{}</b>{} by {} of 9 points {}, {}{}").format(
        first,
        "beats" if row["clear"] == "true" else "over",
        second,
        whole,
        points(value),
        between(low, high),
        count(int(row["n_combos"]), "combo"),
        end,
    )


def _largest_first(rows: Iterable[dict[str, str]]) -> Rows:
    return sorted(rows, key=lambda row: -abs(float(row["difference"])))


def _has(rows: Rows, factor: str) -> bool:
    return any(row["factor"] == factor for row in rows)


def _either(pairs: Rows) -> str:
    found = [noun for factor, noun in NOUNS.items() if _has(pairs, factor)]
    return " or ".join(found)


def _plural(factor: str) -> str:
    return f"{NOUNS[factor]}s"


def _evidence(row: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return ((anchor(row), "comparisons"),)


def _overall(rows: Rows, column: str) -> dict[str, str] | None:
    return next((row for row in rows if row[column] == "all"), rows[0] if len(rows) == 1 else None)


def _order(agreements: Rows) -> str:
    """Return how alike the judges order the essays, whatever their strictness; empty where that is not known."""
    pairs = [row for row in agreements if row["measure"] == "spearman" and row["value"]]
    pairs = [row for row in pairs if row["evaluation_template"] == "all"] or pairs
    if len(pairs) == 1:
        row = pairs[0]
        interval = f" {between(row['ci_low'], row['ci_high'])}" if row["ci_low"] else ""
        return f" Strictness aside, their orders correlate by {points(row['value'])}{interval}."
    if len({row["evaluation_template"] for row in pairs}) != 1:
        return ""
    low, high = (points(found(float(row["value"]) for row in pairs)) for found in (min, max))
    return f" Strictness aside, the orders of two judges correlate by {low} to {high}."


def _severity(judges: Rows) -> Markup:
    """Return who is strictest or kindest beyond chance, else nothing."""
    found = [row for row in judges if row["evaluation_template"] == "all"] or judges
    sure = [
        row for row in found if row["severity_low"] and float(row["severity_low"]) * float(row["severity_high"]) > 0
    ]
    if not sure:
        return Markup("")
    row = max(sure, key=lambda one: (abs(float(one["severity"])), one["evaluation_llm_model"]))
    value, low, high = (float(row[name]) for name in ("severity", "severity_low", "severity_high"))
    word = "kinder" if value > 0 else "stricter"
    if value < 0:
        value, low, high = -value, -high, -low
    by = "" if row["evaluation_template"] == "all" else f" by {row['evaluation_template']}"
    return Markup(" <b>{}</b> is {} points {} {} than the mean judge{}.").format(
        row["evaluation_llm_model"], points(value), word, between(low, high), by
    )


def _combos(next_steps: Rows, comparisons: Rows) -> dict[str, str] | None:
    """Return the smallest step to a difference of one point between levels of which none is clearly better."""
    decided = {row["factor"] for row in comparisons if row["clear"] == "true"}
    open_ones = [
        row
        for row in next_steps
        if row["question"] == "more combos" and TARGET in row["change"] and row["then"] and row["now"]
        if float(row["then"]) > float(row["now"]) and _factor(row) not in decided
    ]
    return min(open_ones, key=lambda row: float(row["then"]), default=None)


def _factor(row: Mapping[str, str]) -> str:
    return row["change"].rpartition(" ")[2]


def _step(next_steps: Rows, question: str, change: str) -> dict[str, str] | None:
    return next((row for row in next_steps if row["question"] == question and row["change"] == change), None)


def _gain(row: Mapping[str, str]) -> tuple[float, float]:
    gain = float(row["then"]) - float(row["now"])
    price = float(row["usd"]) if row["usd"] else 0.0
    return (gain / price if price > 0 else 0.0, gain)


def _price(row: Mapping[str, str]) -> str:
    if not row["usd"]:
        return " (price unknown)"
    price = float(row["usd"])
    return f", for {usd(price)} more" if price else ", at no cost"


def _whole(value: str) -> int:
    return round(float(value))


def p_value(value: str) -> str:
    """Return a p value; a small one has no figures, since the table has four decimals."""
    return "below 0.001" if float(value) < 0.001 else f"{float(value):.2g}"
