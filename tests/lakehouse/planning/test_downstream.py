"""What has to be made anew after a table was changed by hand."""

from __future__ import annotations

import datetime as dt

from lakehouse.planning.downstream import rebuilds
from lakehouse.settings import Settings

FIRST, SECOND = dt.date(2024, 1, 1), dt.date(2024, 1, 2)


def follow(root, table, *partitions):
    """Return the tables to make anew, with the first and the last of their partitions."""
    settings = Settings(root=str(root), landing=f"{root}/landing")
    return {each.table: (each.first, each.last) for each in rebuilds(settings, table, partitions)}


def test_weeks_and_months_are_named_by_their_first_day(small_lake):
    found = follow(small_lake.root, "gold.daily_sales_summary", (("business_date", "2024-01-02"),))
    assert found["gold.weekly_sales_summary"] == (FIRST, FIRST)
    assert found["gold.monthly_sales_summary"] == (FIRST, FIRST)


def test_a_dimension_is_one_piece_so_that_every_partition_made_from_it_follows(small_lake):
    found = follow(small_lake.root, "gold.dim_customers", ())
    assert found["gold.fact_sales"] == (FIRST, SECOND)
    assert "gold.dim_customers" not in found


def test_a_running_balance_does_not_follow_from_itself(small_lake):
    found = follow(small_lake.root, "gold.inventory_levels", (("business_date", "2024-01-02"),))
    assert found == {"gold.low_stock_alerts": (SECOND, SECOND)}


def test_where_nothing_has_changed_nothing_follows(small_lake):
    assert follow(small_lake.root, "silver.transactions") == {}
