"""What starts runs: new landing objects start bronze, changed inputs start what follows.

Belongs here: pure decisions about what to request, and the thin Dagster sensors around them. What a run does belongs in
``lakehouse_assets``; listing objects in ``lakehouse.landing.zone``.
"""
