"""Planning: which partitions a change, a restore or new code reaches.

Belongs here: selecting partitions without computing them. Running them belongs in ``orchestration``.
"""
