"""Tests of ``lakehouse.rule_testing``."""
