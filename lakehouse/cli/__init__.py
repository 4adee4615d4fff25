"""The `lakehouse` command.

Belongs here: commands, what they print, and reading the lake for people (`lake`, `landing_state`, `imbalances`).
Not: anything that changes a table; that is done by the runs of `sensors` and what they call.
"""
