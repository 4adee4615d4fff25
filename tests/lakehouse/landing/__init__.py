"""Tests of ``lakehouse.landing``."""
