"""What was spent, by stage and model, as a picture."""

from .axes import Estimate, zoomed
from .numbers import count, usd
from .pictures import Line, Picture, bar, head
from .reports import Rows


def of_calls(costs: Rows) -> Picture | None:
    """Return a bar per stage and model: what it cost, or its calls where nothing has a price."""
    bought = [row for row in costs if int(row["calls"] or 0)]
    if not bought:
        return None
    in_usd = any(row["cost_usd"] and float(row["cost_usd"]) > 0 for row in bought)
    values = [float(row["cost_usd"] or 0) if in_usd else float(row["calls"]) for row in bought]
    axis = zoomed([Estimate(value) for value in values], zero=True)
    groups: dict[str, list[Line]] = {}
    for row, value in zip(bought, values, strict=True):
        price = usd(float(row["cost_usd"])) if row["cost_usd"] else "unknown"
        said = [count(int(row["calls"]), "call")]
        if int(row["failed_calls"] or 0):
            said.append(f"{int(row['failed_calls']):,} failed")
        if row["total_tokens"]:
            said.append(f"{int(row['total_tokens']):,} tokens")
        if int(row["calls_cost_unknown"] or 0) and row["cost_usd"]:
            said.append(f"{int(row['calls_cost_unknown']):,} of unknown cost")
        name = f"{row['stage']}s".capitalize() if row["stage"] else "Stage unknown"
        groups.setdefault(name, []).append(Line(row["model"], bar(axis, value), price, ", ".join(said)))
    return Picture("Spent by stage and model", "US dollars" if in_usd else "calls (without cost)", head(axis), groups)
