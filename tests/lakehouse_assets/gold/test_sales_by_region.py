"""`gold.sales_by_region`: a day's sales by country."""

from __future__ import annotations

from decimal import Decimal

from lakehouse_assets.gold.sales_by_region import sales_by_region
from lakehouse_assets.silver.transactions import transactions
from tests.frames import TEN_LINES, bronze_transactions, picked
from tests.scenario import day


def test_countries_are_summed_apart(engine):
    frame = sales_by_region(transactions(bronze_transactions(engine, TEN_LINES)))
    columns = ("business_date", "country", "orders", "lines", "units", "gross_sales", "returns", "customers")
    assert picked(frame.orderBy("country"), *columns) == [
        (day(1), "France", 2, 2, 4, Decimal("16.500"), Decimal("-9.300"), 2),
        (day(1), "United Kingdom", 7, 8, 78, Decimal("62.095"), Decimal("-27.500"), 2),
    ]
