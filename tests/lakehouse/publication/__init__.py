"""Tests of ``lakehouse.publication``."""
