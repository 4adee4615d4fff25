"""What has to be computed again after a table was changed by hand."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.catalog.reader import Catalog
from lakehouse.planning.downstream import rebuilds
from lakehouse_assets.definitions import find_tables

FIRST, SECOND = dt.date(2024, 1, 1), dt.date(2024, 1, 2)


@pytest.fixture
def catalog(lake_root) -> Catalog:
    """A lake with two days of the facts of sales, and nothing else."""
    days = pa.table({"business_date": [FIRST, SECOND], "lines": [1, 2]})
    write_deltalake(lake_root / "gold" / "fact_sales", days, partition_by=["business_date"])
    return Catalog(str(lake_root))


def follow(catalog, table, *partitions):
    """Return the tables to compute again, with the first and the last of their partitions."""
    return {each.table: (each.first, each.last) for each in rebuilds(catalog, find_tables(), table, partitions)}


def test_weeks_and_months_are_named_by_their_first_day(catalog):
    found = follow(catalog, "gold.daily_sales_summary", (("business_date", "2024-01-02"),))
    assert found["gold.weekly_sales_summary"] == (FIRST, FIRST)
    assert found["gold.monthly_sales_summary"] == (FIRST, FIRST)


def test_a_dimension_is_one_piece_so_that_every_partition_computed_from_it_follows(catalog):
    found = follow(catalog, "gold.dim_customers", ())
    assert found == {"gold.fact_sales": (FIRST, SECOND)}


def test_a_running_balance_does_not_follow_from_itself(catalog):
    found = follow(catalog, "gold.inventory_levels", (("business_date", "2024-01-02"),))
    assert found == {"gold.low_stock_alerts": (SECOND, SECOND)}


def test_where_nothing_has_changed_nothing_follows(catalog):
    assert follow(catalog, "silver.transactions") == {}
