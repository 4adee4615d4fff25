"""These tests run on the embedded engine; ``test_engines`` sees that every table is the same on Spark."""

from __future__ import annotations

from tests.embedded import engine

__all__ = ["engine"]
