"""`gold.product_performance`: how each product did in a month."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from lakehouse_assets.gold.product_performance import product_performance
from tests.frames import picked

MARCH, APRIL = dt.date(2011, 3, 1), dt.date(2011, 4, 1)
FACTS = (
    "business_date date, stock_code string, kind string, quantity int, amount decimal(18,3), cost_amount decimal(18,3)"
)


def line(
    code: str, amount: str, quantity: int = 1, cost: str | None = None, on: dt.date = MARCH, kind: str = ""
) -> tuple:
    money = Decimal(amount)
    kind = kind or ("sale" if money >= 0 else "cancellation")
    return (on, code, kind, quantity, money, None if cost is None else Decimal(cost))


def performance(engine, *lines, unlinked=()):
    """The products' months, in their order; unlinked are days and codes of returns without a sale."""
    session = engine.session()
    returns = [(on, code, False) for on, code in unlinked] or [(MARCH, "linked", True)]
    frame = product_performance(
        session.createDataFrame(list(lines), FACTS),
        session.createDataFrame(returns, "business_date date, stock_code string, is_linked boolean"),
    )
    return frame.orderBy("month_start", "revenue_rank")


def test_a_month_sums_the_lines_of_each_product(engine):
    lines = [
        line("A", "20.400", 8),
        line("A", "5.100", 2, on=dt.date(2011, 3, 31)),
        line("A", "-2.550", -1, on=dt.date(2011, 3, 31)),
        line("A", "0.000", -3, kind="adjustment"),
        line("A", "1.000", on=APRIL),
        line("B", "-11062.060", kind="bad_debt"),
    ]
    columns = ("month_start", "stock_code", "lines", "units", "gross_sales", "returns", "net_sales", "revenue")
    bad = Decimal("-11062.060")
    assert picked(performance(engine, *lines), *columns) == [
        (MARCH, "A", 4, 6, Decimal("25.500"), Decimal("-2.550"), Decimal("22.950"), Decimal("22.950")),
        (MARCH, "B", 1, 1, Decimal(0), Decimal(0), bad, Decimal(0)),
        (APRIL, "A", 1, 1, Decimal(1), Decimal(0), Decimal(1), Decimal(1)),
    ]


def test_margin_is_of_the_lines_whose_cost_is_known(engine):
    lines = [
        line("A", "20.000", 8, cost="11.000"),
        line("A", "100.000", 40),
        line("A", "-5.000", -2, cost="-2.750"),
        line("A", "0.000", -3, cost="-4.125", kind="adjustment"),
        line("B", "9.000"),
        line("C", "0.000", 2, cost="1.000"),
    ]
    columns = ("stock_code", "revenue", "costed_revenue", "cost_of_sales", "margin", "margin_rate")
    assert picked(performance(engine, *lines), *columns) == [
        ("A", Decimal(115), Decimal(15), Decimal("8.250"), Decimal("6.750"), Decimal("0.4500")),
        ("B", Decimal(9), Decimal(0), None, None, None),
        ("C", Decimal(0), Decimal(0), Decimal(1), Decimal(-1), None),
    ]


def test_returns_are_a_share_of_the_units_sold_and_counted_where_their_sale_is_unknown(engine):
    lines = [
        line("A", "20.000", 30),
        line("A", "-5.000", -7),
        line("A", "-1.000", -3),
        line("A", "0.000", -5, kind="adjustment"),
        line("B", "-9.000", -2),
        line("B", "-9.000", -2, on=APRIL),
        line("B", "9.000", 1, on=APRIL),
    ]
    found = performance(engine, *lines, unlinked=[(MARCH, "A"), (MARCH, "B"), (APRIL, "B")])
    columns = ("stock_code", "units_sold", "units_returned", "return_rate", "return_lines", "unlinked_return_lines")
    assert picked(found, *columns) == [
        ("A", 30, 10, Decimal("0.3333"), 2, 1),
        ("B", 0, 2, None, 1, 1),
        ("B", 1, 2, Decimal("2.0000"), 1, 1),
    ]


@pytest.mark.parametrize(
    ("revenues", "classes"),
    [
        ({"A": "80", "B": "15", "C": "5"}, "ABC"),
        ({"A": "79.999", "B": "15.001", "C": "5"}, "AAC"),
        ({"A": "100", "B": "0", "C": "-20"}, "ACC"),
        ({"A": "50", "B": "50", "C": "50", "D": "50"}, "AAAA"),
        ({"A": "25", "B": "25", "C": "25", "D": "25", "E": "1"}, "AAAAC"),
        ({"A": "0", "B": "-1"}, "CC"),
        ({"A": "60", "B": "20.001", "C": "14.998", "D": "5.001", "E": "-3"}, "AABBC"),
    ],
)
def test_products_are_of_class_a_until_they_make_80_percent_and_of_b_until_95(engine, revenues, classes):
    found = picked(
        performance(engine, *[line(*each) for each in reversed(revenues.items())]), "stock_code", "abc_class"
    )
    assert found == list(zip(revenues, classes, strict=True))


def test_equals_are_ranked_by_their_code_and_months_apart(engine):
    lines = [line(code, "5.000") for code in ("C", "A", "B")]
    lines += [line("B", "7.000", on=APRIL), line("A", "6.000", on=APRIL)]
    assert picked(performance(engine, *lines), "month_start", "stock_code", "revenue_rank") == [
        (MARCH, "A", 1),
        (MARCH, "B", 2),
        (MARCH, "C", 3),
        (APRIL, "B", 1),
        (APRIL, "A", 2),
    ]
