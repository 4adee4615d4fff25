"""`silver.transactions`: typed, standardised, classified invoice lines."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from lakehouse.contracts.row_outcome import RULES, WARNED
from lakehouse.publication.validation import judge_received
from lakehouse_assets.silver.transactions import classified, transactions
from tests.frames import FAULTS, TEN_LINES, bronze_transactions, picked
from tests.scenario import day, sale


def made(engine, *lines):
    return transactions(bronze_transactions(engine, lines))


def test_ten_lines_become_ten_typed_rows_of_four_kinds(engine):
    found = picked(made(engine, *TEN_LINES), "invoice_no", "stock_code", "quantity", "amount", "customer_id", "kind")
    assert found == [
        ("536365", "85123A", 6, Decimal("15.300"), 17850, "sale"),
        ("536365", "71053", 6, Decimal("20.340"), 17850, "sale"),
        ("536366", "22633", 12, Decimal("22.200"), 17850, "sale"),
        ("536367", "84406B", 6, Decimal("16.500"), 13047, "sale"),
        ("536368", "22960", 1, Decimal("4.255"), None, "sale"),
        ("C536379", "D", -1, Decimal("-27.500"), 14527, "cancellation"),
        ("C536383", "35004C", -2, Decimal("-9.300"), 15311, "cancellation"),
        ("A563185", "B", 1, Decimal("-11062.060"), None, "bad_debt"),
        ("536414", "22139", 56, Decimal("0.000"), None, "adjustment"),
        ("536415", "22140", -3, Decimal("0.000"), None, "adjustment"),
    ]


def test_text_is_trimmed_and_a_blank_description_is_none(engine):
    (row,) = picked(
        made(engine, sale(" 1 ", StockCode=" 85123a ", Description="  ", Country=" EIRE")),
        "invoice_no",
        "stock_code",
        "description",
        "country",
    )
    assert row == ("1", "85123A", None, "EIRE")


def test_the_time_of_the_invoice_is_kept_to_the_second_and_its_day_is_the_partition(engine):
    ((at, when),) = picked(made(engine, sale("1")), "invoiced_at", "business_date")
    assert (at, when) == (dt.datetime(2011, 3, 1, 8, 26), day(1))  # noqa: DTZ001 - as collected


def test_lines_that_say_the_same_have_one_key_and_any_difference_makes_another(engine):
    same = [sale("1"), sale(" 1", StockCode="85123a", Quantity="6.0", UnitPrice="2.550", CustomerID="17850.0")]
    other = [
        sale("2"),
        sale("1", at="2011-03-01 08:27:00"),
        *[
            sale("1", **{name: value})
            for name, value in {
                "StockCode": "71053",
                "Description": "",
                "Quantity": "7",
                "UnitPrice": "2.551",
                "CustomerID": "",
                "Country": "France",
            }.items()
        ],
    ]
    keys = [key for (key,) in picked(made(engine, *same, *other), "line_id")]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 1 + len(other)


def test_the_kind_follows_the_invoice_before_the_price(engine):
    kinds = {
        ("536365", "2.55"): "sale",
        ("536365", "-2.55"): "sale",
        ("536365", "0.000"): "adjustment",
        ("C536365", "0"): "cancellation",
        ("A563185", "0"): "bad_debt",
        ("5C", "1"): "sale",
    }
    columns = "invoice_no string, quantity int, unit_price decimal(18,3)"
    lines = [(invoice, -1, Decimal(price)) for invoice, price in kinds]
    found = picked(classified(engine.session().createDataFrame(lines, columns)), "kind")
    assert dict(zip(kinds, found, strict=True)) == {line: (kind,) for line, kind in kinds.items()}


def test_no_row_is_dropped_whatever_it_holds(engine):
    lines = [line for line, _ in FAULTS.values()]
    assert made(engine, *lines).count() == len(lines)


def test_an_amount_that_fits_nowhere_is_none_and_stops_nothing(engine):
    line, _ = FAULTS["amount fits no column"]
    assert picked(made(engine, line, sale("1")), "amount") == [(None,), (Decimal("15.300"),)]


ODD: dict[str, tuple[dict[str, str], list[str]]] = {
    "nothing": (sale("536365"), []),
    "postage": (sale("536365", StockCode="POST", UnitPrice="18000"), []),
    "bad debt": (sale("A563185", StockCode="B", UnitPrice="-11062.06", CustomerID=""), []),
    "invoice is cut": (sale("536"), ["invoice_no:str_matches"]),
    "product is cut": (sale("536365", StockCode="851"), ["stock_code:str_matches"]),
    "country is cut": (sale("536365", Country="United"), ["country:isin"]),
    "units by the thousand": (sale("536365", Quantity="1001"), ["row:plausible_quantity"]),
    "price in pence": (sale("536365", UnitPrice="255"), ["row:plausible_price"]),
    "price is negative": (sale("536365", UnitPrice="-2.55"), ["row:negative_is_bad_debt"]),
    "cancellation of more": (sale("C536365", Quantity="6"), ["row:cancellation_gives_back"]),
    "before the shop opens": (sale("536365", at="2011-03-01 05:59:59"), ["row:within_opening_hours"]),
    "after it closed": (sale("536365", at="2011-03-01 21:00:00"), ["row:within_opening_hours"]),
}
"""A line of each kind that is kept, and what is said of it."""


def judged(engine, *lines):
    frame = bronze_transactions(engine, lines)
    return judge_received(frame, transactions.transform, transactions.terms.contract, transactions.terms.policy)


def test_what_is_odd_about_a_line_is_said_and_the_line_is_kept(engine):
    found = picked(judged(engine, *[line for line, _ in ODD.values()]), RULES, WARNED)
    assert dict(zip(ODD, found, strict=True)) == {what: ([], warned) for what, (_, warned) in ODD.items()}


def test_a_sale_without_units_is_rejected(engine):
    lines = [sale("536365", Quantity="0"), sale("536366", Quantity="-6"), sale("536367", Quantity="-6", UnitPrice="0")]
    assert picked(judged(engine, *lines), RULES) == [(["row:sale_has_units"],), (["row:sale_has_units"],), ([],)]


def test_a_cancellation_that_lost_its_number_is_refused_for_that_alone(engine):
    assert picked(judged(engine, sale("", Quantity="-6")), RULES) == [(["invoice_no:not_null"],)]


def test_an_adjustment_that_lost_its_price_is_rejected_for_that_alone(engine):
    lines = [sale("536415", Quantity="-3", UnitPrice=price) for price in ("", "free")]
    assert picked(judged(engine, *lines), RULES) == [(["unit_price:not_null"],), (["unit_price:readable"],)]
