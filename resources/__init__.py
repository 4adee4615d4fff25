"""What the lakehouse runs on: settings, storage, the landing zone, its reader, and the engines.

Belongs here: everything that touches files, object stores, sessions or Delta commits. Knows no Dagster run and no
business rule. Rules live in ``quality``; which rows a table holds lives in ``lakehouse_assets``.
"""
