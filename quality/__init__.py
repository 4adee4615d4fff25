"""How a row is judged: contracts and their rules, the audit of a partition, quarantine, decisions, ledger.

Belongs here: everything between a frame and the verdict on its rows and days. Knows no Dagster and no table by name.
How bytes are read or committed belongs in ``resources``; what a table holds, in ``lakehouse_assets``.
"""
