"""`bronze.products`: the change feed, typed as is."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa

from lakehouse_assets.bronze.products import products
from tests.frames import product
from tests.scenario import day, drop, ingestion, parquet_bytes, rows


def test_values_keep_the_types_of_the_file(engine, landing_root):
    schema = pa.schema(
        [
            ("stock_code", pa.string()),
            ("description", pa.string()),
            ("category", pa.string()),
            ("cost", pa.decimal128(18, 3)),
            ("list_price", pa.decimal128(18, 3)),
            ("reorder_level", pa.int32()),
            ("updated_at", pa.timestamp("us", tz="UTC")),
        ]
    )
    table = pa.Table.from_pylist([product("22633", cost=Decimal("0.125"), reorder_level=None)], schema=schema)
    drop(landing_root, "products/2011-03-02.parquet", parquet_bytes(table))
    ingestion(engine, landing_root, products.source).run([day(2)], run_id="run")
    found = rows(engine, "bronze.products", "stock_code", "cost", "reorder_level", "landing_date", "business_date")
    assert found == [("22633", Decimal("0.125"), None, day(2), day(1))]
