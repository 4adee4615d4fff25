"""Sales of a week, from the days that exist. It is restated as days arrive or change."""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.calendars import WEEKLY
from lakehouse.tables.declarations import gold_table
from lakehouse_assets.gold._measures import of_period
from lakehouse_assets.gold._metrics import metric


class WeeklySalesSummary(Contract):
    """A week's sales."""

    week_start: T.DateType = column("Monday of the week; the partition")
    days: T.LongType = metric("days", in_range={"min_value": 1, "max_value": 7})
    orders: T.LongType = metric("orders", ge=0)
    sale_orders: T.LongType = metric("sale_orders", ge=0)
    lines: T.LongType = metric("lines", ge=0)
    units: T.LongType = metric("units")
    gross_sales: T.DecimalType(18, 3) = metric("gross_sales")  # type: ignore[valid-type]
    returns: T.DecimalType(18, 3) = metric("returns")  # type: ignore[valid-type]
    net_sales: T.DecimalType(18, 3) = metric("net_sales")  # type: ignore[valid-type]
    average_basket: T.DecimalType(18, 3) = metric("average_basket", nullable=True)  # type: ignore[valid-type]
    customers: T.LongType = metric("customers", ge=0)
    new_customers: T.LongType = metric("new_customers", ge=0)
    returning_customers: T.LongType = metric("returning_customers", ge=0)


@gold_table(contract=WeeklySalesSummary, key=["week_start"], partition_column=WEEKLY)
def weekly_sales_summary(gold_daily_sales_summary: DataFrame, gold_customer_days: DataFrame) -> DataFrame:
    """Sum days by week, and count each customer of it once."""
    week = F.to_date(F.date_trunc("week", "business_date"))
    return of_period(gold_daily_sales_summary, gold_customer_days, week, "week_start")
