"""Corrections: rejected rows as people see, correct and replay them, and the object that does it for every face.

Belongs here: selecting and explaining quarantined rows, validating corrections before they are recorded, and computing
the days again that decisions change. The stored form of rows and decisions belongs in ``quarantine``.
"""
