"""Crossings of the reorder level: one row when stock falls to it or below, one when it is above it again.

Days are judged by the stock at their end: what is low only between two movements of a day raises no alert.
"""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column, rule
from lakehouse.contracts.keys import surrogate_key
from lakehouse.tables.declarations import gold_table
from lakehouse_assets.gold import _metrics as metrics


class LowStockAlerts(Contract):
    """Crossings of the reorder level."""

    business_date: T.DateType = column("day of the crossing; the partition")
    alert_key: T.StringType = column("sha256 of product and day raised: the same when it is raised and when resolved")
    stock_code: T.StringType = column("product code, upper case")
    status: T.StringType = column("which way the stock crossed the level", isin=("raised", "resolved"))
    raised_on: T.DateType = column("day from which on stock was low")
    resolved_on: T.DateType = column("first day at whose end it was not any more; none while it is low", nullable=True)
    closing: T.LongType = metrics.CLOSING.column()
    reorder_level: T.IntegerType = column(
        "stock at which to reorder; none if the alert is resolved because there is no level any more",
        unit="units",
        nullable=True,
    )
    days_low: T.LongType = column(
        "calendar days for which stock was low; 0 when the alert is raised",
        formula="business_date - raised_on",
        unit="days",
        ge=0,
    )

    @rule("an alert is raised or resolved on the day of its row")
    @staticmethod
    def dated_by_its_crossing(business_date: Column, status: Column, raised_on: Column, resolved_on: Column) -> Column:
        raised = (raised_on == business_date) & resolved_on.isNull()
        resolved = (raised_on < business_date) & resolved_on.eqNullSafe(business_date)
        return F.when(status == "raised", raised).otherwise(resolved)


@gold_table(contract=LowStockAlerts, key=["business_date", "stock_code"])
def low_stock_alerts(gold_inventory_levels: DataFrame) -> DataFrame:
    """Keep the rows on which stock has become low, or is not low any more."""
    raised = F.col("low_since") == F.col("business_date")
    resolved = F.col("low_since").isNull() & F.col("low_before").isNotNull()
    status = F.when(raised, "raised").when(resolved, "resolved")
    return (
        gold_inventory_levels.withColumn("status", status)
        .where(F.col("status").isNotNull())
        .withColumn("raised_on", F.coalesce("low_since", "low_before"))
        .withColumn("resolved_on", F.when(F.col("status") == "resolved", F.col("business_date")))
        .withColumn("days_low", F.datediff("business_date", "raised_on").cast("bigint"))
        .withColumn("alert_key", surrogate_key("stock_code", "raised_on"))
        .select(*LowStockAlerts.to_schema().columns)
    )
