"""The bronze layer: as received, nothing lost.

Belongs here: a file a table, found by its name. Not: typing or judging rows (silver).
"""
