"""`gold.dim_date`: the calendar of every month with a sale."""

from __future__ import annotations

import datetime as dt

from lakehouse_assets.gold.dim_date import WEEKDAYS, dim_date
from tests.frames import daily_sales


def calendar(engine, *days):
    frame = dim_date(daily_sales(engine, *[dt.date.fromisoformat(day) for day in days]))
    return [row.asDict() for row in frame.orderBy("date_key").collect()]


def test_a_month_with_any_day_has_all_of_its_days_once(engine):
    found = calendar(engine, "2012-02-29", "2012-02-01", "2011-04-15")
    april = [dt.date(2011, 4, number) for number in range(1, 31)]
    february = [dt.date(2012, 2, number) for number in range(1, 30)]
    assert [row["date_key"] for row in found] == [*april, *february]
    assert {row["month_start"] for row in found} == {april[0], february[0]}


def test_every_day_is_described_as_the_calendar_has_it(engine):
    found = calendar(engine, "2010-12-31", "2011-01-04", "2012-01-01", "2013-01-01")
    assert len(found) == 124
    for row in found:
        day = row["date_key"]
        iso_year, iso_week, weekday = day.isocalendar()
        assert row == {
            "date_key": day,
            "year": day.year,
            "quarter": (day.month + 2) // 3,
            "month": day.month,
            "day": day.day,
            "iso_year": iso_year,
            "iso_week": iso_week,
            "weekday": weekday,
            "weekday_name": WEEKDAYS[weekday - 1],
            "is_weekend": weekday > 5,
            "week_start": day - dt.timedelta(days=weekday - 1),
            "month_start": day.replace(day=1),
        }
