"""Orchestration: tables as Dagster assets, and the runner that materializes them without a daemon.

Belongs here: assets, checks, automation condition, jobs, runner. The only library room that knows Dagster; private
Dagster names are used in ``instance`` only. What a run does to a table belongs in ``publication``.
"""
