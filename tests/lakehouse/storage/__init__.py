"""Tests of ``lakehouse.storage``."""
