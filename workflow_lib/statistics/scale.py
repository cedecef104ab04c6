"""What tables and pages agree on; without numpy, which a page does not need."""

POINTS = 9.0
"""Tables and pages show shares of a scale in points of 9, whatever the scales of the evaluation templates."""

MIN_UNITS = 3
"""Independent values from which on an interval is given: two nearly always agree by chance, or say nothing."""
