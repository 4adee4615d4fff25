"""`silver.customers`: typed changes of customer records."""

from __future__ import annotations

import datetime as dt

import pytest

from lakehouse.contracts.rule_compiler import broken, compile_rules
from lakehouse_assets.silver.customers import Customers, customers
from tests.frames import bronze_customers, customer_change, picked
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


@pytest.mark.parametrize(
    ("changed", "rules"),
    [
        ({}, []),
        ({"email": None, "name": "", "phone": None, "segment": None, "city": None, "country": None}, []),
        ({"email": "no address"}, ["email:str_matches"]),
        ({"email": "a@b c"}, ["email:str_matches"]),
        ({"segment": "Consumer"}, ["segment:isin"]),
        ({"customer_id": "x"}, ["customer_id:readable"]),
        ({"customer_id": None}, ["customer_id:not_null"]),
        ({"is_deleted": "maybe"}, ["is_deleted:readable"]),
        ({"updated_at": "2011-03-02T00:00:00Z"}, ["updated_at:on_business_date"]),
        ({"updated_at": None}, ["updated_at:not_null"]),
    ],
)
def test_a_change_is_judged_by_the_contract(engine, changed, rules):
    frame = customers(bronze_customers(engine, [{**customer_change(1), **changed}]))
    judged = frame.select(broken(compile_rules(Customers, event_time="updated_at", received=True)).alias("rules"))
    assert picked(judged, "rules") == [(rules,)]
