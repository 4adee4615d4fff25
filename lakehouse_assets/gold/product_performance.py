"""How each product did in a month: revenue, margin, returns, its rank by revenue and its ABC class.

The products with the highest revenue are of class A until they make 80 % of the month's revenue, the next of class B
until they make 95 %, and all others of class C. The product with which a bound is reached is still of the better class.
Products without revenue, or with more given back than sold, are of class C and add nothing to the month's.
"""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.calendars import MONTHLY
from lakehouse.tables.declarations import gold_table
from lakehouse_assets.gold import _metrics as metrics
from lakehouse_assets.gold._measures import MONEY, money, ratio, sums

CLASSES = {"A": 80, "B": 95}
"""Up to which share of the revenue, in percent, the products ranked first are of a class; all others are of class C."""


class ProductPerformance(Contract):
    """A product's month."""

    month_start: T.DateType = column("first day of the month; the partition")
    stock_code: T.StringType = column("product code, upper case")
    lines: T.LongType = metrics.LINES.column(ge=1)
    units: T.LongType = metrics.UNITS.column()
    gross_sales: T.DecimalType(18, 3) = metrics.GROSS_SALES.column()  # type: ignore[valid-type]
    returns: T.DecimalType(18, 3) = metrics.RETURNS.column()  # type: ignore[valid-type]
    net_sales: T.DecimalType(18, 3) = metrics.NET_SALES.column()  # type: ignore[valid-type]
    revenue: T.DecimalType(18, 3) = column(  # type: ignore[valid-type]
        "amount of sales and cancellations, without bad debt",
        formula="sum(amount where kind in ('sale', 'cancellation'))",
        unit="GBP",
    )
    costed_revenue: T.DecimalType(18, 3) = column(  # type: ignore[valid-type]
        "revenue of the lines whose product had a known cost when they were invoiced",
        formula="sum(amount where kind in ('sale', 'cancellation') and cost_amount of gold.fact_sales is known)",
        unit="GBP",
    )
    cost_of_sales: T.DecimalType(18, 3) = column(  # type: ignore[valid-type]
        "what the units sold cost, less those returned, at the cost as of each line; none if no cost is known",
        formula="sum(cost_amount where kind in ('sale', 'cancellation'))",
        unit="GBP",
        nullable=True,
    )
    margin: T.DecimalType(18, 3) = column(  # type: ignore[valid-type]
        "revenue of the lines whose cost is known, less that cost",
        formula="costed_revenue - cost_of_sales",
        unit="GBP",
        nullable=True,
    )
    margin_rate: T.DecimalType(18, 4) = column(  # type: ignore[valid-type]
        "margin as a share of the revenue it is made of; none where that is not positive",
        formula="margin / costed_revenue, rounded half up",
        unit="share",
        nullable=True,
    )
    units_sold: T.LongType = column("units of sales", formula="sum(quantity where kind = 'sale')", unit="units", ge=0)
    units_returned: T.LongType = column(
        "units of cancellations",
        formula="-sum(quantity where kind = 'cancellation')",
        unit="units",
    )
    return_rate: T.DecimalType(18, 4) = column(  # type: ignore[valid-type]
        "units returned by units sold in the same period, above 1 if more came back; none if none were sold",
        formula="units_returned / units_sold, rounded half up",
        unit="share",
        nullable=True,
    )
    return_lines: T.LongType = column(
        "lines of cancellations",
        formula="count(* where kind = 'cancellation')",
        unit="lines",
        ge=0,
    )
    unlinked_return_lines: T.LongType = column(
        "lines of cancellations of which the sale was not found",
        formula="count(* of gold.fact_returns where not is_linked)",
        unit="lines",
        ge=0,
    )
    revenue_rank: T.LongType = column(
        "place of the product by revenue in the month, the highest first; of equals the lower stock code",
        formula="row_number() over (order by revenue desc, stock_code)",
        unit="rank",
        ge=1,
    )
    abc_class: T.StringType = column(
        "A: the products that make the first 80 % of revenue, B: those up to 95 %, C: the rest", isin=("A", "B", "C")
    )


@gold_table(contract=ProductPerformance, key=["month_start", "stock_code"], partition_column=MONTHLY)
def product_performance(gold_fact_sales: DataFrame, gold_fact_returns: DataFrame) -> DataFrame:
    """Sum lines by month and product, and rank the products."""
    by_product = [F.to_date(F.date_trunc("month", "business_date")).alias("month_start"), F.col("stock_code")]
    unlinked = (
        gold_fact_returns.where("NOT is_linked")
        .groupBy(*by_product)
        .agg(F.count(F.lit(1)).alias("unlinked_return_lines"))
    )
    return (
        gold_fact_sales.groupBy(*by_product)
        .agg(*sums(), *_of_product())
        .join(unlinked, ["month_start", "stock_code"], "left")
        .fillna(0, ["unlinked_return_lines"])
        .withColumn("margin", (F.col("costed_revenue") - F.col("cost_of_sales")).cast(MONEY))
        .withColumn("margin_rate", ratio(F.col("margin"), F.col("costed_revenue"), digits=4))
        .withColumn("return_rate", ratio(F.col("units_returned"), F.col("units_sold"), digits=4))
        .transform(ranked)
    )


def ranked(products: DataFrame) -> DataFrame:
    """Add each product's rank by revenue in its month, and its ABC class."""
    best_first = Window.partitionBy("month_start").orderBy(F.col("revenue").desc(), F.col("stock_code"))
    better = best_first.rowsBetween(Window.unboundedPreceding, -1)
    earned = F.greatest(F.col("revenue"), F.lit(0).cast(MONEY))
    of_month = F.sum(earned).over(Window.partitionBy("month_start"))
    of_better = F.coalesce(F.sum(earned).over(better), F.lit(0).cast(MONEY))
    is_within = [F.when(of_better * 100 < of_month * percent, name) for name, percent in CLASSES.items()]
    return products.withColumn("revenue_rank", F.row_number().over(best_first).cast("bigint")).withColumn(
        "abc_class", F.coalesce(*is_within, F.lit("C"))
    )


def _of_product() -> list[Column]:
    kind, quantity = F.col("kind"), F.col("quantity").cast("bigint")
    is_trade, is_costed = kind.isin("sale", "cancellation"), F.col("cost_amount").isNotNull()
    costed_revenue = F.sum(F.when(is_trade & is_costed, F.col("amount")))
    return [
        money("amount", "sale", "cancellation").alias("revenue"),
        F.coalesce(costed_revenue, F.lit(0)).cast(MONEY).alias("costed_revenue"),
        F.sum(F.when(is_trade, F.col("cost_amount"))).cast(MONEY).alias("cost_of_sales"),
        F.coalesce(F.sum(F.when(kind == "sale", quantity)), F.lit(0)).alias("units_sold"),
        F.coalesce(F.sum(F.when(kind == "cancellation", -quantity)), F.lit(0)).alias("units_returned"),
        F.count(F.when(kind == "cancellation", 1)).alias("return_lines"),
    ]
