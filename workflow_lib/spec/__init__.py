"""The language in which a cohort is declared: axes, rules, output.

Comes in: spec/config.yaml and the files that it names.
Goes out: rows, one per cell, in an order that is the same on every machine.
Never: looks into a catalog, the store or the settings.
"""

from ..errors import SpecError
from .language import Spec, load, rows, rows_with_counts, unused_levels, with_axis

__all__ = ["Spec", "SpecError", "load", "rows", "rows_with_counts", "unused_levels", "with_axis"]
