"""Tests of the bronze tables, a file a table."""
