"""Tests of ``lakehouse.lineage``."""
