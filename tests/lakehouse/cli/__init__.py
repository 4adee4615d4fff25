"""Tests of the `lakehouse` command, through its own entry."""
