"""The whole line over a temporary lake, and the engine of most tests of tables."""

from __future__ import annotations

import pytest

from resources.engine import Engine
from tests.conftest import requested_engine
from tests.line import Line


@pytest.fixture
def engine(request, lake_root, monkeypatch) -> Engine:
    """The embedded engine: that every table is the same on Spark, ``test_engines`` sees over one scenario a table."""
    return requested_engine(request, lake_root, monkeypatch)


@pytest.fixture
def line(landing_root) -> Line:
    """The real definitions over an empty lake."""
    return Line(landing_root)
