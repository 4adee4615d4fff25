"""The products source: a change feed of Parquet files, and what is broken in it.

Its columns, types and files belong here. What all change feeds have in common is in `shop/feed.py`, what is sold in
`shop/catalogue.py`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from shop.answer_key import FileVersion, money
from shop.catalogue import PRODUCT_COUNT, Catalogue
from shop.dice import Dice
from shop.feed import Feed, FeedPlant, FeedRow, Values, account
from shop.landing import FIRST_WAVE, write_bytes
from shop.written import Written, write_refused

SOURCE = "products"
SCHEMA = pa.schema(
    [
        ("stock_code", pa.string()),
        ("description", pa.string()),
        ("category", pa.string()),
        ("cost", pa.decimal128(18, 2)),
        ("list_price", pa.decimal128(18, 2)),
        ("reorder_level", pa.int32()),
        ("updated_at", pa.timestamp("us", tz="UTC")),
    ]
)

_CHANGES_A_DAY = 40
_FOLDER_DAY, _TRUNCATED_DAY = 3, 5
_FAR_FUTURE = datetime(2199, 1, 1, 8, tzinfo=UTC)
_PLANTS = (
    FeedPlant("stock_code_missing", ("stock_code:not_null",), {"stock_code": None}),
    FeedPlant("cost_negative", ("cost:in_range",), {"cost": Decimal("-5.00")}),
    FeedPlant("list_price_missing", ("list_price:not_null",), {"list_price": None}),
    FeedPlant("list_price_negative", ("list_price:in_range",), {"list_price": Decimal("-1.00")}),
    FeedPlant("updated_at_missing", ("updated_at:not_null",), {"updated_at": None}),
    FeedPlant("updated_at_in_the_future", ("updated_at:on_business_date",), {"updated_at": _FAR_FUTURE}),
    FeedPlant(
        "product_broken_twice", ("cost:not_null", "list_price:in_range"), {"cost": None, "list_price": Decimal(-2)}
    ),
)


def product_feed(catalogue: Catalogue, start: date) -> Feed:
    """Return the products' feed of a world: prices and costs move, codes and categories stay."""

    def make(index: int, version: int, moment: datetime) -> Values:
        product = catalogue.products[index]
        percent = 90 + Dice(catalogue.seed, "reprice", index, version).one("percent", 21) if version else 100
        return {
            "stock_code": product.stock_code,
            "description": product.description,
            "category": product.category,
            "cost": money(product.cost_cents * percent // 100),
            "list_price": money(product.price_cents * percent // 100),
            "reorder_level": product.reorder_level,
            "updated_at": moment,
        }

    return Feed(SOURCE, "stock_code", catalogue.seed, start, PRODUCT_COUNT, _CHANGES_A_DAY, make, _PLANTS)


def _content(rows: list[FeedRow]) -> bytes:
    """Return the bytes of a Parquet file of the rows."""
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row.values for row in rows], schema=SCHEMA), sink)
    return sink.getvalue()


def write_products(out: Path, feed: Feed, day: int) -> Iterator[Written]:
    """Write the products files of one day."""
    today, rows = feed.date_of(day), feed.rows(day)
    key = f"{SOURCE}/dt={today}/changes.parquet" if day == _FOLDER_DAY else f"{SOURCE}/{today}.parquet"
    content = _content(rows)
    receipt = write_bytes(out / key, content)
    tally, faults = account(feed, rows, key)
    version = FileVersion(key, SOURCE, FIRST_WAVE, receipt.sha256, receipt.size_bytes, len(rows), tally)
    yield Written(version, tuple(faults))
    if day == _TRUNCATED_DAY:
        half = content[: len(content) // 2]
        reason = ("parquet_truncated", "file:parquet")
        yield write_refused(out, f"{SOURCE}/{today}-truncated.parquet", half, today, reason)
