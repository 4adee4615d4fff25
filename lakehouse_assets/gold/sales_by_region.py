"""Sales of a day by country of the customer."""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame

from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.declarations import gold_table
from lakehouse_assets.gold import _metrics as metrics
from lakehouse_assets.gold._measures import customers, of_lines, with_average_basket


class SalesByRegion(Contract):
    """A day's sales in one country."""

    business_date: T.DateType = column("day of the invoices; the partition")
    country: T.StringType = column("country of the customer")
    orders: T.LongType = metrics.ORDERS.column(ge=0)
    sale_orders: T.LongType = metrics.SALE_ORDERS.column(ge=0)
    lines: T.LongType = metrics.LINES.column(ge=0)
    units: T.LongType = metrics.UNITS.column()
    gross_sales: T.DecimalType(18, 3) = metrics.GROSS_SALES.column()  # type: ignore[valid-type]
    returns: T.DecimalType(18, 3) = metrics.RETURNS.column()  # type: ignore[valid-type]
    net_sales: T.DecimalType(18, 3) = metrics.NET_SALES.column()  # type: ignore[valid-type]
    average_basket: T.DecimalType(18, 3) = metrics.AVERAGE_BASKET.column(nullable=True)  # type: ignore[valid-type]
    customers: T.LongType = metrics.CUSTOMERS.column(ge=0)


@gold_table(contract=SalesByRegion, key=["business_date", "country"])
def sales_by_region(silver_transactions: DataFrame) -> DataFrame:
    """Sum invoice lines by day and country."""
    return (
        silver_transactions.groupBy("business_date", "country")
        .agg(*of_lines(), customers())
        .transform(with_average_basket)
    )
