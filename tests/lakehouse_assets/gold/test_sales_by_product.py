"""`gold.sales_by_product`: a day's sales by product."""

from __future__ import annotations

from decimal import Decimal

from lakehouse_assets.gold.sales_by_product import sales_by_product
from lakehouse_assets.silver.transactions import transactions
from tests.frames import bronze_transactions, picked
from tests.scenario import day, sale


def test_products_are_summed_apart_whatever_the_case_of_their_code(engine):
    lines = [
        sale("1", StockCode="35004c", Quantity="4"),
        sale("2", StockCode="35004C", Quantity="1"),
        sale("C3", StockCode="35004C", Quantity="-2"),
        sale("4", StockCode="22633", UnitPrice="0"),
    ]
    frame = sales_by_product(transactions(bronze_transactions(engine, lines)))
    columns = ("business_date", "stock_code", "lines", "units", "gross_sales", "returns", "net_sales")
    assert picked(frame.orderBy("stock_code"), *columns) == [
        (day(1), "22633", 1, 6, Decimal(0), Decimal(0), Decimal(0)),
        (day(1), "35004C", 3, 3, Decimal("12.750"), Decimal("-5.100"), Decimal("7.650")),
    ]
