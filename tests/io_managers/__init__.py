"""Tests of ``io_managers``."""
