"""Tests of ``lakehouse.orchestration``."""
