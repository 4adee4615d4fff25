"""Small lakes for every room's tests."""

from __future__ import annotations

from tests.lakes import facts, own_facts, own_sales, sales

__all__ = ["facts", "own_facts", "own_sales", "sales"]
