"""What each known customer bought on a day. Lines without a customer number are in no row."""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame

from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.declarations import gold_table
from lakehouse_assets.gold._measures import by_invoices
from lakehouse_assets.gold._metrics import metric


class CustomerDays(Contract):
    """A customer's day."""

    business_date: T.DateType = column("day of the invoices; the partition")
    customer_id: T.LongType = column("customer number")
    orders: T.LongType = metric("orders", ge=1)
    sale_orders: T.LongType = metric("sale_orders", ge=0)
    lines: T.LongType = metric("lines", ge=1)
    units: T.LongType = metric("units")
    gross_sales: T.DecimalType(18, 3) = metric("gross_sales")  # type: ignore[valid-type]
    returns: T.DecimalType(18, 3) = metric("returns")  # type: ignore[valid-type]
    net_sales: T.DecimalType(18, 3) = metric("net_sales")  # type: ignore[valid-type]


@gold_table(contract=CustomerDays, key=["business_date", "customer_id"])
def customer_days(silver_transactions: DataFrame) -> DataFrame:
    """Sum the lines of known customers by day and customer."""
    known = silver_transactions.where("customer_id IS NOT NULL")
    return by_invoices(known, "business_date", "customer_id")
