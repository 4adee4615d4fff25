"""Calendars of days, weeks and months, and which of their partitions feed one another. Knows no Dagster."""

from __future__ import annotations

import datetime as dt

DAILY, WEEKLY, MONTHLY = "business_date", "week_start", "month_start"
"""Partition columns; a table's partition column says which calendar it follows."""


def partitions_behind(
    upstream: str, downstream: str, partition: dt.date, *, before: int = 0, after: int = 0
) -> list[dt.date]:
    """Return the partitions of one calendar that feed a partition of another, as ``mapping`` does, without a start.

    Args:
        upstream: the partition column of the table that is read.
        downstream: the partition column of the table made from it.
        partition: the first day of one of the latter's partitions.
        before: how many partitions of the latter before this one need what feeds them, too.
        after: how many after it.
    """
    end = _following(downstream, shifted(downstream, partition, after))
    found = partition_of(upstream, shifted(downstream, partition, -before))
    starts = []
    while found < end:
        starts.append(found)
        found = _following(upstream, found)
    return starts


def shifted(partition_column: str, first: dt.date, by: int) -> dt.date:
    """Return the first day of the partition that lies some partitions later, or earlier if the number is negative."""
    if partition_column == MONTHLY:
        months = first.year * 12 + first.month - 1 + by
        return dt.date(months // 12, months % 12 + 1, 1)
    return first + dt.timedelta(days=by * (7 if partition_column == WEEKLY else 1))


def partition_of(partition_column: str, day: dt.date) -> dt.date:
    """Return the first day of the partition that a day lies in."""
    if partition_column == WEEKLY:
        return day - dt.timedelta(days=day.weekday())
    return day.replace(day=1) if partition_column == MONTHLY else day


def _following(partition_column: str, first: dt.date) -> dt.date:
    """Return the first day of the next partition."""
    return shifted(partition_column, first, 1)
