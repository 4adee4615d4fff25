"""The calendar: a row for each day of every month with an invoice line, whether the shop was open on it or not."""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.calendars import MONTHLY
from lakehouse.tables.declarations import gold_table

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class DimDate(Contract):
    """A day of the calendar."""

    date_key: T.DateType = column("the day")
    year: T.IntegerType = column("calendar year", unit="year")
    quarter: T.IntegerType = column("quarter of the year", unit="quarter", in_range={"min_value": 1, "max_value": 4})
    month: T.IntegerType = column("month of the year", unit="month", in_range={"min_value": 1, "max_value": 12})
    day: T.IntegerType = column("day of the month", unit="day", in_range={"min_value": 1, "max_value": 31})
    iso_year: T.IntegerType = column("year that the ISO week belongs to", unit="year")
    iso_week: T.IntegerType = column("ISO week", unit="week", in_range={"min_value": 1, "max_value": 53})
    weekday: T.IntegerType = column(
        "day of the week, Monday is 1", unit="weekday", in_range={"min_value": 1, "max_value": 7}
    )
    weekday_name: T.StringType = column("day of the week, in English", isin=WEEKDAYS)
    is_weekend: T.BooleanType = column("whether it is a Saturday or a Sunday")
    week_start: T.DateType = column("Monday of its week")
    month_start: T.DateType = column("first day of its month; the partition")


@gold_table(contract=DimDate, key=["date_key"], partition_column=MONTHLY)
def dim_date(gold_daily_sales_summary: DataFrame) -> DataFrame:
    """Spread out the months of the days there are."""
    month = F.to_date(F.date_trunc("month", "business_date")).alias("month_start")
    days = F.explode(F.sequence(F.col("month_start"), F.last_day("month_start")))
    calendar = gold_daily_sales_summary.select(month).distinct().select("month_start", days.alias("date_key"))
    week_start = F.to_date(F.date_trunc("week", "date_key"))
    weekday = (F.datediff("date_key", week_start) + F.lit(1)).cast("int")  # Sail's weekday of a Sunday is -1
    name = F.coalesce(*[F.when(weekday == number, each) for number, each in enumerate(WEEKDAYS, start=1)])
    return calendar.select(
        "date_key",
        F.year("date_key").alias("year"),
        F.quarter("date_key").alias("quarter"),
        F.month("date_key").alias("month"),
        F.dayofmonth("date_key").alias("day"),
        F.year(F.date_add(week_start, 3)).alias("iso_year"),  # a week belongs to the year of its Thursday
        F.weekofyear("date_key").alias("iso_week"),
        weekday.alias("weekday"),
        name.alias("weekday_name"),
        (weekday > F.lit(5)).alias("is_weekend"),
        week_start.alias("week_start"),
        "month_start",
    )
