"""`gold.monthly_sales_summary`: calendar months, from the days that exist."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from lakehouse_assets.gold.monthly_sales_summary import monthly_sales_summary
from tests.frames import customers_of_days, daily_sales, picked


def test_a_month_runs_from_its_first_day_to_its_last(engine):
    days = ["2010-12-31", "2011-01-01", "2011-02-28", "2011-03-01", "2012-02-29", "2012-02-01"]
    frame = monthly_sales_summary(
        daily_sales(engine, *[dt.date.fromisoformat(day) for day in days]), customers_of_days(engine, {})
    )
    found = [(str(start), days) for start, days in picked(frame.orderBy("month_start"), "month_start", "days")]
    assert found == [("2010-12-01", 1), ("2011-01-01", 1), ("2011-02-01", 1), ("2011-03-01", 1), ("2012-02-01", 2)]


def test_the_days_of_a_month_are_added_up(engine):
    days = [dt.date(2011, 3, 1), dt.date(2011, 3, 31)]
    columns = (
        "days",
        "orders",
        "sale_orders",
        "lines",
        "units",
        "gross_sales",
        "returns",
        "net_sales",
        "average_basket",
    )
    assert picked(monthly_sales_summary(daily_sales(engine, *days), customers_of_days(engine, {})), *columns) == [
        (2, 6, 4, 10, 16, Decimal("20.250"), Decimal("-2.500"), Decimal("17.750"), Decimal("5.063"))
    ]


def test_a_customer_of_several_days_of_a_month_is_one_and_those_who_are_not_new_return(engine):
    first, last, after = dt.date(2011, 3, 1), dt.date(2011, 3, 31), dt.date(2011, 4, 1)
    known = customers_of_days(engine, {first: [1, 2, 3, 4], last: [3, 4, 5], after: [1]})
    frame = monthly_sales_summary(daily_sales(engine, first, last, after), known).orderBy("month_start")
    columns = ("month_start", "customers", "new_customers", "returning_customers")
    assert picked(frame, *columns) == [(first, 5, 2, 3), (after, 1, 1, 0)]
