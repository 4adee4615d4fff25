"""Calendars: the partitions of daily, weekly and monthly tables, and how one maps to the other.

A partition key is always a date, the first day of its partition, and so is the value of the partition column on disk.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import dagster as dg

from lakehouse.tables.calendars import MONTHLY, WEEKLY


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
