"""Tests of the silver tables, a file a table."""
