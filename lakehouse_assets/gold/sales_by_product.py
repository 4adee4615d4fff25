"""Sales of a day by product."""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame

from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.declarations import gold_table
from lakehouse_assets.gold import _metrics as metrics
from lakehouse_assets.gold._measures import sums


class SalesByProduct(Contract):
    """A day's sales of one product."""

    business_date: T.DateType = column("day of the invoices; the partition")
    stock_code: T.StringType = column("product code, upper case")
    lines: T.LongType = metrics.LINES.column(ge=0)
    units: T.LongType = metrics.UNITS.column()
    gross_sales: T.DecimalType(18, 3) = metrics.GROSS_SALES.column()  # type: ignore[valid-type]
    returns: T.DecimalType(18, 3) = metrics.RETURNS.column()  # type: ignore[valid-type]
    net_sales: T.DecimalType(18, 3) = metrics.NET_SALES.column()  # type: ignore[valid-type]


@gold_table(contract=SalesByProduct, key=["business_date", "stock_code"])
def sales_by_product(silver_transactions: DataFrame) -> DataFrame:
    """Sum invoice lines by day and product."""
    return silver_transactions.groupBy("business_date", "stock_code").agg(*sums())
