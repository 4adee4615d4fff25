"""`gold.dim_products`: every version of a product, and a member for those of which nothing is known."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from lakehouse.contracts.contract import columns_of, spark_schema
from lakehouse_assets.gold.dim_products import DimProducts, dim_products
from lakehouse_assets.silver.clicks import Clicks
from lakehouse_assets.silver.inventory import Inventory
from lakehouse_assets.silver.products import products
from lakehouse_assets.silver.transactions import transactions
from tests.frames import bronze_products, bronze_transactions, picked, product
from tests.scenario import day, sale


def seen(engine, contract, time, *stock_codes):
    """Return rows about products at noon of 2 March 2011; columns that do not matter are null."""
    names = [column.name for column in columns_of(contract)]
    noon = dt.datetime(2011, 3, 2, 12, tzinfo=dt.UTC)
    known = [{"stock_code": code, time: noon, "business_date": day(2)} for code in stock_codes]
    rows = [tuple(one.get(name) for name in names) for one in known]
    return engine.session().createDataFrame(rows, spark_schema(contract))


def test_a_line_a_click_or_a_movement_tells_of_a_product_before_its_record_does(engine):
    earlier = dt.datetime(2011, 3, 3, 9, tzinfo=dt.UTC)
    records = [
        product("71053", updated_at=earlier),
        product("71053", updated_at=earlier + dt.timedelta(days=1), cost=Decimal("1.500")),
        product("84029G", updated_at=dt.datetime(2011, 3, 1, 8, tzinfo=dt.UTC)),
    ]
    made = dim_products(
        products(bronze_products(engine, records)),
        transactions(bronze_transactions(engine, [sale("1"), sale("2", StockCode="84029g")])),
        seen(engine, Clicks, "clicked_at", "71053", None),
        seen(engine, Inventory, "moved_at", "22633", "85123A"),
    ).orderBy("stock_code", "valid_from")
    assert picked(made, "stock_code", "cost", "is_inferred", "is_current") == [
        (None, None, False, True),
        ("22633", None, True, True),
        ("71053", None, True, False),
        ("71053", Decimal("1.250"), False, False),
        ("71053", Decimal("1.500"), False, True),
        ("84029G", Decimal("1.250"), False, True),
        ("85123A", None, True, True),
    ]
    noon, morning = dt.datetime(2011, 3, 2, 12), dt.datetime(2011, 3, 1, 8, 26)  # noqa: DTZ001 - in UTC
    assert [when for (when,) in picked(made, "first_seen_at")] == [None, *[noon] * 4, morning, morning]


def test_it_has_the_columns_of_its_contract(engine):
    made = dim_products(
        products(bronze_products(engine, [])),
        transactions(bronze_transactions(engine, [])),
        seen(engine, Clicks, "clicked_at"),
        seen(engine, Inventory, "moved_at"),
    )
    assert made.columns == [column.name for column in columns_of(DimProducts)]
