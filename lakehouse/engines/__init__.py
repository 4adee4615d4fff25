"""Engines: where DataFrames run and how their results are committed, ``sail`` (embedded) or ``spark``.

Belongs here: sessions, reading tables as frames, gated writes, metrics, and every workaround of an engine. What is
written, and whether it may be, belongs in ``publication``.
"""
