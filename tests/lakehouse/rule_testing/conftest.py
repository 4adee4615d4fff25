"""These tests run on the embedded engine, and on both where they say so."""

from __future__ import annotations

from tests.embedded import engine

__all__ = ["engine"]
