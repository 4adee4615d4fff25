"""Sales of a day: one row per business date with any invoice line."""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame

from lakehouse_assets.gold._measures import of_lines
from lakehouse_assets.layers import gold_table
from quality.contract import Contract, column


class DailySalesSummary(Contract):
    """A day's sales."""

    business_date: T.DateType = column("day of the invoices; the partition")
    orders: T.LongType = column("distinct invoices, of every kind", ge=0)
    lines: T.LongType = column("invoice lines, of every kind", ge=0)
    units: T.LongType = column("units sold less units returned, of every kind")
    gross_sales: T.DecimalType(18, 3) = column("amount of sales, GBP")  # type: ignore[valid-type]
    returns: T.DecimalType(18, 3) = column("amount of cancellations, GBP, negative")  # type: ignore[valid-type]
    net_sales: T.DecimalType(18, 3) = column("amount of every kind of line, GBP")  # type: ignore[valid-type]
    customers: T.LongType = column("distinct known customers", ge=0)


@gold_table(contract=DailySalesSummary, key=["business_date"])
def daily_sales_summary(silver_transactions: DataFrame) -> DataFrame:
    """Sum invoice lines by day."""
    return silver_transactions.groupBy("business_date").agg(*of_lines())
