"""Corrections: rejected rows as people see, mend and replay them.

Belongs here: selecting quarantined rows, explaining them, judging corrections before they are recorded. The stored
form of rows and decisions belongs in ``quarantine``.
"""
