"""The measures that gold tables share, so that one word means one thing in all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

if TYPE_CHECKING:
    from pyspark.sql import Column

MONEY = "decimal(18,3)"
"""Money in gold: GBP, to the tenth of a penny, as the tills price it."""


def of_lines() -> list[Column]:
    """Return the measures of a group of `silver.transactions` rows.

    Counting distinct values keeps a set for each group: for many small groups, such as products, use `sums`.
    """
    orders = F.countDistinct("invoice_no").alias("orders")
    customers = F.countDistinct("customer_id").alias("customers")
    return [orders, *sums(), customers]


def sums() -> list[Column]:
    """Return the measures of `silver.transactions` rows that are plain sums."""
    return [
        F.count(F.lit(1)).alias("lines"),
        F.sum(F.col("quantity").cast("bigint")).alias("units"),
        _money("sale").alias("gross_sales"),
        _money("cancellation").alias("returns"),
        F.coalesce(F.sum("amount"), F.lit(0)).cast(MONEY).alias("net_sales"),
    ]


def of_days() -> list[Column]:
    """Return the measures of a period, from rows of `gold.daily_sales_summary`.

    Customers are missing on purpose: those of several days cannot be added.
    """
    sums = [F.sum(name).alias(name) for name in ("orders", "lines", "units")]
    money = [F.sum(name).cast(MONEY).alias(name) for name in ("gross_sales", "returns", "net_sales")]
    return [F.count(F.lit(1)).alias("days"), *sums, *money]


def _money(kind: str) -> Column:
    return F.coalesce(F.sum(F.when(F.col("kind") == kind, F.col("amount"))), F.lit(0)).cast(MONEY)
