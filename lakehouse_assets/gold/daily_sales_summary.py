"""Sales of a day: one row per business date with any invoice line.

A customer is new on the day of their first invoice line of all, as `gold.dim_customers` knows it; a line that arrives
late may make an earlier day that day.
"""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.declarations import InputWindow, gold_table
from lakehouse_assets.gold import _metrics as metrics
from lakehouse_assets.gold._measures import customers, of_lines, with_average_basket, with_returning_customers


class DailySalesSummary(Contract):
    """A day's sales."""

    business_date: T.DateType = column("day of the invoices; the partition")
    orders: T.LongType = metrics.ORDERS.column(ge=0)
    sale_orders: T.LongType = metrics.SALE_ORDERS.column(ge=0)
    lines: T.LongType = metrics.LINES.column(ge=0)
    units: T.LongType = metrics.UNITS.column()
    gross_sales: T.DecimalType(18, 3) = metrics.GROSS_SALES.column()  # type: ignore[valid-type]
    returns: T.DecimalType(18, 3) = metrics.RETURNS.column()  # type: ignore[valid-type]
    net_sales: T.DecimalType(18, 3) = metrics.NET_SALES.column()  # type: ignore[valid-type]
    average_basket: T.DecimalType(18, 3) = metrics.AVERAGE_BASKET.column(nullable=True)  # type: ignore[valid-type]
    customers: T.LongType = metrics.CUSTOMERS.column(ge=0)
    new_customers: T.LongType = metrics.NEW_CUSTOMERS.column(ge=0)
    returning_customers: T.LongType = metrics.RETURNING_CUSTOMERS.column(ge=0)


@gold_table(
    contract=DailySalesSummary,
    key=["business_date"],
    reads={"gold_dim_customers": InputWindow(whole=True, required=False)},
)
def daily_sales_summary(silver_transactions: DataFrame, gold_dim_customers: DataFrame) -> DataFrame:
    """Sum invoice lines by day, and count the customers whose first day it is."""
    first_days = gold_dim_customers.select("customer_id", F.to_date("first_seen_at").alias("business_date"))
    new = silver_transactions.join(first_days, ["business_date", "customer_id"], "left_semi").groupBy("business_date")
    return (
        silver_transactions.groupBy("business_date")
        .agg(*of_lines(), customers())
        .join(new.agg(customers().alias("new_customers")), "business_date", "left")
        .transform(with_average_basket)
        .transform(with_returning_customers)
    )
