"""`silver.products`: typed changes of product records."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from lakehouse_assets.silver.products import products
from tests.frames import bronze_products, picked, product, verdicts


def test_a_change_keeps_its_money_and_its_code_is_upper_case(engine):
    frame = products(bronze_products(engine, [product(" 84406b "), product("1", category="", reorder_level=None)]))
    assert picked(frame, "stock_code", "cost", "list_price", "category", "reorder_level") == [
        ("84406B", Decimal("1.250"), Decimal("3.390"), "lighting", 20),
        ("1", Decimal("1.250"), Decimal("3.390"), None, None),
    ]


CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a change": ({}, []),
    "cost below nothing": ({"cost": Decimal("-0.001")}, ["cost:in_range"]),
    "price is absurd": ({"list_price": Decimal("1000000.001")}, ["list_price:in_range"]),
    "no money": ({"cost": None, "list_price": None}, ["cost:not_null", "list_price:not_null"]),
    "no product": ({"stock_code": " "}, ["stock_code:not_null"]),
    "no time": ({"updated_at": None}, ["updated_at:not_null"]),
}
"""What is different about a change of 1 March 2011, and the rules it breaks."""
CHANGES = [{**product(f"{number}"), **changed} for number, (changed, _) in enumerate(CASES.values())]


def test_a_change_is_judged_by_the_contract(engine):
    found = verdicts(bronze_products(engine, CHANGES), products, CASES)
    assert found == {case: (rules, []) for case, (_, rules) in CASES.items()}
