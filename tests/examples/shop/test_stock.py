"""The stock movements: what the warehouse books is what the tills moved, and nothing runs out."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict

import pytest

from examples.shop.catalogue import make_catalogue
from tests.examples.shop.conftest import SMALLEST, START


@pytest.fixture(scope="module")
def products():
    return {product.stock_code: product for product in make_catalogue(SMALLEST["seed"]).products}


@pytest.fixture(scope="module")
def movements(processed):
    return processed.after[2]["silver.inventory"].to_pylist()


@pytest.fixture(scope="module")
def lines(processed, products):
    return [line for line in processed.after[2]["silver.transactions"].to_pylist() if line["stock_code"] in products]


@pytest.fixture(scope="module")
def booked(movements, lines, products):
    """What moved each product's stock: when, how, and by how much; the tills' own adjustments among it."""
    found = defaultdict(list)
    for row in movements:
        if row["stock_code"] in products:
            found[row["stock_code"]].append((row["moved_at"], row["movement_type"], row["quantity"]))
    for line in lines:
        if line["kind"] == "adjustment":
            found[line["stock_code"]].append((line["invoiced_at"], "adjustment", line["quantity"]))
    return {code: sorted(moved) for code, moved in found.items()}


def units(rows):
    return {place: quantity for place, quantity in rows.items() if quantity}


@pytest.mark.parametrize(("kind", "movement_type"), [("sale", "sale"), ("cancellation", "adjustment")])
def test_the_warehouse_books_just_what_the_tills_sold_and_took_back(movements, lines, products, kind, movement_type):
    tills: Counter[tuple[dt.date, str]] = Counter()
    warehouse: Counter[tuple[dt.date, str]] = Counter()
    for line in lines:
        if line["kind"] == kind:
            tills[line["business_date"], line["stock_code"]] -= line["quantity"]
    for row in movements:
        if row["movement_type"] == movement_type and row["stock_code"] in products:
            warehouse[row["business_date"], row["stock_code"]] += row["quantity"]
    assert units(warehouse) == units(tills)
    assert len(units(tills)) > 10


def test_everything_is_counted_at_the_opening(booked, products):
    assert booked.keys() == products.keys()
    assert {moved[0][1] for moved in booked.values()} == {"count"}
    assert {moved[0][0].date() for moved in booked.values()} == {START}


def test_the_books_never_show_less_than_nothing_and_counts_find_what_got_lost(booked):
    lost = Counter()
    for moved in booked.values():
        level = moved[0][2]
        for _, movement_type, quantity in moved[1:]:
            if movement_type == "count":
                lost[level - quantity] += 1
                level = quantity
            else:
                level += quantity
            assert level >= 0
    assert min(lost) == 0
    assert max(lost) <= 6  # lost three at most, and that hardly twice
    assert sum(lost.values()) > 1_000
    assert 0 < sum(count for units_lost, count in lost.items() if units_lost) < 0.1 * sum(lost.values())


def test_what_runs_low_is_delivered_within_two_days(booked, products):
    low = 0
    for code, moved in booked.items():
        received = {at.date() for at, movement_type, _ in moved if movement_type == "receipt"}
        for day in (START + dt.timedelta(days=number) for number in range(SMALLEST["days"] - 2)):
            level = 0
            for at, movement_type, quantity in moved:
                if at.date() <= day:
                    level = quantity if movement_type == "count" else level + quantity
            if level <= products[code].reorder_level:
                low += 1
                assert received & {day + dt.timedelta(days=1), day + dt.timedelta(days=2)}, (code, day)
    assert low > 50


def test_movements_have_numbers_of_their_own(movements):
    assert len({row["movement_id"] for row in movements}) == len(movements)
