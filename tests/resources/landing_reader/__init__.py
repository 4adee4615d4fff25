"""Tests of ``resources.landing_reader``."""
