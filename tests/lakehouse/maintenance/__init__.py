"""Tests of ``lakehouse.maintenance``."""
