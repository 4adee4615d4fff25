"""Tests of ``lakehouse.delta``."""
