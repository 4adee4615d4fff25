"""What the lakehouse holds: one table, one name, one file, in the folders of the three layers.

Belongs here: tables, their calendars, when they materialize, and how a table becomes a Dagster asset. Rules about rows
live in ``quality``; reading files and committing tables in ``resources``.
"""
