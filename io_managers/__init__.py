"""How Dagster reaches tables: from a context to a table and a partition predicate, and on to the engine.

Belongs here: loading inputs, and writing outputs that need no gate. Knows no business rule; gated tables are published
by their asset's body through ``lakehouse.publication.publish``.
"""
