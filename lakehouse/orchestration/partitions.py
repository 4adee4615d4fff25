"""Calendars: the partitions of daily, weekly and monthly tables, and how one maps to the other.

A partition key is always a date, the first day of its partition, and so is the value of the partition column on disk.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import dagster as dg

DAILY, WEEKLY, MONTHLY = "business_date", "week_start", "month_start"
"""Partition columns; a table's partition column says which calendar it follows."""


@dataclass(frozen=True)
class Calendars:
    """The calendars of a lakehouse whose history starts on some day; all include today."""

    start_date: dt.date

    def of(self, partition_column: str) -> dg.TimeWindowPartitionsDefinition:
        """Return the calendar of a partition column. Weeks start on Monday; the first week and month are whole."""
        start = self.start_date
        if partition_column == WEEKLY:
            monday = start - dt.timedelta(days=start.weekday())
            return dg.WeeklyPartitionsDefinition(start_date=monday.isoformat(), day_offset=1, end_offset=1)
        if partition_column == MONTHLY:
            return dg.MonthlyPartitionsDefinition(start_date=start.replace(day=1).isoformat(), end_offset=1)
        return dg.DailyPartitionsDefinition(start_date=start.isoformat(), end_offset=1)


def mapping(upstream: str, downstream: str) -> dg.PartitionMapping | None:
    """Return how partitions of one calendar feed another: None, the default, where both are the same.

    The first and last week or month reach beyond the days that exist.
    """
    if upstream == downstream:
        return None
    return dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)


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
