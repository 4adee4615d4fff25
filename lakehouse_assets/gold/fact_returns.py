"""One row per cancellation line, with the sale it most likely takes back.

A till's cancellation does not say which sale it cancels. It is linked to the latest earlier sale line of the same
customer and product, of the day itself or the 90 days before, that sold at least as many units; of several at one time,
to that of the lowest line_id. Several cancellations may be linked to one sale. Those without a customer number, or
without such a sale, are here unlinked; `unlinked_return_lines` of `gold.product_performance` counts them.
"""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.declarations import InputWindow, gold_table

WITHIN_DAYS = 90


class FactReturns(Contract):
    """Cancellations and their sales."""

    line_id: T.StringType = column("line_id of the cancellation in `silver.transactions`")
    customer_id: T.LongType = column("customer number, where the till knew it", nullable=True)
    stock_code: T.StringType = column("product code, upper case")
    quantity: T.IntegerType = column("units of the cancellation, negative", unit="units")
    amount: T.DecimalType(18, 3) = column("amount of the cancellation, negative", unit="GBP")  # type: ignore[valid-type]
    returned_at: T.TimestampType = column("time of the cancellation, UTC")
    sale_line_id: T.StringType = column("line_id of the sale, if it was found", nullable=True)
    sold_at: T.TimestampType = column("time of the sale, UTC, if it was found", nullable=True)
    days_since_sale: T.IntegerType = column(
        "calendar days from the sale to the cancellation, if the sale was found",
        unit="days",
        nullable=True,
        in_range={"min_value": 0, "max_value": WITHIN_DAYS},
    )
    is_linked: T.BooleanType = column("whether the sale was found")
    business_date: T.DateType = column("day of the cancellation; the partition")


@gold_table(contract=FactReturns, key=["line_id"], reads={"silver_transactions": InputWindow(before=WITHIN_DAYS)})
def fact_returns(silver_transactions: DataFrame) -> DataFrame:
    """Link cancellations to sales; the lines are those of the days and of the 90 days before."""
    returned = silver_transactions.where("kind = 'cancellation'").withColumnRenamed("invoiced_at", "returned_at")
    sold = silver_transactions.where("kind = 'sale'").select(
        F.col("line_id").alias("sale_line_id"),
        F.col("customer_id").alias("sale_customer_id"),
        F.col("stock_code").alias("sale_stock_code"),
        F.col("quantity").alias("sale_quantity"),
        F.col("invoiced_at").alias("sold_at"),
        F.col("business_date").alias("sold_on"),
    )
    days_since_sale = F.datediff("business_date", "sold_on").cast("int")
    is_its_sale = (
        (F.col("customer_id") == F.col("sale_customer_id"))
        & (F.col("stock_code") == F.col("sale_stock_code"))
        & (F.col("sold_at") < F.col("returned_at"))
        & (days_since_sale <= WITHIN_DAYS)
        & (F.col("sale_quantity") >= F.abs("quantity"))
    )
    latest_first = Window.partitionBy("line_id").orderBy(F.col("sold_at").desc(), F.col("sale_line_id"))
    return (
        returned.join(sold, is_its_sale, "left")
        .withColumn("place", F.row_number().over(latest_first))
        .where("place = 1")
        .withColumn("days_since_sale", days_since_sale)
        .withColumn("is_linked", F.col("sale_line_id").isNotNull())
    )
