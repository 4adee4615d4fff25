"""A customer's months as a later month sees them: what every table about customers over time is made from.

Belongs here: which months of `gold.customer_months` a month looks back on. What is read out of them is for the tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

from lakehouse.tables.declarations import InputWindow

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

MONTHS = 24
"""How far a month looks back: a customer without any invoice line in so many months is in scope of nothing."""
READS = {"gold_customer_months": InputWindow(before=MONTHS, required=False)}
"""A month needs the customers of those before it, whichever exist; it is there as soon as its sales are summed."""
AGE = "months_ago"


def seen_from(gold_monthly_sales_summary: DataFrame, gold_customer_months: DataFrame) -> DataFrame:
    """Return the rows of `gold.customer_months` that each month with sales sees, in one `month_start` with it.

    `months_ago` says how many months before it a row's own month lies: 0 for the same, at most `MONTHS`.
    """
    months = gold_monthly_sales_summary.select("month_start")
    seen = gold_customer_months.withColumnRenamed("month_start", "seen_month")
    years = F.year("month_start") - F.year("seen_month")
    age = years * 12 + F.month("month_start") - F.month("seen_month")
    return seen.join(F.broadcast(months), age.between(0, MONTHS)).withColumn(AGE, age)


def within(first: int, months: int) -> Column:
    """Return whether a row lies in so many months, the last of them ``first`` months ago."""
    return F.col(AGE).between(first, first + months - 1)
