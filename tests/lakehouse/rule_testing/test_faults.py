"""Faults change what they say they change, in as many rows, and the same rows for the same seed."""

from __future__ import annotations

import datetime as dt

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
import pytest

from lakehouse.contracts.contract import Contract, column
from lakehouse.contracts.policy import Policy
from lakehouse.rule_testing.faults import KINDS, Received, faults_of
from lakehouse_assets.silver.customers import customers
from lakehouse_assets.silver.products import products
from lakehouse_assets.silver.transactions import transactions
from tests.frames import bronze_table, unread
from tests.scenario import TRANSACTIONS, day, sale

LINES = [
    sale(f"{536000 + number}", f"{day(1)} {8 + number % 10:02}:26:00", Quantity=str(number % 9 - 2))
    for number in range(100)
]
RECEIVED = Received(bronze_table(TRANSACTIONS, [*LINES, unread("fields: 3 of 8", "1,2")]), day(1))


def fault(kind, *columns, what=""):
    """Return the one fault of silver.transactions of a kind, about some columns."""
    found = faults_of(transactions.terms.contract, transactions.terms.policy)
    (one,) = [each for each in found if (each.kind, each.columns) == (kind, columns) and what in each.what]
    return one


def planted(kind, *columns, what="", seed=7):
    return fault(kind, *columns, what=what).planted_into(RECEIVED, seed)


def differences(rows, name):
    """Return a column's values that were changed: what they were, and what they are."""
    before, after = RECEIVED.texts(name), rows.column(name).to_pylist()
    return [(was, now) for was, now in zip(before, after, strict=True) if was != now]


def test_every_kind_has_a_place_in_transactions():
    found = {each.kind for each in faults_of(transactions.terms.contract, transactions.terms.policy)}
    assert found == set(KINDS)


@pytest.mark.parametrize(
    ("table", "without"), [(customers, {"unit_change", "orphan_keys"}), (products, {"orphan_keys"})]
)
def test_kinds_follow_from_the_contract_of_any_table(table, without):
    found = {each.kind for each in faults_of(table.terms.contract, table.terms.policy)}
    assert found == set(KINDS) - without


def test_a_table_without_a_time_has_no_faults_of_time():
    class Plain(Contract):
        code: T.StringType = column("code", source="code")
        business_date: T.DateType = column("day")

    found = {each.kind for each in faults_of(Plain, Policy(("code",)))}
    assert found == {"nulls", "duplicated_rows", "truncated_text"}


def test_a_value_is_taken_from_a_sample_of_rows_and_nothing_else_is_changed():
    made = planted("nulls", "Quantity")
    assert made.planted == 20
    assert [now for _, now in differences(made.rows, "Quantity")] == [None] * 20
    others = [name for name in made.rows.column_names if name != "Quantity"]
    assert made.rows.select(others).equals(RECEIVED.rows.select(others))


def test_the_seed_chooses_the_rows():
    assert planted("nulls", "Quantity").rows.equals(planted("nulls", "Quantity").rows)
    assert not planted("nulls", "Quantity").rows.equals(planted("nulls", "Quantity", seed=8).rows)


def test_swapped_columns_have_each_others_values():
    made = planted("swapped_columns", "InvoiceNo", "StockCode")
    assert made.planted == 20
    assert {now for _, now in differences(made.rows, "InvoiceNo")} == {"85123A"}
    assert [now for _, now in differences(made.rows, "StockCode")] == [
        was for was, _ in differences(made.rows, "InvoiceNo")
    ]


@pytest.mark.parametrize(
    ("what", "factor", "rows"),
    [("x 100, in all", 100, 89), ("x 12", 12, 89), ("millionths", 1_000_000, 20), ("that was not there", -1, 20)],
)
def test_units_change_by_their_factor(what, factor, rows):
    made = planted("unit_change", "Quantity", what=what)
    changed = differences(made.rows, "Quantity")
    assert (made.planted, len(changed)) == (rows, rows)
    assert all(int(now) == int(was) * factor for was, now in changed)


