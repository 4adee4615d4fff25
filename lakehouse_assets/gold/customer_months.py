"""What each known customer bought in a month, from the days that exist. It is restated as days arrive or change."""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.calendars import MONTHLY
from lakehouse.tables.declarations import gold_table
from lakehouse_assets.gold import _metrics as metrics
from lakehouse_assets.gold._measures import of_days


class CustomerMonths(Contract):
    """A customer's month."""

    month_start: T.DateType = column("first day of the month; the partition")
    customer_id: T.LongType = column("customer number")
    days: T.LongType = metrics.DAYS.column(in_range={"min_value": 1, "max_value": 31})
    orders: T.LongType = metrics.ORDERS.column(ge=1)
    sale_orders: T.LongType = metrics.SALE_ORDERS.column(ge=0)
    lines: T.LongType = metrics.LINES.column(ge=1)
    units: T.LongType = metrics.UNITS.column()
    gross_sales: T.DecimalType(18, 3) = metrics.GROSS_SALES.column()  # type: ignore[valid-type]
    returns: T.DecimalType(18, 3) = metrics.RETURNS.column()  # type: ignore[valid-type]
    net_sales: T.DecimalType(18, 3) = metrics.NET_SALES.column()  # type: ignore[valid-type]
    first_sold_on: T.DateType = column("first day of the month with a sale, if any", nullable=True)
    last_sold_on: T.DateType = column("last day of the month with a sale, if any", nullable=True)


@gold_table(contract=CustomerMonths, key=["month_start", "customer_id"], partition_column=MONTHLY)
def customer_months(gold_customer_days: DataFrame) -> DataFrame:
    """Sum the days of a customer by month."""
    month = F.to_date(F.date_trunc("month", "business_date")).alias("month_start")
    sold_on = F.when(F.col("sale_orders") > 0, F.col("business_date"))
    return gold_customer_days.groupBy(month, "customer_id").agg(
        *of_days(), F.min(sold_on).alias("first_sold_on"), F.max(sold_on).alias("last_sold_on")
    )
