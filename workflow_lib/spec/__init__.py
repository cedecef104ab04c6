"""The language in which a cohort is declared: axes, rules, output.

Comes in: spec/config.yaml and the files that it names.
Goes out: rows, one per cell, in an order that is the same on every machine.
Never: looks into the store. Only `combos:` looks into the catalogs.
"""

from ..errors import SpecError
from .combos import rows, with_combos
from .language import axes, load, rows_with_counts, unused_levels, with_axis
from .reading import Spec
from .rules import Axis

__all__ = [
    "Axis",
    "Spec",
    "SpecError",
    "axes",
    "load",
    "rows",
    "rows_with_counts",
    "unused_levels",
    "with_axis",
    "with_combos",
]
