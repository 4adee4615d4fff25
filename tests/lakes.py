"""Small lakes of few tables for tests of the library: made once in a session, and copied by tests that change them.

Belongs here: what has landed in them, and opening them. What lands in a scene of its own belongs in ``scenario``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from deltalake import DeltaTable

from bench.drained import with_inputs
from lakehouse.project import Lakehouse
from lakehouse.settings import Settings
from tests.scenario import csv_bytes, drop, sale

SALES = (
    "gold.daily_sales_summary",
    "gold.sales_by_product",
    "gold.sales_by_region",
    "gold.weekly_sales_summary",
    "gold.monthly_sales_summary",
)
"""Sales by day, week and month, with all that they are made from."""
FACTS = ("gold.fact_sales", "gold.inventory_levels")
"""A table of facts with its dimensions, and a running balance."""
HELD = "2024-01-03"
"""The day that is held in these lakes."""


def lake_at(root: Path, tables: tuple[str, ...] = SALES) -> Lakehouse:
    """Return the lakehouse of some tables at a root."""
    return Lakehouse.open(settings=Settings(root=str(root), landing=str(root / "landing")), tables=with_inputs(tables))


def sales_of(day: str, count: int, **changed: str) -> list[dict[str, str]]:
    """Return invoice lines of a day, of 2.50 each unless changed."""
    return [
        sale(f"{day[-2:]}{number:04}", f"{day} 10:00:00", Quantity="1", UnitPrice="2.50") | changed
        for number in range(count)
    ]


def land(lake: Lakehouse, name: str, lines: list[dict[str, str]]) -> None:
    """Drop a file of invoice lines."""
    drop(Path(lake.settings.landing), f"transactions/{name}", csv_bytes(lines))


def move_stock(lake: Lakehouse, *movements: tuple[str, str, str, str, str]) -> None:
    """Drop a file of a stock movement each: day, id, product, kind and quantity."""
    columns = ("movement_id", "stock_code", "movement_type", "quantity", "moved_at")
    for day, *movement in movements:
        line = dict(zip(columns, (*movement, f"{day} 10:00:00"), strict=True))
        drop(Path(lake.settings.landing), f"inventory/{day}.csv", csv_bytes([line], columns))


def run(lake: Lakehouse) -> None:
    """Bring what has landed to gold, and see that no run failed."""
    assert lake.run().errors == []


def table_at(lake: Lakehouse, name: str) -> DeltaTable:
    """Open a table behind the lake's back."""
    return DeltaTable(Path(lake.settings.root, *name.split(".")))


def tamper(lake: Lakehouse, table: str, updates: dict[str, str], where: str | None = None) -> None:
    """Change cells behind the lake's back."""
    table_at(lake, table).update(updates=updates, predicate=where)


def three_days(root: Path, tables: tuple[str, ...]) -> Lakehouse:
    """Make a lake of a sound day, one with a duplicate and a rejected line, and one bad enough to be held."""
    lake = lake_at(root, tables)
    land(lake, "2024-01-01.csv", sales_of("2024-01-01", 3))
    second = sales_of("2024-01-02", 2)
    broken = sale("999999", "2024-01-02 11:00:00", Quantity="many", StockCode="")
    land(lake, "2024-01-02.csv", [*second, second[0], broken])
    bad = [{**line, "InvoiceNo": f"B{line['InvoiceNo']}"} for line in sales_of(HELD, 25, Quantity="x")]
    land(lake, f"{HELD}.csv", [*sales_of(HELD, 5), *bad])
    run(lake)
    return lake


@pytest.fixture(scope="session")
def sales(tmp_path_factory) -> Lakehouse:
    """Three days of sales; a test only reads it."""
    return three_days(tmp_path_factory.mktemp("sales") / "lake", SALES)


@pytest.fixture(scope="session")
def facts(tmp_path_factory) -> Lakehouse:
    """Three days of facts, and a stock that moves on each; a test only reads it."""
    root = tmp_path_factory.mktemp("facts") / "lake"
    movements = [("2024-01-01", "A", "10"), ("2024-01-02", "B", "5"), (HELD, "A", "2")]
    move_stock(lake_at(root, FACTS), *[(day, day, product, "receipt", many) for day, product, many in movements])
    return three_days(root, FACTS)


@pytest.fixture
def own_sales(sales, lake_root) -> Lakehouse:
    """Three days of sales that a test may change."""
    return _copy(sales, lake_root, SALES)


@pytest.fixture
def own_facts(facts, lake_root) -> Lakehouse:
    """Three days of facts that a test may change."""
    return _copy(facts, lake_root, FACTS)


def _copy(lake: Lakehouse, root: Path, tables: tuple[str, ...]) -> Lakehouse:
    shutil.copytree(lake.settings.root, root)
    return lake_at(root, tables)
