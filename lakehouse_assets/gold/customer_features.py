"""What was known of each customer when a month began: one row per customer and month, for models that look ahead.

Point-in-time correct: `month_start` is the as-of date, and every value comes from invoices dated before it, so none
tells of what it is to predict. A customer is in scope if any invoice line of theirs lies in the 24 months before.
A late invoice restates the months after its own; what was believed earlier is in the table's older versions.
"""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.calendars import MONTHLY
from lakehouse.tables.declarations import gold_table
from lakehouse_assets.gold._customer_history import READS, seen_from, within
from lakehouse_assets.gold._measures import MONEY, ratio

SPANS = (1, 3, 6, 12)
"""The months over which sums are taken, all of them before the as-of date."""


class CustomerFeatures(Contract):
    """A customer when a month began."""

    month_start: T.DateType = column("the as-of date; the partition")
    customer_id: T.LongType = column("customer number")
    orders_1m: T.LongType = column("invoices with a sale in the month before", unit="orders", ge=0)
    orders_3m: T.LongType = column("the same in 3 months", unit="orders", ge=0)
    orders_6m: T.LongType = column("the same in 6 months", unit="orders", ge=0)
    orders_12m: T.LongType = column("the same in 12 months", unit="orders", ge=0)
    gross_sales_1m: T.DecimalType(18, 3) = column("amount of sales in the month before", unit="GBP")  # type: ignore[valid-type]
    gross_sales_3m: T.DecimalType(18, 3) = column("the same in 3 months", unit="GBP")  # type: ignore[valid-type]
    gross_sales_6m: T.DecimalType(18, 3) = column("the same in 6 months", unit="GBP")  # type: ignore[valid-type]
    gross_sales_12m: T.DecimalType(18, 3) = column("the same in 12 months", unit="GBP")  # type: ignore[valid-type]
    returns_1m: T.DecimalType(18, 3) = column("amount of cancellations in the month before, negative", unit="GBP")  # type: ignore[valid-type]
    returns_3m: T.DecimalType(18, 3) = column("the same in 3 months", unit="GBP")  # type: ignore[valid-type]
    returns_6m: T.DecimalType(18, 3) = column("the same in 6 months", unit="GBP")  # type: ignore[valid-type]
    returns_12m: T.DecimalType(18, 3) = column("the same in 12 months", unit="GBP")  # type: ignore[valid-type]
    net_sales_1m: T.DecimalType(18, 3) = column("amount of every kind of line in the month before", unit="GBP")  # type: ignore[valid-type]
    net_sales_3m: T.DecimalType(18, 3) = column("the same in 3 months", unit="GBP")  # type: ignore[valid-type]
    net_sales_6m: T.DecimalType(18, 3) = column("the same in 6 months", unit="GBP")  # type: ignore[valid-type]
    net_sales_12m: T.DecimalType(18, 3) = column("the same in 12 months", unit="GBP")  # type: ignore[valid-type]
    active_months: T.IntegerType = column(
        "months with a sale, of 12", unit="months", in_range={"min_value": 0, "max_value": 12}
    )
    average_basket_12m: T.DecimalType(18, 3) = column(  # type: ignore[valid-type]
        "amount of sales by order in 12 months; null without one", unit="GBP", nullable=True
    )
    return_share_12m: T.DecimalType(18, 4) = column(  # type: ignore[valid-type]
        "returned amount as a share of that of sales in 12 months; null without a sale", unit="share", nullable=True
    )
    days_since_last_sale: T.IntegerType = column(
        "from the last sale to the as-of date; null without a sale in 24 months", unit="days", nullable=True, ge=1
    )
    tenure_days: T.IntegerType = column(
        "from the first sale in 24 months to the as-of date; null without one", unit="days", nullable=True, ge=1
    )


@gold_table(
    contract=CustomerFeatures,
    key=["month_start", "customer_id"],
    partition_column=MONTHLY,
    reads=READS,
)
def customer_features(gold_customer_months: DataFrame, gold_monthly_sales_summary: DataFrame) -> DataFrame:
    """Sum the months before each month with sales, by customer."""
    before = seen_from(gold_monthly_sales_summary, gold_customer_months).where("months_ago > 0")
    measures = {"orders": "sale_orders", "gross_sales": "gross_sales", "returns": "returns", "net_sales": "net_sales"}
    sums = [_sum(measure, name, months) for name, measure in measures.items() for months in SPANS]
    sold = F.col("last_sold_on").isNotNull()
    features = before.groupBy("month_start", "customer_id").agg(
        *sums,
        F.count(F.when(within(1, 12) & sold, 1)).cast("int").alias("active_months"),
        F.datediff("month_start", F.max("last_sold_on")).cast("int").alias("days_since_last_sale"),
        F.datediff("month_start", F.min("first_sold_on")).cast("int").alias("tenure_days"),
    )
    return (
        features.withColumn("average_basket_12m", ratio(F.col("gross_sales_12m"), F.col("orders_12m"), digits=3))
        .withColumn("return_share_12m", ratio(-F.col("returns_12m"), F.col("gross_sales_12m"), digits=4))
        .select(*CustomerFeatures.to_schema().columns)
    )


def _sum(measure: str, name: str, months: int) -> Column:
    """Return the sum of a measure over so many months before the as-of date."""
    kind = "bigint" if name == "orders" else MONEY
    found = F.sum(F.when(within(1, months), F.col(measure)))
    return F.coalesce(found, F.lit(0)).cast(kind).alias(f"{name}_{months}m")
