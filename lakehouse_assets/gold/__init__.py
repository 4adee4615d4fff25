"""The gold layer: what analysts read, made from silver and gold.

Belongs here: a file a table, found by its name. Not: anything read from bronze.
"""
