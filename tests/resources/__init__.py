"""Tests of ``resources``."""
