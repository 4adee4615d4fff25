"""The products source: a change feed of Parquet files, and what is broken in it.

Its columns, types and files belong here. What all change feeds have in common is in `feed.py`, what is sold in
`catalogue.py`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from examples.shop.answer_key import FileVersion, money
from examples.shop.catalogue import PRODUCT_COUNT, Catalogue
from examples.shop.feed import BELATED_DAY, Feed
from examples.shop.file_plan import Written, write_refused
from examples.shop.landing import CORRECTIONS, FIRST_WAVE, folder_of, write_bytes
from examples.shop.rng import Dice
from examples.shop.rows import FileRow, RowPlant, Values, account

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
    RowPlant("stock_code_missing", ("stock_code:not_null",), {"stock_code": None}),
    RowPlant("cost_negative", ("cost:in_range",), {"cost": Decimal("-5.00")}),
    RowPlant("list_price_missing", ("list_price:not_null",), {"list_price": None}),
    RowPlant("list_price_negative", ("list_price:in_range",), {"list_price": Decimal("-1.00")}),
    RowPlant("updated_at_missing", ("updated_at:not_null",), {"updated_at": None}),
    RowPlant("updated_at_in_the_future", ("updated_at:on_business_date",), {"updated_at": _FAR_FUTURE}),
    RowPlant(
        "product_broken_twice", ("cost:not_null", "list_price:in_range"), {"cost": None, "list_price": Decimal(-2)}
    ),
)


def product_feed(catalogue: Catalogue, start: date) -> Feed:
    """Return the products' feed of a world: prices, costs and reorder levels move, codes and categories stay."""

    def make(index: int, version: int, moment: datetime) -> Values:
        product, dice = catalogue.products[index], Dice(catalogue.seed, "reprice", index, version)
        percent = 90 + dice.one("percent", 21) if version else 100
        more = 10 * dice.one("reorder", 3) if version else 0
        return {
            "stock_code": product.stock_code,
            "description": product.description,
            "category": product.category,
            "cost": money(product.cost_cents * percent // 100),
            "list_price": money(product.price_cents * percent // 100),
            "reorder_level": product.reorder_level + more,
            "updated_at": moment,
        }

    return Feed(
        SOURCE, "stock_code", "reorder_level", catalogue.seed, start, PRODUCT_COUNT, _CHANGES_A_DAY, make, _PLANTS
    )


def _content(rows: list[FileRow]) -> bytes:
    """Return the bytes of a Parquet file of the rows."""
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row.values for row in rows], schema=SCHEMA), sink)
    return sink.getvalue()


def _write(out: Path, feed: Feed, key: str, rows: list[FileRow], wave: int = FIRST_WAVE) -> Written:
    """Write one file."""
    receipt = write_bytes(folder_of(out, wave) / key, _content(rows))
    books = account(feed.rows_source, rows, key, wave)
    version = FileVersion(key, SOURCE, wave, receipt.sha256, receipt.size_bytes, len(rows), books.tally)
    return Written(version, books.faults)


def write_products(out: Path, feed: Feed, day: int) -> Iterator[Written]:
    """Write the products files of one day, those of later waves included."""
    today, rows = feed.date_of(day), feed.rows(day)
    yield _write(
        out, feed, f"{SOURCE}/dt={today}/changes.parquet" if day == _FOLDER_DAY else f"{SOURCE}/{today}.parquet", rows
    )
    if day == _TRUNCATED_DAY:
        content = _content(rows)
        half = content[: len(content) // 2]
        reason = ("parquet_truncated", "file:parquet")
        yield write_refused(out, f"{SOURCE}/{today}-truncated.parquet", half, today, reason)
    if day == BELATED_DAY:
        yield _write(out, feed, f"{SOURCE}/{today}-late.parquet", feed.belated(), CORRECTIONS)
