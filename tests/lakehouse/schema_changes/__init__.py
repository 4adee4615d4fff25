"""Tests of ``lakehouse.planning``."""
