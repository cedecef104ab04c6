"""What the scores of a cohort say, and how sure one can be of it.

Comes in: the scores of a cohort as one tidy frame on the scale 0-1 (`frame.tidy`), prices, model families.
Goes out: tidy frames of numbers, in points of 9, NaN where the design cannot answer.
Never: reads or writes a file, rounds, or mixes scales. Nothing is imported here: scipy takes a second.
"""
