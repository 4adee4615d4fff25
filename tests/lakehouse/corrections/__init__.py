"""Tests of ``lakehouse.corrections``."""
