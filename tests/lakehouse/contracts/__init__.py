"""Tests of ``lakehouse.contracts``."""
