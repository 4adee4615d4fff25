"""Calendars, and how days feed weeks and months."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import pytest

from lakehouse.orchestration.partitions import Calendars, mapping
from lakehouse.tables.calendars import DAILY, MONTHLY, WEEKLY, partitions_behind

CALENDARS = Calendars(dt.date(2010, 12, 1))  # a Wednesday


@pytest.mark.parametrize(("column", "first"), [(DAILY, "2010-12-01"), (WEEKLY, "2010-11-29"), (MONTHLY, "2010-12-01")])
def test_the_first_partition_holds_the_start_date(column, first):
    assert CALENDARS.of(column).get_first_partition_key() == first


@pytest.mark.parametrize("start", ["2010-12-05", "2010-12-06", "2011-01-01", "2011-02-28"])
def test_weeks_begin_on_monday_and_months_on_the_first_whenever_history_starts(start):
    calendars = Calendars(dt.date.fromisoformat(start))
    first_week = dt.date.fromisoformat(str(calendars.of(WEEKLY).get_first_partition_key()))
    assert first_week.weekday() == 0
    assert dt.timedelta(0) <= calendars.start_date - first_week < dt.timedelta(days=7)
    assert calendars.of(MONTHLY).get_first_partition_key() == start[:7] + "-01"


def test_every_calendar_includes_today_and_no_later_day():
    today = dt.datetime.now(tz=dt.UTC).date()
    assert CALENDARS.of(DAILY).get_last_partition_key() == str(today)
    assert CALENDARS.of(WEEKLY).get_last_partition_key() == str(today - dt.timedelta(days=today.weekday()))
    assert CALENDARS.of(MONTHLY).get_last_partition_key() == str(today.replace(day=1))


def days_of(period: str, column: str) -> list[str]:
    """Return the days that feed a week or month."""
    of_period = mapping(DAILY, column)
    assert of_period is not None
    calendar = CALENDARS.of(column)
    found = of_period.get_upstream_mapped_partitions_result_for_partitions(
        calendar.empty_subset().with_partition_keys([period]), calendar, CALENDARS.of(DAILY)
    )
    return sorted(found.partitions_subset.get_partition_keys())


@pytest.mark.parametrize(
    ("column", "period", "first", "last", "number"),
    [
        (WEEKLY, "2010-11-29", "2010-12-01", "2010-12-05", 5),
        (WEEKLY, "2010-12-27", "2010-12-27", "2011-01-02", 7),
        (MONTHLY, "2010-12-01", "2010-12-01", "2010-12-31", 31),
        (MONTHLY, "2012-02-01", "2012-02-01", "2012-02-29", 29),
    ],
)
def test_a_period_is_fed_by_its_days(column, period, first, last, number):
    days = days_of(period, column)
    assert (days[0], days[-1], len(days)) == (first, last, number)


def test_the_last_period_is_fed_by_the_days_until_today():
    today = dt.datetime.now(tz=dt.UTC).date()
    assert days_of(str(today.replace(day=1)), MONTHLY)[-1] == str(today)


def test_tables_of_one_calendar_need_no_mapping():
    assert mapping(DAILY, DAILY) is None
    assert isinstance(mapping(DAILY, WEEKLY), dg.TimeWindowPartitionMapping)


@pytest.mark.parametrize("upstream", [DAILY, WEEKLY, MONTHLY])
@pytest.mark.parametrize("downstream", [DAILY, WEEKLY, MONTHLY])
def test_partitions_behind_are_those_that_dagster_maps(upstream, downstream):
    own, theirs = CALENDARS.of(downstream), CALENDARS.of(upstream)
    mapped = mapping(upstream, downstream) or dg.TimeWindowPartitionMapping()
    for key in own.get_partition_keys()[3:60]:  # behind the first some days do not exist
        found = mapped.get_upstream_mapped_partitions_result_for_partitions(
            own.empty_subset().with_partition_keys([key]), own, theirs
        )
        partition = dt.date.fromisoformat(key)
        expected = sorted(found.partitions_subset.get_partition_keys())
        assert [str(each) for each in partitions_behind(upstream, downstream, partition)] == expected, key
