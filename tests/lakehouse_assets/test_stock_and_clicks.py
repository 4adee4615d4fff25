"""Stock and sessions over the whole line: what is late restates exactly the days whose rows differ."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.ingestion.bronze_rows import bronze_layout
from lakehouse.reconciliation.recompute import Recomputation
from lakehouse.tables.declarations import ContractTable
from lakehouse_assets.definitions import find_tables
from tests.frames import product
from tests.lakehouse_assets.gold.rows import at
from tests.line import Line
from tests.scenario import PRODUCTS, csv_bytes, day, drop, jsonl_bytes, parquet_bytes, rows, sale

STOCK = ("gold.inventory_levels", "gold.low_stock_alerts")
CLICKS = ("gold.sessions", "gold.conversion_funnel")
MOVEMENT = ("movement_id", "stock_code", "movement_type", "quantity", "moved_at")


@pytest.fixture
def stock(landing_root) -> Line:
    """A lake of stock."""
    return Line(landing_root, tables=STOCK)


@pytest.fixture
def web(landing_root) -> Line:
    """A lake of what visitors do."""
    return Line(landing_root, tables=CLICKS)


def moved(line: Line, number: int, *movements: tuple[str, str, str, int, dt.datetime], name: str = "") -> None:
    """Land movements on the n-th."""
    given = [dict(zip(MOVEMENT, (*some, f"{when:%Y-%m-%d %H:%M:%S}"), strict=True)) for *some, when in movements]
    drop(line.landing, f"inventory/{day(number)}{name}.csv", csv_bytes(given, MOVEMENT))


def recorded(line: Line, number: int, *records: dict[str, Any], name: str = "") -> None:
    """Land product records on the n-th."""
    fields = [field for field in bronze_layout(PRODUCTS).schema if field.name in product("A")]
    table = pa.Table.from_pylist([*records], schema=pa.schema(fields))
    drop(line.landing, f"products/{day(number)}{name}.parquet", parquet_bytes(table))


def clicked(line: Line, number: int, *events: tuple[dt.datetime, str], name: str = "") -> None:
    """Land events of one visitor with one product on the n-th."""
    given = [
        {
            "event_id": f"{when:%d%H%M}{kind}",
            "session_id": "V1",
            "user_id": None,
            "event_type": kind,
            "stock_code": "A",
            "url": "https://shop.example/a",
            "ts": when.isoformat(),
            "user_agent": None,
            "context": {"screen": "narrow"},
        }
        for when, kind in events
    ]
    drop(line.landing, f"clicks/{day(number)}{name}.jsonl", jsonl_bytes(given))


def written(line: Line, table: str, before: dict[str, list[str]]) -> list[int]:
    """Return the days of a table whose files are not what they were."""
    after = line.files(table)
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    return sorted(dt.date.fromisoformat(key.rpartition("=")[2]).day for key in changed)


def assert_like_a_full_rebuild(line: Line, *tables: str) -> None:
    lake = Recomputation(line.lakehouse.engine, {table.full_name: table for table in find_tables()})
    for name in tables:
        table = lake.tables[name]
        assert isinstance(table, ContractTable)
        assert lake.actual(table) == lake.expected(table).digests, name


def levels(line: Line, *columns: str) -> list[tuple[Any, ...]]:
    found = rows(line.lakehouse.engine, "gold.inventory_levels", "stock_code", "business_date", *columns)
    return [(code, date.day, *more) for code, date, *more in found]


def test_a_late_movement_changes_the_days_up_to_the_next_count_and_no_others(stock):
    recorded(stock, 1, product("A", reorder_level=10, updated_at=at(1, "06:00")))
    moved(stock, 1, ("M1", "A", "receipt", 30, at(1)))
    moved(stock, 2, ("M2", "A", "sale", -5, at(2)))
    moved(stock, 3, ("M3", "A", "sale", -5, at(3)))
    moved(stock, 4, ("M4", "A", "count", 20, at(4)))
    moved(stock, 5, ("M5", "A", "sale", -1, at(5)))
    stock.drain()
    assert levels(stock, "closing") == [("A", 1, 30), ("A", 2, 25), ("A", 3, 20), ("A", 4, 20), ("A", 5, 19)]
    assert rows(stock.lakehouse.engine, "gold.low_stock_alerts", "status") == []

    files = stock.files("gold.inventory_levels")
    moved(stock, 6, ("M6", "A", "sale", -16, at(2, "13:00")))
    stock.drain()
    # The count of the fourth finds what it found; what it corrects is another number.
    assert levels(stock, "closing", "corrected", "low_since") == [
        ("A", 1, 30, 0, None),
        ("A", 2, 9, 0, day(2)),
        ("A", 3, 4, 0, day(2)),
        ("A", 4, 20, 16, None),
        ("A", 5, 19, 0, None),
    ]
    assert written(stock, "gold.inventory_levels", files) == [2, 3, 4]
    assert rows(stock.lakehouse.engine, "gold.low_stock_alerts", "business_date", "status", "raised_on") == [
        (day(2), "raised", day(2)),
        (day(4), "resolved", day(2)),
    ]
    assert_like_a_full_rebuild(stock, *STOCK)


def test_a_late_reorder_level_changes_the_days_after_it_even_if_nothing_moved_on_its_own(stock):
    recorded(stock, 1, product("A", reorder_level=10, updated_at=at(1, "06:00")))
    moved(stock, 1, ("M1", "A", "receipt", 30, at(1)))
    stock.drain()
    moved(stock, 4, ("M2", "B", "receipt", 5, at(4)))
    moved(stock, 5, ("M3", "B", "sale", -1, at(5)))
    stock.drain()  # not with the first of March: a run of both would fill the days between them
    recorded(stock, 6, product("A", reorder_level=40, updated_at=at(2)))
    stock.drain()
    assert levels(stock, "reorder_level", "low_since") == [
        ("A", 1, 10, None),
        ("A", 4, 40, day(4)),
        ("A", 5, 40, day(4)),
        ("B", 4, None, None),
        ("B", 5, None, None),
    ]
    assert_like_a_full_rebuild(stock, *STOCK)


def test_days_of_sales_alone_move_no_stock_and_are_not_written_again(stock):
    moved(stock, 1, ("M1", "A", "receipt", 30, at(1)))
    stock.land(2)
    stock.land(3, sale("000301", at="2011-03-03 08:26:00", StockCode="A", Quantity="-4", UnitPrice="0"))
    stock.land(4)
    stock.drain()
    assert levels(stock, "closing") == [("A", 1, 30), ("A", 3, 26)]
    version, files = stock.lakehouse.engine.version(STOCK[0]), stock.files(STOCK[0])
    stock.land(1)
    stock.drain()
    assert (stock.lakehouse.engine.version(STOCK[0]), stock.files(STOCK[0])) == (version, files)
    assert_like_a_full_rebuild(stock, *STOCK)


def test_a_late_event_joins_sessions_on_both_sides_of_midnight(web):
    recorded(web, 1, product("A", category="lamps", updated_at=at(1, "06:00")))
    clicked(web, 1, (at(1, "10:00"), "view"), (at(1, "23:50"), "view"))
    clicked(web, 2, (at(2, "00:40"), "cart"), (at(2, "12:00"), "view"))
    clicked(web, 3, (at(3, "12:00"), "view"))
    web.drain()
    engine = web.lakehouse.engine
    told = ("business_date", "started_at", "events")
    naive = [(date.day, f"{start:%d %H:%M}", events) for date, start, events in rows(engine, CLICKS[0], *told)]
    assert naive == [(1, "01 10:00", 1), (1, "01 23:50", 1), (2, "02 00:40", 1), (2, "02 12:00", 1), (3, "03 12:00", 1)]
    steps = ("business_date", "category", "viewed", "carted", "cart_rate")
    assert rows(engine, CLICKS[1], *steps)[0] == (day(1), "lamps", 2, 0, Decimal(0))

    files = {table: web.files(table) for table in CLICKS}
    clicked(web, 4, (at(2, "00:15"), "view"))
    web.drain()
    naive = [(date.day, f"{start:%d %H:%M}", events) for date, start, events in rows(engine, CLICKS[0], *told)]
    assert naive == [(1, "01 10:00", 1), (1, "01 23:50", 3), (2, "02 12:00", 1), (3, "03 12:00", 1)]
    assert rows(engine, CLICKS[1], *steps)[0] == (day(1), "lamps", 2, 1, Decimal("0.500000"))
    assert written(web, CLICKS[0], files[CLICKS[0]]) == [1, 2]
    assert written(web, CLICKS[1], files[CLICKS[1]]) == [1]
    assert_like_a_full_rebuild(web, *CLICKS)
