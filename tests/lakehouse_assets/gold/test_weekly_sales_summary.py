"""`gold.weekly_sales_summary`: weeks from Monday, from the days that exist."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from lakehouse_assets.gold.weekly_sales_summary import weekly_sales_summary
from tests.frames import customers_of_days, daily_sales, picked


def weeks(engine, *days):
    frame = weekly_sales_summary(
        daily_sales(engine, *[dt.date.fromisoformat(day) for day in days]), customers_of_days(engine, {})
    )
    return [(str(start), days) for start, days in picked(frame.orderBy("week_start"), "week_start", "days")]


def test_a_week_runs_from_monday_to_sunday(engine):
    assert weeks(engine, "2011-03-06", "2011-03-07", "2011-03-13", "2011-03-14") == [
        ("2011-02-28", 1),
        ("2011-03-07", 2),
        ("2011-03-14", 1),
    ]


def test_a_week_may_reach_over_the_edge_of_a_year(engine):
    assert weeks(engine, "2010-12-31", "2011-01-01", "2011-01-02", "2011-01-03") == [
        ("2010-12-27", 3),
        ("2011-01-03", 1),
    ]


def test_the_days_of_a_week_are_added_up(engine):
    days = [dt.date(2011, 3, 7), dt.date(2011, 3, 9)]
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
    assert picked(weekly_sales_summary(daily_sales(engine, *days), customers_of_days(engine, {})), *columns) == [
        (2, 6, 4, 10, 16, Decimal("20.250"), Decimal("-2.500"), Decimal("17.750"), Decimal("5.063"))
    ]


def test_a_customer_of_several_days_of_a_week_is_one_and_those_who_are_not_new_return(engine):
    first, last, after = dt.date(2011, 3, 7), dt.date(2011, 3, 13), dt.date(2011, 3, 14)
    known = customers_of_days(engine, {first: [1, 2, 3, 4], last: [3, 4, 5], after: [1]})
    frame = weekly_sales_summary(daily_sales(engine, first, last, after), known).orderBy("week_start")
    columns = ("week_start", "customers", "new_customers", "returning_customers")
    assert picked(frame, *columns) == [(first, 5, 2, 3), (after, 1, 1, 0)]
