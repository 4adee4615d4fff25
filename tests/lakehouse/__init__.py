"""Tests of ``lakehouse``."""
