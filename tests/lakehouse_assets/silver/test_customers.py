"""`silver.customers`: typed changes of customer records."""

from __future__ import annotations

import datetime as dt
from typing import Any

from lakehouse_assets.silver.customers import customers
from tests.frames import bronze_customers, customer_change, picked, verdicts
from tests.scenario import day


def test_a_change_is_typed_and_its_time_brought_to_utc(engine):
    changes = [
        customer_change(12346, at="2011-03-01T10:00:00+01:00", is_deleted=True),
        customer_change("12347.0", is_deleted=None, city=" "),
    ]
    columns = ("customer_id", "updated_at", "is_deleted", "city", "business_date")
    nine = dt.datetime(2011, 3, 1, 9)  # noqa: DTZ001 - as collected
    assert picked(customers(bronze_customers(engine, changes)), *columns) == [
        (12346, nine, True, "London", day(1)),
        (12347, nine, None, None, day(1)),
    ]


CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a change": ({}, []),
    "all that may be missing": (
        {"email": None, "name": "", "phone": None, "segment": None, "city": None, "country": None},
        [],
    ),
    "e-mail is no address": ({"email": "no address"}, ["email:str_matches"]),
    "e-mail has a blank": ({"email": "a@b c"}, ["email:str_matches"]),
    "another segment": ({"segment": "Consumer"}, ["segment:isin"]),
    "customer is a word": ({"customer_id": "x"}, ["customer_id:readable"]),
    "no customer": ({"customer_id": None}, ["customer_id:not_null"]),
    "perhaps deleted": ({"is_deleted": "maybe"}, ["is_deleted:readable"]),
    "time of another day": ({"updated_at": "2011-03-02T00:00:00Z"}, ["updated_at:on_business_date"]),
    "no time": ({"updated_at": None}, ["updated_at:not_null"]),
}
"""What is different about a change of 1 March 2011, and the rules it breaks."""
CHANGES = [{**customer_change(number), **changed} for number, (changed, _) in enumerate(CASES.values(), start=1)]


def test_a_change_is_judged_by_the_contract(engine):
    found = verdicts(bronze_customers(engine, CHANGES), customers, CASES)
    assert found == {case: (rules, []) for case, (_, rules) in CASES.items()}
