"""`gold.inventory_levels`: the stock at the end of each day, as a running balance."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.frames import picked
from tests.lakehouse_assets.gold.rows import at, line, movement, version
from tests.lakehouse_assets.gold.stock import LEVELS, levels, rows_of
from tests.scenario import day

MOVED = ("business_date", "opening", "received", "sold", "adjusted", "closing")
COUNTED = ("opening", "counted", "corrected", "closing")
LOW = ("business_date", "closing", "reorder_level", "low_since", "low_before")


def test_movements_of_a_day_add_up_by_kind(engine):
    moved = [
        movement("receipt", 20, at(1), "M1"),
        movement("receipt", 5, at(1), "M2"),
        movement("sale", -7, at(1), "M3"),
        movement("adjustment", -2, at(1), "M4"),
        movement("sale", -1, at(3), "M5"),
    ]
    assert picked(levels(engine, moved), *MOVED) == [(day(1), 0, 25, 7, -2, 16), (day(3), 16, 0, 1, 0, 15)]


def test_stock_may_be_negative_where_more_was_taken_than_came(engine):
    assert picked(levels(engine, [movement("sale", -3, at(1))]), "opening", "closing") == [(0, -3)]


def test_a_count_sets_the_stock_and_what_moves_later_that_day_adds_to_it(engine):
    moved = [
        movement("receipt", 100, at(1, "08:00"), "M9"),
        movement("count", 90, at(1, "09:00"), "M1"),
        movement("sale", -4, at(1, "10:00"), "M0"),
    ]
    assert picked(levels(engine, moved), *COUNTED) == [(0, 90, -10, 86)]


def test_the_last_count_of_a_day_decides(engine):
    moved = [
        movement("count", 50, at(1, "18:00"), "M1"),
        movement("count", 90, at(1, "09:00"), "M2"),
        movement("sale", -4, at(1, "10:00"), "M3"),
    ]
    assert picked(levels(engine, moved), *COUNTED) == [(0, 50, 54, 50)]


def test_of_one_instant_the_movement_is_before_the_count(engine):
    moved = [movement("sale", -4, at(1), "M9"), movement("count", 90, at(1), "M1")]
    assert picked(levels(engine, moved), "sold", "closing") == [(4, 90)]


def test_of_two_counts_of_one_instant_the_higher_number_decides(engine):
    moved = [movement("count", 7, at(1), "M2"), movement("count", 90, at(1), "M1")]
    assert picked(levels(engine, moved), *COUNTED) == [(0, 7, 7, 7)]


def test_a_count_that_finds_what_the_books_say_corrects_nothing(engine):
    moved = [movement("receipt", 5, at(1), "M1"), movement("count", 5, at(2), "M2"), movement("sale", -1, at(3), "M3")]
    assert picked(levels(engine, moved), *COUNTED) == [(0, None, 0, 5), (5, 5, 0, 5), (5, None, 0, 4)]


def test_a_count_of_nothing_is_a_count(engine):
    moved = [movement("receipt", 5, at(1), "M1"), movement("count", 0, at(2), "M2")]
    assert picked(levels(engine, moved), *COUNTED)[-1] == (5, 0, -5, 0)


def test_a_product_has_a_row_on_each_day_that_anything_moves_from_its_first_movement_on(engine):
    moved = [
        movement("receipt", 5, at(1), "M1", "A"),
        movement("receipt", 8, at(3), "M2", "B"),
        movement("sale", -1, at(7), "M3", "A"),
    ]
    assert picked(levels(engine, moved), "business_date", "stock_code", "closing") == [
        (day(1), "A", 5),
        (day(3), "A", 5),
        (day(3), "B", 8),
        (day(7), "A", 4),
        (day(7), "B", 8),
    ]


def test_what_tills_put_right_moves_stock_and_what_they_sell_does_not(engine):
    lines = [
        line("adjustment", 56, at(1)),
        line("adjustment", -6, at(2)),
        line("sale", 3, at(2)),
        line("cancellation", -3, at(3)),
        line("bad_debt", 1, at(4)),
    ]
    assert picked(levels(engine, lines=lines), *MOVED) == [(day(1), 0, 0, 0, 56, 56), (day(2), 56, 0, 0, -6, 50)]


def test_what_a_till_puts_right_after_a_count_adds_to_it(engine):
    counted = [movement("count", 10, at(1, "12:00"))]
    lines = [line("adjustment", -3, at(1, "13:00")), line("adjustment", -5, at(1, "11:00"))]
    assert picked(levels(engine, counted, lines=lines), "adjusted", "closing") == [(-8, 7)]


def test_the_reorder_level_is_the_one_at_the_end_of_the_day(engine):
    moved = [movement("receipt", 15, at(number), f"M{number}") for number in (1, 2, 3, 4)]
    versions = [
        version(10, at(2, "08:00"), at(2, "23:00")),
        version(99, at(2, "23:00"), at(4, "00:00")),
        version(None, at(4, "00:00")),
        version(7, stock_code="B"),
    ]
    found = picked(levels(engine, moved, versions=versions), "business_date", "reorder_level")
    assert found == [(day(1), None), (day(2), 99), (day(3), 99), (day(4), None)]


def test_stock_is_low_from_the_day_that_ends_at_or_below_the_reorder_level_until_one_ends_above_it(engine):
    moved = [
        movement("receipt", 20, at(1), "M1"),
        movement("sale", -10, at(2), "M2"),
        movement("sale", -1, at(4), "M3"),
        movement("receipt", 2, at(5), "M4"),
        movement("sale", -11, at(7), "M5"),
    ]
    assert picked(levels(engine, moved, versions=[version(10)]), *LOW) == [
        (day(1), 20, 10, None, None),
        (day(2), 10, 10, day(2), None),
        (day(4), 9, 10, day(2), day(2)),
        (day(5), 11, 10, None, day(2)),
        (day(7), 0, 10, day(7), None),
    ]


def test_a_product_is_low_from_its_first_day_and_on_days_when_only_others_move(engine):
    moved = [movement("receipt", 2, at(1), "M1", "A"), movement("receipt", 2, at(2), "M2", "B")]
    found = levels(engine, moved, versions=[version(10)]).where("stock_code = 'A'")
    assert picked(found, *LOW) == [(day(1), 2, 10, day(1), None), (day(2), 2, 10, day(1), day(1))]


def test_without_a_reorder_level_nothing_is_low(engine):
    assert picked(levels(engine, [movement("sale", -5, at(1))]), *LOW) == [(day(1), -5, None, None, None)]


def test_stock_becomes_low_when_the_reorder_level_is_raised(engine):
    moved = [movement("receipt", 15, at(1), "M1"), movement("receipt", 1, at(2), "M2", "B")]
    versions = [version(10, at(1, "00:00"), at(2, "09:00")), version(15, at(2, "09:00"))]
    found = levels(engine, moved, versions=versions).where("stock_code = 'A'")
    assert picked(found, *LOW) == [(day(1), 15, 10, None, None), (day(2), 15, 15, day(2), None)]


def test_the_balance_goes_on_from_the_rows_of_the_day_before(engine):
    moved = [
        movement("receipt", 9, at(1), "M1", "A"),
        movement("receipt", 40, at(1), "M2", "B"),
        movement("sale", -1, at(4), "M3", "A"),
    ]
    versions = [version(10, stock_code=code) for code in "AB"]
    first = rows_of(levels(engine, moved[:2], versions=versions))
    found = levels(engine, moved[2:], versions=versions, before=first)
    assert picked(found, "stock_code", "opening", *LOW) == [
        ("A", 9, day(4), 8, 10, day(1), day(1)),
        ("B", 40, day(4), 40, 10, None, None),
    ]


def test_a_day_on_which_nothing_moves_has_no_rows(engine):
    before = rows_of(levels(engine, [movement("receipt", 9, at(1))]))
    assert rows_of(levels(engine, lines=[line("sale", 3, at(2))], before=before)) == []


PRODUCTS = "ABC"
VERSIONS = [
    version(5, at(1, "00:00"), at(6, "00:00"), stock_code="A"),
    version(None, at(6, "00:00"), at(9, "12:00"), stock_code="A"),
    version(9, at(9, "12:00"), stock_code="A"),
    version(0, at(4, "00:00"), stock_code="B"),
]
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["receipt", "sale", "adjustment", "count", "till", "none"]),
        st.integers(0, 9),
        st.integers(1, 12),
        st.sampled_from(["09:00", "12:00", "18:00"]),
        st.sampled_from(PRODUCTS),
    ),
    min_size=1,
    max_size=25,
)


def world(events: Sequence[tuple[str, int, int, str, str]]) -> tuple[list[Any], list[Any]]:
    """Return the movements and invoice lines that some events stand for."""
    moved, lines = [], []
    for place, (kind, units, number, clock, code) in enumerate(events):
        if kind == "till":
            lines.append(line("adjustment", units - 4, at(number, clock), code))
        elif kind == "none":
            lines.append(line("sale", units, at(number, clock), code))
        else:
            signed = {"sale": -units, "adjustment": units - 4}.get(kind, units)
            moved.append(movement(kind, signed, at(number, clock), f"M{place:02}", code))
    return moved, lines


def ledger(moved: list[Any], lines: list[Any]) -> list[tuple[dt.date, str, int, dt.date | None, dt.date | None]]:
    """Book movements one by one: stock at the end of the day, low_since and low_before, by day and product."""
    booked = [(row[4], row[2] == "count", row[0], row[1], row[3]) for row in moved]
    booked += [(row[5], False, row[0], row[2], row[4]) for row in lines if row[10] == "adjustment"]
    stock: dict[str, int] = {}
    low: dict[str, dt.date | None] = {}
    found = []
    for date in sorted({when.date() for when, *_ in booked}):
        for _, is_count, _, code, units in sorted(row for row in booked if row[0].date() == date):
            stock[code] = units if is_count else stock.get(code, 0) + units
        for code in sorted(stock):
            before = low.get(code)
            low[code] = (before or date) if is_low(code, date, stock[code]) else None
            found.append((date, code, stock[code], low[code], before))
    return found


def is_low(code: str, date: dt.date, stock: int) -> bool:
    end = dt.datetime.combine(date, dt.time.max, dt.UTC)
    valid = [
        level
        for _, key, _, level, since, until in VERSIONS
        if key == code and since <= end < (until or dt.datetime.max.replace(tzinfo=dt.UTC))
    ]
    return any(level is not None and stock <= level for level in valid)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS, st.sets(st.integers(2, 12), max_size=4), st.randoms(use_true_random=False))
def test_any_split_into_runs_gives_what_one_pass_over_all_gives(engine, events, cuts, dice: random.Random):
    moved, lines = world(events)
    dice.shuffle(moved)
    whole = rows_of(levels(engine, moved, lines=lines, versions=VERSIONS))
    short = ("business_date", "stock_code", "closing", "low_since", "low_before")
    assert [tuple(row[LEVELS.index(name)] for name in short) for row in whole] == ledger(moved, lines)

    split: list[tuple[Any, ...]] = []
    edges = [1, *sorted(cuts), 13]
    for first, end in itertools.pairwise(edges):
        span = [day(number) for number in range(first, end)]
        before = [row for row in split if row[0] == max(row[0] for row in split)]
        some = [row for row in moved if row[5] in span]
        split += rows_of(
            levels(engine, some, lines=[row for row in lines if row[11] in span], versions=VERSIONS, before=before)
        )
    assert split == whole
