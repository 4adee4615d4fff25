"""The engine of tests that are about rows and not about engines: the embedded one, unless a test asks for both."""

from __future__ import annotations

import pytest

from lakehouse.engines.base import Engine
from tests.conftest import ENGINES, requested_engine

on_both = pytest.mark.parametrize("engine", ENGINES, indirect=True)
"""Where engines differ: how they cast and compare, join and sort, ask a gate and commit. A Spark case costs seconds."""


@pytest.fixture
def engine(request, lake_root, monkeypatch) -> Engine:
    """The embedded engine, or both."""
    return requested_engine(request, lake_root, monkeypatch)
