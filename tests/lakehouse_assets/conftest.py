"""The whole line over a temporary lake."""

from __future__ import annotations

import pytest

from tests.line import Line


@pytest.fixture
def line(landing_root) -> Line:
    """The real definitions over an empty lake."""
    return Line(landing_root)
