"""A lakehouse follows the clock that it is opened with: which days there are, and when something was recorded."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from bench.drained import with_inputs
from lakehouse import Lakehouse
from lakehouse.settings import Settings
from tests.line import good_lines
from tests.scenario import START, csv_bytes, day, drop

TABLES = ("gold.daily_sales_summary",)


def opened(root, clock) -> Lakehouse:
    """Return a lakehouse of one gold table and what it reads."""
    settings = Settings(root=str(root), landing=str(root / "landing"), start_date=START)
    return Lakehouse.open(settings=settings, tables=with_inputs(TABLES), clock=clock)


def days_in_gold(lake: Lakehouse) -> list[dt.date]:
    """Return the days that gold has."""
    return sorted(lake.read(TABLES[0], ["business_date"]).to_arrow().column(0).to_pylist())


@pytest.fixture
def two_days(lake_root):
    """Files for the second and the third of March 2011."""
    for number in (2, 3):
        drop(lake_root / "landing", f"transactions/{day(number)}.csv", csv_bytes(good_lines(number)))
    return lake_root


def test_a_file_of_tomorrow_waits_until_midnight(two_days):
    last_second = dt.datetime(2011, 3, 2, 23, 59, 59, tzinfo=dt.UTC)
    lake = opened(two_days, lambda: last_second)
    assert lake.run().errors == []
    assert days_in_gold(lake) == [day(2)]

    lake = opened(two_days, lambda: last_second + dt.timedelta(seconds=1))
    assert lake.run().errors == []
    assert days_in_gold(lake) == [day(2), day(3)]
    recorded = lake.query("SELECT DISTINCT recorded_at FROM system.row_ledger ORDER BY 1").column(0).to_pylist()
    assert recorded == [last_second, last_second + dt.timedelta(seconds=1)]


def test_a_clock_of_another_zone_tells_the_same_day(two_days):
    in_auckland = dt.datetime(2011, 3, 3, 12, 59, tzinfo=ZoneInfo("Pacific/Auckland"))  # 23:59 of the day before, UTC
    lake = opened(two_days, lambda: in_auckland)
    assert lake.run().errors == []
    assert days_in_gold(lake) == [day(2)]
