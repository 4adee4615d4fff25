"""Levels of stock in a test: what movements come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.sql import DataFrame

from lakehouse.contracts.contract import spark_schema
from lakehouse.engines.base import Engine
from lakehouse_assets.gold.inventory_levels import InventoryLevels, inventory_levels
from tests.frames import picked
from tests.lakehouse_assets.gold import rows

LEVELS = tuple(InventoryLevels.to_schema().columns)


def levels(
    engine: Engine,
    movements: Sequence[Any] = (),
    *,
    lines: Sequence[Any] = (),
    versions: Sequence[Any] = (),
    before: Sequence[Any] = (),
) -> DataFrame:
    """Return the levels that some movements come to, in order of day and product."""
    found = inventory_levels(
        rows.movements(engine, movements),
        rows.lines(engine, lines),
        rows.versions(engine, versions),
        rows.frame(engine, before, spark_schema(InventoryLevels)),
    )
    return found.orderBy("business_date", "stock_code")


def rows_of(found: DataFrame) -> list[tuple[Any, ...]]:
    """Return whole rows of levels."""
    return picked(found, *LEVELS)
