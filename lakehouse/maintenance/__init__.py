"""Maintenance: what operators do to the tables of a lakehouse, by name, while nothing else writes them.

Belongs here: which tables and partitions are meant, what is refused, and what has to follow a restore. The operations
themselves belong in ``delta``; the jobs that do them at night, in ``orchestration``.
"""
