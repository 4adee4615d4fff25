"""Tests of ``lakehouse.tables``."""
