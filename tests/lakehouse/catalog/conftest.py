"""A lake of two tables, written without an engine or a run."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.project import Lakehouse
from lakehouse.settings import Settings

REGIONS = pa.schema(
    [
        ("business_date", pa.date32()),
        ("country", pa.string()),
        ("net_sales", pa.decimal128(18, 3)),
        ("seen_at", pa.timestamp("us", tz="UTC")),
        ('the "odd" one.x', pa.int64()),
    ]
)


def write(root, day, country, net_sales, odd=1, *, table="gold/regions"):
    """Commit one row."""
    row = (dt.date(2024, 1, day), country, Decimal(net_sales), dt.datetime(2024, 1, day, 10, tzinfo=dt.UTC), odd)
    rows = pa.Table.from_pylist([dict(zip(REGIONS.names, row, strict=True))], schema=REGIONS)
    write_deltalake(root / table, rows, mode="append", partition_by=["business_date"])


@pytest.fixture
def lake(lake_root) -> Lakehouse:
    """Three commits of a row each to a table, and another table."""
    write(lake_root, 1, "France", "0.100")
    write(lake_root, 2, "France", "0.200", odd=2)
    write(lake_root, 2, 'O\'Hara "Land"', "12345678901234.567", odd=3)
    write(lake_root, 1, "Norway", "1.000", table="silver/lines")
    return Lakehouse.open(settings=Settings(root=str(lake_root), landing=str(lake_root / "landing")), tables=[])
