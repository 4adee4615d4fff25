"""What can be wrong with one transaction line, and with the way a transactions file is laid out.

The kinds, their cells and the rules they break belong here. On which day and in which file they occur does not: that
is `transactions.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from examples.shop.answer_key import Expect
from examples.shop.catalogue import UNHEARD_OF_CUSTOMER, UNHEARD_OF_PRODUCT
from examples.shop.csv_layout import Layout, foreign, standard
from examples.shop.sales import COLUMNS, Row


def _unchanged(line: str) -> str:
    return line


def _short(line: str) -> str:
    return line.rsplit(",", 3)[0]


def _long(line: str) -> str:
    return f"{line},one cell too many"


def _cut(line: str) -> str:
    """Cut the line in the middle of its fifth cell, as an interrupted transfer does."""
    return _short(line)[:-6]


@dataclass(frozen=True)
class Plant:
    """One planted line: a copy of a clean line of the file, changed.

    Attributes:
        kind: The name of what is planted.
        expect: What must become of it.
        rules: The rules it breaks.
        cells: Cells that are replaced; lone surrogates stand for single bytes that are not UTF-8.
        reshape: What is done to the finished line.
        verbatim: Keep the invoice number: the line is the same line again.
        original: The line to copy, where it is not the one it is planted after.
        moved_to: The day its InvoiceDate is moved to.
        replaces: The clean line is dropped and this one takes its place.
        dropped: Nothing takes its place.
        reported: Whether the line gets an entry in the answer key.
        checks: Silver columns, and the values that must be found there.
    """

    kind: str
    expect: Expect
    rules: tuple[str, ...] = ()
    cells: dict[str, str] = field(default_factory=dict)
    reshape: Callable[[str], str] = _unchanged
    verbatim: bool = False
    original: Row | None = None
    moved_to: date | None = None
    replaces: bool = False
    dropped: bool = False
    reported: bool = True
    checks: dict[str, int] = field(default_factory=dict)


def _value(kind: str, rules: str | tuple[str, ...], **cells: str) -> Plant:
    """Make a plant whose cells break rules."""
    return Plant(kind, "rejected", (rules,) if isinstance(rules, str) else rules, cells)


BROKEN_VALUES = (
    _value("quantity_not_a_number", "quantity:readable", Quantity="six"),
    _value("quantity_beyond_integer", "quantity:readable", Quantity="99999999999"),
    _value("quantity_out_of_range", "quantity:in_range", Quantity="250000"),
    _value("quantity_missing", "quantity:not_null", Quantity=""),
    _value("price_unparseable", "unit_price:readable", UnitPrice='"12,50 £"'),
    _value("price_out_of_range", "unit_price:in_range", UnitPrice="2500000.00"),
    _value("price_missing", "unit_price:not_null", UnitPrice=""),
    _value("invoice_number_missing", "invoice_no:not_null", InvoiceNo=""),
    _value("stock_code_missing", "stock_code:not_null", StockCode=""),
    _value("country_missing", "country:not_null", Country=""),
    _value("date_unreadable", "invoiced_at:readable", InvoiceDate="half past nine"),
    _value("date_impossible", "invoiced_at:readable", InvoiceDate="2026-13-45 08:26:00"),
    _value("date_missing", "invoiced_at:not_null", InvoiceDate=""),
    _value("date_in_the_far_future", "invoiced_at:on_business_date", InvoiceDate="2199-01-01 10:00:00"),
    _value("date_before_the_shop", "invoiced_at:on_business_date", InvoiceDate="1999-12-31 10:00:00"),
    _value("customer_id_not_an_integer", "customer_id:readable", CustomerID="CUST-17"),
    _value("several_values_broken", ("country:not_null", "quantity:readable"), Quantity="?", Country=""),
    _value(
        "header_repeated",
        ("customer_id:readable", "invoiced_at:readable", "quantity:readable", "unit_price:readable"),
        **{name: name for name in COLUMNS},
    ),
)

BROKEN_RECORDS = (
    Plant("row_too_short", "rejected", ("record:fields",), reshape=_short),
    Plant("row_too_long", "rejected", ("record:fields",), reshape=_long),
    Plant("quote_unclosed", "rejected", ("record:quote",), {"Description": '"WHITE HANGING HEART'}),
    Plant("nul_byte", "rejected", ("record:nul",), {"Description": "WHITE\0HEART"}),
    Plant("bad_utf8_byte", "rejected", ("record:encoding",), {"Description": "WHITE \udcff HEART"}),
    Plant("stray_carriage_return", "rejected", ("record:newline",), {"Description": "WHITE\rHEART"}),
)
LAST_LINE_CUT = Plant("last_line_cut", "rejected", ("record:fields",), reshape=_cut)

UNUSUAL_BUT_GOOD = (
    Plant("orphan_customer", "kept", cells={"CustomerID": UNHEARD_OF_CUSTOMER}),
    Plant("orphan_stock_code", "kept", cells={"StockCode": UNHEARD_OF_PRODUCT}),
    Plant("line_break_in_quotes", "kept", cells={"Description": '"WHITE HANGING\nHEART"'}),
    Plant("duplicate_in_file", "duplicate", verbatim=True),
)

LATIN1_LINE = Plant("wrong_encoding", "rejected", ("record:encoding",), {"Description": "CAF\udce9 CR\udce8ME"})
HELD_LINE = Plant("held_day", "rejected", ("quantity:readable",), {"Quantity": "n/a"}, reported=False)
HELD_LINE_REPAIRED = Plant("held_day", "kept", reported=False)


STANDARD = standard(COLUMNS)
EXTRA_COLUMN = Layout((*STANDARD.header, ("Channel", "app")))
WITHOUT_CUSTOMER = Layout(tuple(pair for pair in STANDARD.header if pair[0] != "CustomerID"))
FOREIGN = foreign(COLUMNS)
