"""`gold.customer_months`: what each known customer bought in a month."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from lakehouse_assets.gold.customer_months import customer_months
from tests.frames import picked

SCHEMA = (
    "business_date date, customer_id bigint, orders bigint, sale_orders bigint, lines bigint, units bigint, "
    "gross_sales decimal(18,3), returns decimal(18,3), net_sales decimal(18,3)"
)


def day(text: str, customer: int, sale_orders: int) -> tuple:
    sums = (2, sale_orders, 5, 8, Decimal("10.125") * sale_orders, Decimal("-1.250"))
    return (dt.date.fromisoformat(text), customer, *sums, Decimal("10.125") * sale_orders - Decimal("1.250"))


def months(engine, *days):
    return customer_months(engine.session().createDataFrame(list(days), SCHEMA)).orderBy("month_start", "customer_id")


def test_the_days_of_each_customer_are_added_up_by_month(engine):
    days = [day("2011-03-01", 1, 1), day("2011-03-31", 1, 2), day("2011-03-31", 2, 1), day("2011-04-01", 1, 1)]
    columns = ("month_start", "customer_id", "days", "orders", "lines", "units", "gross_sales", "returns", "net_sales")
    march, april = dt.date(2011, 3, 1), dt.date(2011, 4, 1)
    one, three = Decimal("10.125"), Decimal("30.375")
    assert picked(months(engine, *days), *columns) == [
        (march, 1, 2, 4, 10, 16, three, Decimal("-2.500"), Decimal("27.875")),
        (march, 2, 1, 2, 5, 8, one, Decimal("-1.250"), Decimal("8.875")),
        (april, 1, 1, 2, 5, 8, one, Decimal("-1.250"), Decimal("8.875")),
    ]


def test_first_and_last_day_are_those_with_a_sale(engine):
    days = [day(f"2011-03-{number:02}", 1, orders) for number, orders in ((2, 0), (5, 1), (9, 3), (20, 0))]
    days.append(day("2011-03-07", 2, 0))
    assert picked(months(engine, *days), "customer_id", "sale_orders", "first_sold_on", "last_sold_on") == [
        (1, 4, dt.date(2011, 3, 5), dt.date(2011, 3, 9)),
        (2, 0, None, None),
    ]
