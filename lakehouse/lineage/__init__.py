"""Lineage: columns by query plans, rows by trace.

Belongs here: where a column or a value comes from. Which partitions a change reaches belongs in ``planning``.
"""
