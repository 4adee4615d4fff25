"""A small shop for all tables at once: random records of its sources, and files of them.

Belongs here: what lands. What tables make of it is for their tests.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa

from lakehouse.tables.declarations import BronzeTable
from lakehouse_assets.definitions import find_tables
from tests.frames import click, customer_change, movement, product
from tests.scenario import csv_bytes, jsonl_bytes, parquet_bytes, sale

DAYS = [dt.date.fromisoformat(day) for day in ("2010-12-06", "2010-12-31", "2011-01-03", "2011-03-02")]
"""Days of the shop: a week that reaches over the edge of a month and of a year, and a month without sales."""
ENDINGS = {"transactions": "csv", "customers": "jsonl", "products": "parquet", "inventory": "csv", "clicks": "jsonl"}
"""The ending of a source's files."""
SOURCES = {table.name: table.source for table in find_tables() if isinstance(table, BronzeTable)}
CUSTOMERS = (12346, 12347, 12348, 12349)
"""Those who buy; of the first nothing else is known."""
MOVED = [("receipt", "60"), ("sale", "-6"), ("sale", "-90"), ("adjustment", "-1"), ("count", "5"), ("count", "40")]
CLICKED = ("00:10:00", "08:26:00", "08:56:00", "12:00:00.250", "12:20:00", "12:50:01", "23:50:00")
"""Some are half an hour apart, some a little more; some are around midnight."""
BROWSERS = (
    "Mozilla/5.0 (X11; Linux x86_64)",
    "Mozilla/5.0 (iPad; CPU OS 17_2)",
    "Mozilla/5.0 (iPhone) Mobile",
    "a bot",
)
PRODUCTS = pa.schema(
    {
        "stock_code": pa.string(),
        "description": pa.string(),
        "category": pa.string(),
        "cost": pa.decimal128(18, 3),
        "list_price": pa.decimal128(18, 3),
        "reorder_level": pa.int32(),
        "updated_at": pa.timestamp("us", tz="UTC"),
    }
)

Record = dict[str, Any]


def record(chance: random.Random, numbers: Iterator[int], source: str, days: list[dt.date]) -> Record:
    """Return a record of one of some days, for a file of a source; numbers name what must have a name of its own."""
    pick = chance.choice
    day, time = pick(days), pick(("08:26:00", "12:00:00", "17:45:00"))
    at, stock_code = f"{day}T{time}Z", pick(("85123A", "22423", "71053"))
    if source == "customers":
        city, is_deleted = pick(("London", "Leeds")), chance.random() < 0.2
        return customer_change(pick(CUSTOMERS[1:]), at=at, city=city, is_deleted=is_deleted)
    if source == "products":
        cost, level, category = pick(("1.000", "1.255", "2.500")), pick((10, 50)), pick(("lighting", "kitchen"))
        changed = {"cost": Decimal(cost), "list_price": 3 * Decimal(cost), "reorder_level": level, "category": category}
        changed |= {"description": f"{category} of {level}", "updated_at": dt.datetime.fromisoformat(at)}
        return product(stock_code, **changed)
    if source == "inventory":
        kind, quantity = pick(MOVED)
        number = f"m-{next(numbers)}"
        return movement(number, f"{day} {time}", stock_code=stock_code, movement_type=kind, quantity=quantity)
    if source == "clicks":
        about = {"event_type": pick(("view", "cart", "purchase")), "session_id": pick(("s-1", "s-2"))}
        about |= {
            "url": f"https://shop.example/p/{stock_code}",
            "user_agent": pick(BROWSERS),
            "user_id": pick(CUSTOMERS),
        }
        return click(f"e-{next(numbers)}", f"{day}T{pick(CLICKED)}Z", **about, stock_code=stock_code)
    back = chance.random() < 0.3
    return sale(
        f"{'C' if back else ''}{pick(range(536365, 536369))}",
        at=f"{day} {time}",
        StockCode=stock_code,
        Quantity=str(-pick((1, 6)) if back else pick((1, 6, 120))),
        UnitPrice=pick(("2.55", "0", "7.125")),
        CustomerID=str(pick((*CUSTOMERS, ""))),
        Country=pick(("United Kingdom", "France")),
    )


def content(key: str, records: list[Record]) -> bytes:
    """Write a file's rows in the format of its source."""
    if key.endswith(".csv"):
        return csv_bytes(records, SOURCES[key.partition("/")[0]].format.columns)
    return jsonl_bytes(records) if key.endswith(".jsonl") else parquet_bytes(pa.Table.from_pylist(records, PRODUCTS))
