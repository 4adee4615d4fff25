"""`gold.customer_days`: what each known customer bought on a day."""

from __future__ import annotations

from decimal import Decimal

from lakehouse_assets.gold.customer_days import customer_days
from lakehouse_assets.silver.transactions import transactions
from tests.frames import TEN_LINES, bronze_transactions, picked
from tests.scenario import day, sale


def test_a_customers_lines_are_summed_by_day_and_those_of_nobody_are_left_out(engine):
    next_day = {**sale("536999", at="2011-03-02 09:00:00", Quantity="1"), "business_date": day(2)}
    frame = customer_days(transactions(bronze_transactions(engine, [*TEN_LINES, next_day])))
    columns = ("business_date", "customer_id", "orders", "sale_orders", "lines", "units", "net_sales")
    assert picked(frame.orderBy("business_date", "customer_id"), *columns) == [
        (day(1), 13047, 1, 1, 1, 6, Decimal("16.500")),
        (day(1), 14527, 1, 0, 1, -1, Decimal("-27.500")),
        (day(1), 15311, 1, 0, 1, -2, Decimal("-9.300")),
        (day(1), 17850, 2, 2, 3, 24, Decimal("57.840")),
        (day(2), 17850, 1, 1, 1, 1, Decimal("2.550")),
    ]


def test_an_invoice_with_sales_and_a_gift_is_one_order(engine):
    lines = [sale("1"), sale("1", StockCode="22633", UnitPrice="0"), sale("C2", Quantity="-1")]
    frame = customer_days(transactions(bronze_transactions(engine, lines)))
    columns = ("orders", "sale_orders", "lines", "gross_sales", "returns", "net_sales")
    assert picked(frame, *columns) == [(2, 1, 3, Decimal("15.300"), Decimal("-2.550"), Decimal("12.750"))]
