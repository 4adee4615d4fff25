"""The silver layer: typed, deduplicated, judged by contract.

Belongs here: a file a table, found by its name. Not: aggregates (gold).
"""
