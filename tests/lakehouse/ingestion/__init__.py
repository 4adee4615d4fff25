"""Tests of ``lakehouse.ingestion``."""
