"""`gold.daily_sales_summary`: one row per business date with any line."""

from __future__ import annotations

from decimal import Decimal

from lakehouse_assets.gold.daily_sales_summary import daily_sales_summary
from lakehouse_assets.silver.transactions import transactions
from tests.frames import TEN_LINES, bronze_transactions, first_seen, picked
from tests.line import Line
from tests.scenario import day, rows, sale

MEASURES = ("business_date", "orders", "lines", "units", "gross_sales", "returns", "net_sales", "customers")


def test_a_day_sums_its_lines_by_kind(engine):
    other_day = {**sale("C9", at="2011-03-02 09:00:00", Quantity="-1", CustomerID=""), "business_date": day(2)}
    lines = transactions(bronze_transactions(engine, [*TEN_LINES, other_day]))
    found = picked(daily_sales_summary(lines, first_seen(engine, {})).orderBy("business_date"), *MEASURES)
    gross, returned = Decimal("78.595"), Decimal("-36.800")
    assert found == [
        (day(1), 9, 10, 82, gross, returned, gross + returned - Decimal("11062.060"), 4),
        (day(2), 1, 1, -1, Decimal(0), Decimal("-2.550"), Decimal("-2.550"), 0),
    ]


def test_the_average_basket_is_of_invoices_with_a_sale(engine):
    lines = [
        sale("1", Quantity="1", UnitPrice="1.000"),
        sale("1", StockCode="22633", Quantity="1", UnitPrice="1.500"),
        sale("1", StockCode="22960", Quantity="4", UnitPrice="0"),
        sale("2", Quantity="1", UnitPrice="2.501"),
        sale("3", Quantity="3", UnitPrice="0"),
        sale("C4", Quantity="-1", UnitPrice="2.000"),
        {**sale("C5", at="2011-03-02 09:00:00", Quantity="-1"), "business_date": day(2)},
    ]
    found = daily_sales_summary(transactions(bronze_transactions(engine, lines)), first_seen(engine, {})).orderBy(
        "business_date"
    )
    assert picked(found, "orders", "sale_orders", "average_basket") == [(4, 2, Decimal("2.501")), (1, 0, None)]


def test_a_customer_is_new_on_the_day_of_their_first_line_and_returns_on_others(engine):
    lines = [
        sale("1"),
        sale("2"),
        sale("3", CustomerID="13047"),
        sale("4", CustomerID="12345"),
        sale("5", CustomerID=""),
    ]
    later = [sale("6", at="2011-03-02 09:00:00"), sale("7", at="2011-03-02 09:00:00", CustomerID="14527")]
    seen = {
        17850: ["2011-03-01T08:26:00", "2011-03-01T08:26:00"],
        13047: ["2011-02-27T23:59:59"],
        14527: ["2011-03-02T09:00:00"],
        12345: ["2011-03-01T00:00:00"],
        99999: ["2011-03-01T08:26:00", None],
    }
    rows = [*lines, *[{**line, "business_date": day(2)} for line in later]]
    found = daily_sales_summary(transactions(bronze_transactions(engine, rows)), first_seen(engine, seen))
    columns = ("customers", "new_customers", "returning_customers")
    assert picked(found.orderBy("business_date"), *columns) == [(3, 2, 1), (2, 1, 1)]


def test_a_day_without_lines_has_no_row(engine):
    assert daily_sales_summary(transactions(bronze_transactions(engine, [])), first_seen(engine, {})).count() == 0


def test_a_line_that_arrives_late_makes_its_customer_new_on_its_day_and_a_returning_one_after(landing_root):
    shop = Line(landing_root, tables=("gold.daily_sales_summary", "gold.monthly_sales_summary"))
    shop.land(4, sale("4", at="2011-03-04 10:00:00"), sale("5", at="2011-03-04 10:00:00", CustomerID="13047"))
    shop.drain()
    columns = ("business_date", "customers", "new_customers", "returning_customers")
    engine = shop.lakehouse.engine
    assert rows(engine, "gold.daily_sales_summary", *columns) == [(day(4), 2, 2, 0)]

    shop.land(2, sale("2", at="2011-03-02 10:00:00"))
    shop.drain()

    assert rows(engine, "gold.daily_sales_summary", *columns) == [(day(2), 1, 1, 0), (day(4), 2, 1, 1)]
    assert rows(engine, "gold.monthly_sales_summary", "month_start", *columns[1:]) == [(day(1), 2, 2, 0)]
