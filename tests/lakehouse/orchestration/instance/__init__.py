"""Tests of how Dagster runs here."""
