"""Tests of the gold tables, a file a table."""
