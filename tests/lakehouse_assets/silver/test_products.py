"""`silver.products`: typed changes of product records."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lakehouse.contracts.rule_compiler import broken, compile_rules
from lakehouse_assets.silver.products import Products, products
from tests.frames import bronze_products, picked, product


def test_a_change_keeps_its_money_and_its_code_is_upper_case(engine):
    frame = products(bronze_products(engine, [product(" 84406b "), product("1", category="", reorder_level=None)]))
    assert picked(frame, "stock_code", "cost", "list_price", "category", "reorder_level") == [
        ("84406B", Decimal("1.250"), Decimal("3.390"), "lighting", 20),
        ("1", Decimal("1.250"), Decimal("3.390"), None, None),
    ]


@pytest.mark.parametrize(
    ("changed", "rules"),
    [
        ({}, []),
        ({"cost": Decimal("-0.001")}, ["cost:in_range"]),
        ({"list_price": Decimal("1000000.001")}, ["list_price:in_range"]),
        ({"cost": None, "list_price": None}, ["cost:not_null", "list_price:not_null"]),
        ({"stock_code": " "}, ["stock_code:not_null"]),
        ({"updated_at": None}, ["updated_at:not_null"]),
    ],
)
def test_a_change_is_judged_by_the_contract(engine, changed, rules):
    frame = products(bronze_products(engine, [{**product("1"), **changed}]))
    judged = frame.select(broken(compile_rules(Products, event_time="updated_at", received=True)).alias("rules"))
    assert picked(judged, "rules") == [(rules,)]
