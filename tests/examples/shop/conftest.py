"""One small world for all tests, and what a lakehouse made by hand makes of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from examples import shop
from tests.examples.shop.handmade import Lakehouse

START = dt.date(2026, 1, 5)
SMALLEST = {"days": 8, "rows_per_day": 200, "seed": 3, "start": START}


@dataclass(frozen=True)
class Processed:
    """A world whose waves were delivered and processed one after the other."""

    out: Path
    after: dict[int, dict[str, pa.Table]]


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """A world as generated; tests only read it."""
    out = tmp_path_factory.mktemp("world")
    shop.generate(out, **SMALLEST)
    return out


@pytest.fixture(scope="session")
def processed(tmp_path_factory) -> Processed:
    """A world after both of its waves; tests change copies of its tables only."""
    out = tmp_path_factory.mktemp("processed")
    shop.generate(out, **SMALLEST)
    lakehouse = Lakehouse(out, START)
    after = {}
    for wave in (1, 2):
        shop.deliver(out, wave)
        lakehouse.run()
        after[wave] = lakehouse.tables()
    return Processed(out, after)
