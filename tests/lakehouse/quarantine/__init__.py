"""Tests of ``lakehouse.quarantine``."""
