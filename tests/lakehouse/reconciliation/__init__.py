"""Tests of ``lakehouse.reconciliation``."""
