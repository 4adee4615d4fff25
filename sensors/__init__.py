"""Dagster sensors, nothing else: new landing objects start bronze, changed inputs start what follows.

Belongs here: the thin sensors. What they request is decided in ``lakehouse.orchestration``; listing objects belongs in
``lakehouse.landing``.
"""
