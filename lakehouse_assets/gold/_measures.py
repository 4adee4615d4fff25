"""The measures that gold tables share, so that one word means one thing in all of them.

Belongs here: how numbers are computed. What they mean, and in which unit, is ``lakehouse_assets.gold._metrics``'.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

MONEY = "decimal(18,3)"
"""Money in gold: GBP, to the tenth of a penny, as the tills price it."""
_THOUSANDTHS = "decimal(24,3)"
_WHOLE = "decimal(24,0)"


def of_lines() -> list[Column]:
    """Return the measures of a group of `silver.transactions` rows.

    Counting distinct values keeps a set for each group: for many small groups use `by_invoices`, or `sums`.
    """
    orders = F.countDistinct("invoice_no").alias("orders")
    sale_orders = F.countDistinct(F.when(F.col("kind") == "sale", F.col("invoice_no"))).alias("sale_orders")
    return [orders, sale_orders, *sums()]


def by_invoices(lines: DataFrame, *keys: str) -> DataFrame:
    """Return the measures of `of_lines` by some keys, of which there may be many: invoice by invoice first."""
    is_sale = F.max((F.col("kind") == "sale").cast("bigint")).alias("sale_orders")
    by_invoice = lines.groupBy(*keys, "invoice_no").agg(*sums(), is_sale)
    counts = [
        F.count(F.lit(1)).alias("orders"),
        *[F.sum(name).alias(name) for name in ("sale_orders", "lines", "units")],
    ]
    amounts = [money(name).alias(name) for name in ("gross_sales", "returns", "net_sales")]
    return by_invoice.groupBy(*keys).agg(*counts, *amounts)


def customers() -> Column:
    """Return the known customers of a group of `silver.transactions` rows."""
    return F.countDistinct("customer_id").alias("customers")


def sums() -> list[Column]:
    """Return the measures of `silver.transactions` rows that are plain sums."""
    return [
        F.count(F.lit(1)).alias("lines"),
        F.sum(F.col("quantity").cast("bigint")).alias("units"),
        money("amount", "sale").alias("gross_sales"),
        money("amount", "cancellation").alias("returns"),
        money("amount").alias("net_sales"),
    ]


def of_days() -> list[Column]:
    """Return the measures of a period, from rows that have them by day.

    Customers are missing on purpose: those of several days cannot be added, only those who are new on one.
    """
    counts = [F.sum(name).alias(name) for name in ("orders", "sale_orders", "lines", "units")]
    amounts = [money(name).alias(name) for name in ("gross_sales", "returns", "net_sales")]
    return [F.count(F.lit(1)).alias("days"), *counts, *amounts]


def of_period(days: DataFrame, customer_days: DataFrame, period: Column, name: str) -> DataFrame:
    """Sum days by a period of that name, and count each customer of it once."""
    period = period.alias(name)
    known = customer_days.groupBy(period).agg(customers())
    return (
        days.groupBy(period)
        .agg(*of_days(), F.sum("new_customers").alias("new_customers"))
        .join(known, name, "left")
        .transform(with_average_basket)
        .transform(with_returning_customers)
    )


def money(name: str, *kinds: str) -> Column:
    """Return the sum of a column of money, of some kinds of line or of all; 0 where there is none."""
    amount = F.when(F.col("kind").isin(*kinds), F.col(name)) if kinds else F.col(name)
    return F.coalesce(F.sum(amount), F.lit(0)).cast(MONEY)


def with_average_basket(frame: DataFrame) -> DataFrame:
    """Add what an invoice with a sale came to, on average."""
    return frame.withColumn("average_basket", ratio(F.col("gross_sales"), F.col("sale_orders"), digits=3))


def with_returning_customers(frame: DataFrame) -> DataFrame:
    """Add the customers who are not new; where none is counted as new, none is."""
    counted = frame.fillna(0, ["customers", "new_customers"])
    return counted.withColumn("returning_customers", F.col("customers") - F.col("new_customers"))


def ratio(numerator: Column, denominator: Column, digits: int) -> Column:
    """Return a quotient to some digits after the point, rounded half up; null unless the denominator is positive.

    Engines keep different numbers of digits when they divide decimals, and what they round is then not the same. Here
    the only division leaves no rest.
    """
    above, below = (
        (number.cast(_THOUSANDTHS) * F.lit(1000)).cast(_WHOLE)
        for number in (numerator, F.when(denominator > 0, denominator))
    )
    doubled = above * F.lit(2 * 10**digits) + below
    half_up = (doubled - F.pmod(doubled, below * F.lit(2))) / (below * F.lit(2))
    return (half_up.cast(_WHOLE) * F.lit(Decimal(1).scaleb(-digits))).cast(f"decimal(18,{digits})")
