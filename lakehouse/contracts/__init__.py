"""Contracts: the Pandera model of a table, its rules compiled to columns, and one grammar of values.

Belongs here: what a row and a partition must be like. The verdict on real partitions belongs in ``publication``;
tables' own contracts live in their files in ``lakehouse_assets``.
"""
