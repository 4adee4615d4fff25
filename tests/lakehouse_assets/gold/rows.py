"""Rows that stock, sessions and the funnel are made from, as frames: movements, lines, clicks, versions of products."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame

from lakehouse.contracts.contract import spark_schema
from lakehouse.engines.base import Engine
from lakehouse_assets.silver.clicks import Clicks
from lakehouse_assets.silver.inventory import Inventory
from lakehouse_assets.silver.transactions import Transactions
from tests.scenario import day

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"


def at(number: int, clock: str = "12:00") -> dt.datetime:
    """Return a time of the n-th of March 2011."""
    hours, minutes = clock.split(":")
    return dt.datetime.combine(day(number), dt.time(int(hours), int(minutes)), dt.UTC)


def frame(engine: Engine, rows: Iterable[Any], schema: Any) -> DataFrame:
    """Return rows as a frame, even if there are none."""
    return engine.session().createDataFrame(list(rows), schema)


def movement(
    kind: str, quantity: int, moved_at: dt.datetime, movement_id: str = "M1", stock_code: str = "A"
) -> tuple[Any, ...]:
    """Return a row of `silver.inventory`."""
    return (movement_id, stock_code, kind, quantity, moved_at, moved_at.date())


def movements(engine: Engine, rows: Iterable[Any]) -> DataFrame:
    """Return rows of `silver.inventory` as a frame."""
    return frame(engine, rows, spark_schema(Inventory))


def line(kind: str, quantity: int, invoiced_at: dt.datetime, stock_code: str = "A") -> tuple[Any, ...]:
    """Return a row of `silver.transactions`."""
    price = Decimal(0) if kind == "adjustment" else Decimal("2.550")
    about = (invoiced_at, price, price * quantity, None, "United Kingdom", kind, invoiced_at.date())
    return (f"{invoiced_at}{quantity}", "536365", stock_code, None, quantity, *about)


def lines(engine: Engine, rows: Iterable[Any]) -> DataFrame:
    """Return rows of `silver.transactions` as a frame."""
    return frame(engine, rows, spark_schema(Transactions))


def click(
    clicked_at: dt.datetime,
    event_type: str = "view",
    stock_code: str | None = "A",
    *,
    visitor: str = "V1",
    user_id: int | None = None,
    event_id: str = "",
    user_agent: str | None = PHONE,
) -> tuple[Any, ...]:
    """Return a row of `silver.clicks`."""
    named = event_id or f"{visitor} {clicked_at} {event_type} {stock_code}"
    url = f"https://shop.example/{event_type}/{stock_code}"
    return (named, visitor, user_id, event_type, stock_code, url, clicked_at, user_agent, None, clicked_at.date())


def clicks(engine: Engine, rows: Iterable[Any]) -> DataFrame:
    """Return rows of `silver.clicks` as a frame."""
    return frame(engine, rows, spark_schema(Clicks))


def version(
    reorder_level: int | None,
    valid_from: dt.datetime | None = None,
    valid_to: dt.datetime | None = None,
    *,
    stock_code: str = "A",
    category: str | None = "lighting",
) -> tuple[Any, ...]:
    """Return a row of `gold.dim_products`, as far as it is read; it is valid from the first day on."""
    since = valid_from or at(1, "00:00")
    return (f"{stock_code} {since}", stock_code, category, reorder_level, since, valid_to)


def versions(engine: Engine, rows: Iterable[Any]) -> DataFrame:
    """Return rows of `gold.dim_products` as a frame."""
    read = "product_key string, stock_code string, category string, reorder_level int"
    return frame(engine, rows, f"{read}, valid_from timestamp, valid_to timestamp")
