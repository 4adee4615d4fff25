"""Sales of a week, from the days that exist. It is restated as days arrive or change."""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse_assets.gold._measures import of_days
from lakehouse_assets.layers import gold_table
from lakehouse_assets.partitions import WEEKLY
from quality.contract import Contract, column


class WeeklySalesSummary(Contract):
    """A week's sales."""

    week_start: T.DateType = column("Monday of the week; the partition")
    days: T.LongType = column("days with any invoice line", in_range={"min_value": 1, "max_value": 7})
    orders: T.LongType = column("distinct invoices, of every kind", ge=0)
    lines: T.LongType = column("invoice lines, of every kind", ge=0)
    units: T.LongType = column("units sold less units returned, of every kind")
    gross_sales: T.DecimalType(18, 3) = column("amount of sales, GBP")  # type: ignore[valid-type]
    returns: T.DecimalType(18, 3) = column("amount of cancellations, GBP, negative")  # type: ignore[valid-type]
    net_sales: T.DecimalType(18, 3) = column("amount of every kind of line, GBP")  # type: ignore[valid-type]


@gold_table(contract=WeeklySalesSummary, key=["week_start"], partition_column=WEEKLY)
def weekly_sales_summary(gold_daily_sales_summary: DataFrame) -> DataFrame:
    """Sum days by week."""
    week = F.to_date(F.date_trunc("week", "business_date")).alias("week_start")
    return gold_daily_sales_summary.groupBy(week).agg(*of_days())
