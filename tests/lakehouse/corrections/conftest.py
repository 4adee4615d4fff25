"""A lakehouse of three days with 26 rejected rows; made once, and copied by tests that change it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lakehouse.project import Lakehouse
from tests.thin_project import land_three_days, thin_lakehouse


@pytest.fixture(scope="session")
def made_root(tmp_path_factory) -> Path:
    """The lake as its first run left it."""
    root = tmp_path_factory.mktemp("rejected") / "lake"
    land_three_days(root)
    assert thin_lakehouse(root).run().errors == []
    return root


@pytest.fixture
def made(made_root) -> Lakehouse:
    """The lakehouse, for tests that only read."""
    return thin_lakehouse(made_root)


@pytest.fixture
def lake(made_root, lake_root) -> Lakehouse:
    """A copy that a test may change."""
    shutil.copytree(made_root, lake_root)
    return thin_lakehouse(lake_root)
