"""How Dagster itself runs here: the instance's settings, its home, its event log, and many events written at once.

Belongs here: every private name of Dagster that is used, each with a test that says when it may go. What Dagster runs
belongs in ``orchestration``; where the lake is, in ``settings``. Knows no table.
"""
