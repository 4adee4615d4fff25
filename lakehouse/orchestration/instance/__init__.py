"""How Dagster itself runs here: the instance's settings, its home, its event log, and many events written at once.

Not what Dagster runs (``lakehouse_assets``, ``sensors``), nor where the lake is (``resources``). Knows no table.
"""
