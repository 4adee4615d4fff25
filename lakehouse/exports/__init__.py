"""Exports: contracts as pages and in the Open Data Contract Standard.

Belongs here: other formats of what is declared. The declarations belong in ``contracts`` and ``tables``.
"""
