"""Tests of tables and of how they become assets."""
