"""Reconciliation: every layer compared with the one below it, by counts or by computing it again.

Belongs here: differences and their likely causes. Following one row belongs in ``lineage``; repairing what differs, in
``orchestration``.
"""
