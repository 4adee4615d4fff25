"""Sales of a day by country of the customer."""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame

from lakehouse_assets.gold._measures import of_lines
from lakehouse_assets.layers import gold_table
from quality.contract import Contract, column


class SalesByRegion(Contract):
    """A day's sales in one country."""

    business_date: T.DateType = column("day of the invoices; the partition")
    country: T.StringType = column("country of the customer")
    orders: T.LongType = column("distinct invoices, of every kind", ge=0)
    lines: T.LongType = column("invoice lines, of every kind", ge=0)
    units: T.LongType = column("units sold less units returned, of every kind")
    gross_sales: T.DecimalType(18, 3) = column("amount of sales, GBP")  # type: ignore[valid-type]
    returns: T.DecimalType(18, 3) = column("amount of cancellations, GBP, negative")  # type: ignore[valid-type]
    net_sales: T.DecimalType(18, 3) = column("amount of every kind of line, GBP")  # type: ignore[valid-type]
    customers: T.LongType = column("distinct known customers", ge=0)


@gold_table(contract=SalesByRegion, key=["business_date", "country"])
def sales_by_region(silver_transactions: DataFrame) -> DataFrame:
    """Sum invoice lines by day and country."""
    return silver_transactions.groupBy("business_date", "country").agg(*of_lines())
