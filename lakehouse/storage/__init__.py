"""Bytes by URI: local disk, S3 and ADLS through one set of functions.

Belongs here: reading, writing, listing and put-if-absent. Knows no Delta log and no landing layout: those live in
``delta`` and ``landing``.
"""
