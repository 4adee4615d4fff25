"""Delta tables: opening them, commits, predicates, schema enforcement, maintenance.

Belongs here: everything said in terms of a table's log and files. Where DataFrames run belongs in ``engines``; which
rows a table holds, in ``publication``.
"""
