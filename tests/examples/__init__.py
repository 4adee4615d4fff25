"""Tests of ``examples``."""