def test_a_lost_minus_is_lost_everywhere():
    changed = differences(planted("unit_change", "Quantity", what="minus is lost").rows, "Quantity")
    assert len(changed) == sum(line["Quantity"].startswith("-") for line in LINES)
    assert all(now == was.removeprefix("-") for was, now in changed)


def test_a_decimal_stays_one():
    changed = differences(planted("unit_change", "UnitPrice", what="x 100, in all").rows, "UnitPrice")
    assert set(changed) == {("2.55", "255.00")}


def test_a_delivery_that_comes_twice_is_in_another_file_and_leaves_out_what_could_not_be_read():
    made = planted("duplicated_rows")
    assert (made.planted, made.rows.num_rows) == (100, 201)
    assert set(made.rows.column("source_file").to_pylist()[101:]) == {"transactions/2011-03-01.csv.again"}


def test_the_busiest_hour_is_left_out():
    made = planted("dropped_hour", "InvoiceDate")
    hours = [text[11:13] for text in made.rows.column("InvoiceDate").to_pylist() if text]
    assert (made.planted, len(hours), "08" in hours) == (10, 90, False)


def test_of_small_values_nothing_is_left():
    made = planted("dropped_hour", "Quantity")
    assert made.planted == 70
    assert min(abs(int(text)) for text in made.rows.column("Quantity").to_pylist() if text) >= 4


def test_times_that_are_shifted_to_another_day_leave_this_one():
    made = planted("shifted_time_zone", "InvoiceDate", what="Tokyo")
    times = [text for text in made.rows.column("InvoiceDate").to_pylist() if text]
    assert made.planted == 100
    assert len(times) == 70  # those from 15 o'clock on are about tomorrow
    assert min(times) == "2011-03-01 17:26:00"


def test_times_with_a_zone_are_shifted_in_utc():
    rows = bronze_table(TRANSACTIONS, [sale("1", "2011-03-01T10:00:00+02:00")])
    made = fault("shifted_time_zone", "InvoiceDate", what="summer").planted_into(Received(rows, day(1)), 7)
    assert made.rows.column("InvoiceDate").to_pylist() == ["2011-03-01 09:00:00"]


@pytest.mark.parametrize(
    ("kind", "column", "was", "now"),
    [
        ("orphan_keys", "StockCode", "85123A", "99999Z"),
        ("truncated_text", "StockCode", "85123A", "851"),
        ("truncated_text", "Country", "United Kingdom", "United "),
        ("unreadable_values", "Quantity", None, "n/a"),
    ],
)
def test_values_become_what_the_fault_makes_of_them(kind, column, was, now):
    changed = differences(planted(kind, column).rows, column)
    assert len(changed) == 20
    assert {new for _, new in changed} == {now}
    assert was is None or {old for old, _ in changed} == {was}


def test_an_orphan_number_stays_as_whole_as_it_was():
    rows = bronze_table(TRANSACTIONS, [sale("1", CustomerID="17850.0")])
    made = fault("orphan_keys", "CustomerID").planted_into(Received(rows, day(1)), 7)
    assert made.rows.column("CustomerID").to_pylist() == ["99999.0"]


@pytest.mark.parametrize(
    ("kind", "now"),
    [
        ("unreadable_values", "01/03/2011 {0:%H:%M:%S}"),
        ("stale_dates", "1970-01-01 {0:%H:%M:%S}"),
        ("truncated_text", "2011-03-01"),
    ],
)
def test_times_are_written_wrongly(kind, now):
    changed = differences(planted(kind, "InvoiceDate").rows, "InvoiceDate")
    assert len(changed) == 20
    assert all(new == now.format(dt.datetime.fromisoformat(old)) for old, new in changed)


def test_a_fault_without_a_row_for_it_plants_nothing():
    nothing = Received(bronze_table(TRANSACTIONS, [unread("fields: 3 of 8", "1,2")]), day(1))
    for each in faults_of(transactions.terms.contract, transactions.terms.policy):
        assert each.planted_into(nothing, 7).planted == 0
