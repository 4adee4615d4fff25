"""The segment of each customer in each month, by when, how often and for how much they bought.

A customer is in scope of a month if any invoice line of theirs lies in the 24 months that end with it, and is then in
exactly one segment. The rule is fixed and looks at one customer only; `docs/customer_segments.md` has it as a table.
A month is judged as of its last day, so the one that still runs is restated as its days arrive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.calendars import MONTHLY
from lakehouse.tables.declarations import gold_table
from lakehouse_assets.gold._customer_history import MONTHS, READS, seen_from, within
from lakehouse_assets.gold._measures import MONEY

BUYING_MONTHS = 12
"""Orders and sales count over so many months; that there was any sale, over `MONTHS`."""
RECENCY_AT_MOST = {3: 90, 2: 180}
"""Score by days since the last sale. A sale longer ago scores 1, none 0."""
FREQUENCY_AT_LEAST = {3: 4, 2: 2, 1: 1}
"""Score by orders. None scores 0."""
MONETARY_AT_LEAST = {3: 2000, 2: 500}
"""Score by net sales, GBP. Less scores 1."""

RECENCY, FREQUENCY, MONETARY = range(4), range(4), range(1, 4)
"""The scores there are."""


@dataclass(frozen=True)
class Segment:
    """A segment: the customers whose scores lie in three ranges, both ends included."""

    name: str
    recency: tuple[int, int]
    frequency: tuple[int, int]
    monetary: tuple[int, int] = (MONETARY[0], MONETARY[-1])


SEGMENTS = (
    Segment("champions", recency=(3, 3), frequency=(3, 3), monetary=(3, 3)),
    Segment("loyal", recency=(3, 3), frequency=(3, 3), monetary=(1, 2)),
    Segment("promising", recency=(3, 3), frequency=(2, 2)),
    Segment("new", recency=(3, 3), frequency=(1, 1)),
    Segment("at_risk", recency=(2, 2), frequency=(1, 3)),
    Segment("hibernating", recency=(1, 1), frequency=(1, 3)),
    Segment("lost", recency=(1, 3), frequency=(0, 0)),
    Segment("returns_only", recency=(0, 0), frequency=(0, 3)),
)
"""Every segment, the best first. No two have a combination of scores in common, and none is without a segment."""
NAMES = [segment.name for segment in SEGMENTS]
MOVEMENTS = ("entered", "up", "same", "down")


class CustomerSegments(Contract):
    """A customer in a month."""

    month_start: T.DateType = column("first day of the month; the partition")
    customer_id: T.LongType = column("customer number")
    recency_days: T.IntegerType = column(
        "from the last sale to the last day of the month; none if there was no sale in 24 months",
        formula="last_day(month_start) - max(business_date where kind = 'sale')",
        unit="days",
        nullable=True,
        ge=0,
    )
    frequency: T.LongType = column(
        "invoices with a sale in the 12 months that end with the month",
        formula="sum(sale_orders of gold.customer_months)",
        unit="orders",
        ge=0,
    )
    monetary: T.DecimalType(18, 3) = column(  # type: ignore[valid-type]
        "amount of every kind of line in the 12 months that end with the month",
        formula="sum(net_sales of gold.customer_months)",
        unit="GBP",
    )
    recency_score: T.IntegerType = column("3 is recent, 0 never", unit="score", isin=list(RECENCY))
    frequency_score: T.IntegerType = column("3 is often, 0 never", unit="score", isin=list(FREQUENCY))
    monetary_score: T.IntegerType = column("3 is much, 1 little", unit="score", isin=list(MONETARY))
    segment: T.StringType = column("what the scores make of the customer", isin=NAMES)
    previous_segment: T.StringType = column(
        "segment as of the month before; null if the customer was out of its scope", nullable=True, isin=NAMES
    )
    movement: T.StringType = column(
        "where the customer came from: entered the scope, or up, same or down from the month before", isin=MOVEMENTS
    )


@gold_table(
    contract=CustomerSegments,
    key=["month_start", "customer_id"],
    partition_column=MONTHLY,
    reads=READS,
)
def customer_segments(gold_customer_months: DataFrame, gold_monthly_sales_summary: DataFrame) -> DataFrame:
    """Score each customer as of each month with sales, and as of the month before it."""
    seen = seen_from(gold_monthly_sales_summary, gold_customer_months)
    facts = seen.groupBy("month_start", "customer_id").agg(*_facts(0), *_facts(1, "previous_"))
    end, previous_end = F.last_day("month_start"), F.date_sub("month_start", 1)
    scored = facts.where("in_scope").select("*", *_scores(end), *_scores(previous_end, "previous_"))
    return (
        scored.withColumn("segment", segment_of())
        .withColumn("previous_segment", F.when(F.col("previous_in_scope"), segment_of("previous_")))
        .withColumn("movement", _movement())
        .select(*CustomerSegments.to_schema().columns)
    )


def segment_of(prefix: str = "") -> Column:
    """Return the segment of the three scores in a frame's columns."""
    scores = [F.col(f"{prefix}{name}_score") for name in ("recency", "frequency", "monetary")]
    return F.coalesce(
        *(
            F.when(
                scores[0].between(*segment.recency)
                & scores[1].between(*segment.frequency)
                & scores[2].between(*segment.monetary),
                segment.name,
            )
            for segment in SEGMENTS
        )
    )


def _facts(months_ago: int, prefix: str = "") -> list[Column]:
    """Return what is known of a customer as of the month so many before the one that looks back."""
    scope, year = within(months_ago, MONTHS), within(months_ago, BUYING_MONTHS)
    return [
        (F.count(F.when(scope, 1)) > 0).alias(f"{prefix}in_scope"),
        F.max(F.when(scope, F.col("last_sold_on"))).alias(f"{prefix}last_sold_on"),
        F.coalesce(F.sum(F.when(year, F.col("sale_orders"))), F.lit(0)).cast("bigint").alias(f"{prefix}frequency"),
        F.coalesce(F.sum(F.when(year, F.col("net_sales"))), F.lit(0)).cast(MONEY).alias(f"{prefix}monetary"),
    ]


def _scores(end: Column, prefix: str = "") -> list[Column]:
    days = F.datediff(end, f"{prefix}last_sold_on").cast("int")
    frequency, monetary = F.col(f"{prefix}frequency"), F.col(f"{prefix}monetary")
    recency = _score({score: days <= at_most for score, at_most in RECENCY_AT_MOST.items()}, otherwise=1)
    return [
        days.alias(f"{prefix}recency_days"),
        F.when(days.isNull(), 0).otherwise(recency).alias(f"{prefix}recency_score"),
        _score({score: frequency >= least for score, least in FREQUENCY_AT_LEAST.items()}, otherwise=0).alias(
            f"{prefix}frequency_score"
        ),
        _score({score: monetary >= least for score, least in MONETARY_AT_LEAST.items()}, otherwise=1).alias(
            f"{prefix}monetary_score"
        ),
    ]


def _score(conditions: Mapping[int, Column], *, otherwise: int) -> Column:
    """Return the first score whose condition holds."""
    lowest = F.lit(otherwise)
    return reduce(lambda rest, score: F.when(conditions[score], score).otherwise(rest), sorted(conditions), lowest)


def _movement() -> Column:
    before, now = _rank("previous_segment"), _rank("segment")
    return F.when(before.isNull(), "entered").when(now < before, "up").when(now > before, "down").otherwise("same")


def _rank(segment: str) -> Column:
    """Return the place of a segment among all, the best first."""
    return F.coalesce(*(F.when(F.col(segment) == name, place) for place, name in enumerate(NAMES)))
