"""Tests of ``lakehouse.engines``."""
