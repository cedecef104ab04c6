"""What the commands show and change: status, plan, progress, health, lists of essays, archives.

Comes in: settings, cohorts as written or as declared now, the states of their generations.
Goes out: counts, findings and lists for a screen or a script.
Never: makes a call; only `archive` and `candidates` write.
"""
