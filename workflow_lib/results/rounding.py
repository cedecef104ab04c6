"""How numbers stand in result tables."""

import math


def fixed(value: float | None, decimals: int = 2) -> str:
    """Return a number with this many decimals, empty for None and NaN; never ``-0.00``."""
    if value is None or math.isnan(value):
        return ""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text
