"""Tests of ``lakehouse.catalog``."""
