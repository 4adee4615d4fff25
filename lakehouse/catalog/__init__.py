"""The catalog: tables by name, at a version or a time, and SQL over them, without an engine.

Belongs here: reading for people and programs. Never writes. Comparing tables with each other belongs in
``reconciliation``.
"""
