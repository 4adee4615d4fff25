"""Publication: current rows are validated, audited, and committed or held, and the ledger accounts for each.

Belongs here: the one order in which partitions become readable. How a commit is made belongs in ``engines``; when a
partition is due, in ``orchestration``.
"""
