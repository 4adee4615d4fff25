"""`silver.inventory`: typed stock movements."""

from __future__ import annotations

import datetime as dt

from lakehouse.contracts.row_outcome import DUPLICATE, OUTCOME, PUBLISHED, RULES, WARNED
from lakehouse.publication.validation import judge_received
from lakehouse_assets.silver.inventory import inventory
from tests.frames import bronze_inventory, movement, picked, verdicts
from tests.scenario import day


def judged(engine, *movements, tables=None):
    frame = bronze_inventory(engine, movements)
    return judge_received(frame, inventory.transform, inventory.terms.contract, inventory.terms.policy, tables=tables)


def test_a_movement_is_typed_and_its_code_is_upper_case(engine):
    frame = inventory(bronze_inventory(engine, [movement(" m-1 ", stock_code="85123a", quantity="24.0")]))
    columns = ("movement_id", "stock_code", "movement_type", "quantity", "moved_at", "business_date")
    seven = dt.datetime(2011, 3, 1, 7)  # noqa: DTZ001 - as collected
    assert picked(frame, *columns) == [("m-1", "85123A", "receipt", 24, seven, day(1))]


CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    "a receipt": ({}, []),
    "a receipt of nothing": ({"quantity": "0"}, ["row:receipt_adds"]),
    "a receipt that takes": ({"quantity": "-24"}, ["row:receipt_adds"]),
    "a sale": ({"movement_type": "sale", "quantity": "-1"}, []),
    "a sale of nothing": ({"movement_type": "sale", "quantity": "0"}, ["row:sale_takes"]),
    "a sale that adds": ({"movement_type": "sale"}, ["row:sale_takes"]),
    "a count of nothing": ({"movement_type": "count", "quantity": "0"}, []),
    "a count below nothing": ({"movement_type": "count", "quantity": "-1"}, ["row:count_is_not_negative"]),
    "an adjustment": ({"movement_type": "adjustment", "quantity": "-5"}, []),
    "another kind": ({"movement_type": "theft"}, ["movement_type:isin"]),
    "no kind": ({"movement_type": ""}, ["movement_type:not_null"]),
    "no number": ({"movement_id": " "}, ["movement_id:not_null"]),
    "no product": ({"stock_code": ""}, ["stock_code:not_null"]),
    "quantity is a word": ({"quantity": "a dozen"}, ["quantity:readable"]),
    "quantity has a fraction": ({"quantity": "2.5"}, ["quantity:readable"]),
    "no quantity": ({"quantity": ""}, ["quantity:not_null"]),
    "quantity is absurd": ({"quantity": "1000001"}, ["quantity:in_range"]),
    "time without a date": ({"moved_at": "07:00"}, ["moved_at:readable"]),
    "no time": ({"moved_at": ""}, ["moved_at:not_null"]),
    "time of another day": ({"moved_at": "2011-03-02 00:00:00"}, ["moved_at:on_business_date"]),
}
"""What is different about a movement of 1 March 2011, and the rules it breaks."""
MOVEMENTS = [{**movement(f"m-{number}"), **changed} for number, (changed, _) in enumerate(CASES.values())]


def test_a_movement_is_judged_by_the_contract(engine):
    found = verdicts(bronze_inventory(engine, MOVEMENTS), inventory, CASES)
    assert found == {case: (rules, []) for case, (_, rules) in CASES.items()}


def test_an_adjustment_of_nothing_and_an_unknown_product_are_kept_with_a_warning(engine):
    known = {"silver.products": engine.session().createDataFrame([("85123A",)], "stock_code string")}
    nothing = movement("m-1", movement_type="adjustment", quantity="0")
    found = judged(engine, nothing, movement("m-2", stock_code="X"), movement("m-3"), tables=known.__getitem__)
    assert sorted(picked(found, "movement_id", RULES, WARNED)) == [
        ("m-1", [], ["row:adjustment_changes"]),
        ("m-2", [], ["stock_code:references"]),
        ("m-3", [], []),
    ]


def test_a_movement_that_was_booked_again_is_a_duplicate(engine):
    found = judged(engine, movement("m-1"), movement("m-2"), movement("m-1"))
    assert sorted(picked(found, "movement_id", OUTCOME)) == [
        ("m-1", PUBLISHED),
        ("m-1", DUPLICATE),
        ("m-2", PUBLISHED),
    ]
