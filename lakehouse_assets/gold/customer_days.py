"""What each known customer bought on a day. Lines without a customer number are in no row."""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame

from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.declarations import gold_table
from lakehouse_assets.gold import _metrics as metrics
from lakehouse_assets.gold._measures import by_invoices


class CustomerDays(Contract):
    """A customer's day."""

    business_date: T.DateType = column("day of the invoices; the partition")
    customer_id: T.LongType = column("customer number")
    orders: T.LongType = metrics.ORDERS.column(ge=1)
    sale_orders: T.LongType = metrics.SALE_ORDERS.column(ge=0)
    lines: T.LongType = metrics.LINES.column(ge=1)
    units: T.LongType = metrics.UNITS.column()
    gross_sales: T.DecimalType(18, 3) = metrics.GROSS_SALES.column()  # type: ignore[valid-type]
    returns: T.DecimalType(18, 3) = metrics.RETURNS.column()  # type: ignore[valid-type]
    net_sales: T.DecimalType(18, 3) = metrics.NET_SALES.column()  # type: ignore[valid-type]


@gold_table(contract=CustomerDays, key=["business_date", "customer_id"])
def customer_days(silver_transactions: DataFrame) -> DataFrame:
    """Sum the lines of known customers by day and customer."""
    known = silver_transactions.where("customer_id IS NOT NULL")
    return by_invoices(known, "business_date", "customer_id")
