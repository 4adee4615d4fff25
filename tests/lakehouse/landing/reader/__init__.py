"""Tests of ``lakehouse.landing.reader``."""
