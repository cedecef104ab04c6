"""From the scores of a cohort, or of the whole store, to tables.

Comes in: evaluations with their lineage, attempts with their costs.
Goes out: the CSV files of reports/ and of 7_cross_experiment/, sorted, the same bytes on a second run.
Never: calls a model or writes into the store. Nothing is imported here: pandas takes a second.
"""
