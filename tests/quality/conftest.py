"""The engine of most of these tests, and the mark of those that both engines have to pass."""

from __future__ import annotations

import pytest

from resources.engine import Engine
from tests.conftest import ENGINES, requested_engine

on_both = pytest.mark.parametrize("engine", ENGINES, indirect=True)
"""Where engines differ: how they cast and compare, join and sort, ask a gate and commit. A Spark case costs seconds."""


@pytest.fixture
def engine(request, lake_root, monkeypatch) -> Engine:
    """The embedded engine, or both."""
    return requested_engine(request, lake_root, monkeypatch)
