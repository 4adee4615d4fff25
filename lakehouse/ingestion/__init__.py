"""Ingestion: landing files become batches of bronze rows, exactly once.

Belongs here: staging, manifests, the file registry, bronze rows, schema drift, column backfills. Reading the bytes of
a file belongs in ``landing``; typing its rows, in ``publication``.
"""
