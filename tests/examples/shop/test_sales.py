"""The clean sales: baskets that make sense, and accounts that agree with the text."""

from __future__ import annotations

import csv
import io
from collections import Counter
from decimal import Decimal

import pytest

from examples.shop.answer_key import KINDS, DayTally, money
from examples.shop.catalogue import make_catalogue
from examples.shop.sales import COLUMNS, Sales, Segment, quoted
from examples.shop.transaction_faults import STANDARD
from examples.shop.transactions import _lines as lines_of
from tests.examples.shop.conftest import START


@pytest.fixture(scope="module")
def sales():
    return Sales(make_catalogue(11), start=START, days=14, rows_per_day=3_000)


@pytest.fixture(scope="module")
def monday(sales):
    (chunk,) = sales.chunks(Segment(0, 0, sales.rows_of(0)))
    return chunk


@pytest.fixture(scope="module")
def lines(monday):
    return list(csv.reader(io.StringIO("".join(lines_of(monday, STANDARD).to_pylist())), strict=True))


def test_a_week_has_seven_times_the_rows_of_an_average_day_and_sundays_are_quiet(sales):
    rows = [sales.rows_of(day) for day in range(14)]
    assert sum(rows[:7]) == sum(rows[7:]) == 7 * 3_000
    assert min(rows[:7]) == rows[6] < max(rows[:7]) / 2


def test_no_invoice_holds_a_product_twice_so_no_two_lines_are_alike(lines):
    assert len({(line[0], line[1].upper()) for line in lines}) == len(lines) == 3_000


def test_an_invoice_has_one_to_twenty_lines_one_customer_and_one_moment(lines):
    assert set(Counter(line[0] for line in lines).values()) <= set(range(1, 21))
    assert len({(line[0], line[4], line[6], line[7]) for line in lines}) == len({line[0] for line in lines})


def test_sales_happen_in_order_and_within_opening_hours(lines):
    moments = [line[4] for line in lines]
    assert moments == sorted(moments)
    assert "2026-01-05 08:00:00" <= moments[0] < moments[-1] < "2026-01-05 20:00:00"


def test_about_a_fifth_of_the_invoices_has_no_customer(lines):
    invoices = {line[0]: line[6] for line in lines}
    assert 0.14 < sum(customer == "" for customer in invoices.values()) / len(invoices) < 0.26


def test_all_kinds_of_line_occur_and_returns_have_negative_quantities(sales):
    tally = DayTally()
    for day in range(7):
        for chunk in sales.chunks(Segment(day, 0, sales.rows_of(day))):
            chunk.count_into(tally)
    assert all(tally.lines[kind] > 10 for kind in KINDS)
    assert tally.units["cancellation"] < 0
    assert tally.cents["bad_debt"] < 0 == tally.cents["adjustment"]


def test_the_accounts_agree_with_what_the_text_says(monday, lines):
    tally = DayTally()
    monday.count_into(tally)
    amounts: Counter[str] = Counter()
    for line in lines:
        price = Decimal(line[5])
        kind = {"C": "cancellation", "A": "bad_debt"}.get(line[0][0], "sale" if price else "adjustment")
        amounts[kind] += int(line[3]) * price
    assert {kind: money(cents) for kind, cents in tally.cents.items() if cents} == {
        k: v for k, v in amounts.items() if v
    }
    assert sum(tally.units.values()) == sum(int(line[3]) for line in lines)


def test_a_row_taken_singly_reads_as_it_stands_in_the_file(monday):
    whole = lines_of(monday, STANDARD)
    for position in (0, 1, 1_500, 2_999):
        assert STANDARD.line(monday.row(position).cells) + "\n" == whole[position].as_py()


def test_the_same_segment_is_always_the_same_rows_whoever_asks_first(sales, monday):
    list(sales.chunks(Segment(5, 0, 100)))
    (again,) = sales.chunks(Segment(0, 0, sales.rows_of(0)))
    assert all(again.cells[name].equals(monday.cells[name]) for name in COLUMNS)


def test_a_large_day_comes_in_chunks_of_bounded_size():
    busy = Sales(make_catalogue(11), start=START, days=7, rows_per_day=150_000)
    sizes = [len(chunk.kind) for chunk in busy.chunks(Segment(0, 0, busy.rows_of(0)))]
    assert sum(sizes) == 150_000
    assert max(sizes) <= 1 << 16


@pytest.mark.parametrize("text", ["plain", "a, b", 'RULER 12"', "two\nlines", "carriage\rreturn"])
def test_quoted_text_is_read_back_as_it_was(text):
    assert next(csv.reader(io.StringIO(f"x,{quoted(text)}\n", newline=""), strict=True)) == ["x", text]
