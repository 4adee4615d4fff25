"""Sales of a month, from the days that exist. It is restated as days arrive or change."""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.calendars import MONTHLY
from lakehouse.tables.declarations import gold_table
from lakehouse_assets.gold import _metrics as metrics
from lakehouse_assets.gold._measures import of_period


class MonthlySalesSummary(Contract):
    """A month's sales."""

    month_start: T.DateType = column("first day of the month; the partition")
    days: T.LongType = metrics.DAYS.column(in_range={"min_value": 1, "max_value": 31})
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


@gold_table(contract=MonthlySalesSummary, key=["month_start"], partition_column=MONTHLY)
def monthly_sales_summary(gold_daily_sales_summary: DataFrame, gold_customer_days: DataFrame) -> DataFrame:
    """Sum days by month, and count each customer of it once."""
    month = F.to_date(F.date_trunc("month", "business_date"))
    return of_period(gold_daily_sales_summary, gold_customer_days, month, "month_start")
