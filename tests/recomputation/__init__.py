"""Every statistical table of a cohort, computed a second time and in another way.

Comes in: membership.csv, parsed.txt, metadata.json and the catalogs, read here.
Goes out: the numbers that the tables print, as plain dictionaries.
Never: imports workflow_lib. Sums run over dictionaries and dense matrices, so that a slip of the library's grouped
and sparse arithmetic is not repeated.
"""
