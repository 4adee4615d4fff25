"""`gold.fact_returns`: cancellations, and the sales they take back."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from lakehouse_assets.gold.fact_returns import fact_returns
from lakehouse_assets.silver.transactions import transactions
from tests.frames import bronze_transactions, picked
from tests.line import Line
from tests.scenario import day, rows, sale


def line(invoice: str, at: str, quantity: int, **changed: str) -> dict:
    when = dt.datetime.fromisoformat(at)
    return {**sale(invoice, at=f"{when}", Quantity=str(quantity), **changed), "business_date": when.date()}


def linked(engine, *lines):
    """The invoice of each cancellation, with that of its sale and the days between."""
    silver = transactions(bronze_transactions(engine, lines))
    invoices = dict(picked(silver, "line_id", "invoice_no"))
    found = picked(fact_returns(silver), "line_id", "sale_line_id", "days_since_sale", "is_linked")
    for _, sold, days, is_linked in found:
        assert is_linked == (sold is not None) == (days is not None)
    return sorted((invoices[back], invoices.get(sold), days) for back, sold, days, _ in found)


def test_a_cancellation_is_of_the_latest_earlier_sale_of_its_customer_and_product(engine):
    lines = [
        line("1", "2011-03-01 09:00:00", 6),
        line("2", "2011-03-04 09:00:00", 6),
        line("3", "2011-03-04 17:00:00", 6),  # after the cancellation
        line("4", "2011-03-04 10:00:00", 6, StockCode="22633"),
        line("5", "2011-03-04 10:00:00", 6, CustomerID="13047"),
        line("C6", "2011-03-04 12:00:00", -2),
    ]
    assert linked(engine, *lines) == [("C6", "2", 0)]


def test_a_sale_must_have_sold_as_many_units(engine):
    lines = [
        line("1", "2011-03-01 09:00:00", 12),
        line("2", "2011-03-02 09:00:00", 5),
        line("C3", "2011-03-03 09:00:00", -6),
        line("C4", "2011-03-03 10:00:00", -13),
        line("C5", "2011-03-03 11:00:00", -5),
    ]
    assert linked(engine, *lines) == [("C3", "1", 2), ("C4", None, None), ("C5", "2", 1)]


def test_a_sale_is_found_up_to_90_days_back(engine):
    lines = [
        line("1", "2011-03-01 23:00:00", 6),
        line("C2", "2011-05-30 08:00:00", -1),
        line("C3", "2011-05-31 08:00:00", -1),
    ]
    assert linked(engine, *lines) == [("C2", "1", 90), ("C3", None, None)]


def test_of_sales_at_one_time_it_is_that_of_the_lowest_line(engine):
    lines = [line(str(number), "2011-03-01 09:00:00", 6) for number in range(20)]
    back = line("C99", "2011-03-02 09:00:00", -6)
    silver = transactions(bronze_transactions(engine, [*lines, back]))
    lowest = min(silver_line for silver_line, kind in picked(silver, "line_id", "kind") if kind == "sale")
    assert picked(fact_returns(silver), "sale_line_id") == [(lowest,)]


def test_cancellations_of_nobody_are_kept_unlinked_and_other_lines_are_not_here(engine):
    lines = [
        line("1", "2011-03-01 09:00:00", 6, CustomerID=""),
        line("C2", "2011-03-02 09:00:00", -6, CustomerID=""),
        line("A3", "2011-03-02 09:00:00", 1, UnitPrice="-5"),
        line("4", "2011-03-02 09:00:00", -3, UnitPrice="0"),
    ]
    found = fact_returns(transactions(bronze_transactions(engine, lines)))
    columns = ("customer_id", "stock_code", "quantity", "amount", "returned_at", "sold_at", "is_linked")
    assert [tuple(row) for row in found.select(*columns).collect()] == [
        (None, "85123A", -6, Decimal("-15.300"), dt.datetime(2011, 3, 2, 9), None, False)  # noqa: DTZ001
    ]


def test_several_cancellations_may_be_of_one_sale_and_each_is_here_once(engine):
    lines = [line("1", "2011-03-01 09:00:00", 6), line("2", "2011-03-01 08:00:00", 6)]
    lines += [line(f"C{number}", f"2011-03-0{number} 09:00:00", -6) for number in (3, 4, 5)]
    assert linked(engine, *lines) == [("C3", "1", 2), ("C4", "1", 3), ("C5", "1", 4)]


def test_a_sale_that_arrives_after_its_cancellation_is_found_and_no_other_day_is_rewritten(landing_root):
    shop = Line(landing_root, tables=("gold.fact_returns",))
    shop.land(5, sale("C1", at="2011-03-05 10:00:00", Quantity="-2"))
    shop.land(6, sale("C2", at="2011-03-06 10:00:00", Quantity="-7"))
    shop.drain()
    found = ("business_date", "is_linked", "days_since_sale")
    engine, before = shop.lakehouse.engine, shop.files("gold.fact_returns")
    assert rows(engine, "gold.fact_returns", *found) == [(day(5), False, None), (day(6), False, None)]

    shop.land(3, sale("3", at="2011-03-03 10:00:00", Quantity="6"))
    shop.drain()

    assert rows(engine, "gold.fact_returns", *found) == [(day(5), True, 2), (day(6), False, None)]
    after = shop.files("gold.fact_returns")
    assert {place for place in after if after[place] != before.get(place)} == {"business_date=2011-03-05"}
