"""Tables: the declarations a table's file is written with, calendars, and how a table's inputs are loaded.

Belongs here: what turns a contract and a function into a table. Knows no Dagster: how a table becomes an asset belongs
in ``orchestration``. The tables themselves live in ``lakehouse_assets``.
"""
