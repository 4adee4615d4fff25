"""`gold.sessions`: events of a visitor with short pauses, whatever the order they arrive in."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse_assets.gold.sessions import Sessions, sessions
from tests.frames import picked
from tests.lakehouse_assets.gold.rows import at, click, clicks
from tests.scenario import day

COLUMNS = tuple(Sessions.to_schema().columns)


def found(engine, *rows):
    return sessions(clicks(engine, rows)).orderBy("started_at", "session_id")


def spans(engine, *rows):
    """Return (day, start, end, events) of each session."""
    told = picked(found(engine, *rows), "business_date", "started_at", "ended_at", "events")
    return [(date.day, f"{start:%d %H:%M}", f"{end:%d %H:%M}", events) for date, start, end, events in told]


def every_half_hour(first: dt.datetime, last: dt.datetime) -> list[dt.datetime]:
    """Return times that leave no longer pause, from the first to the last."""
    return [first + dt.timedelta(minutes=30) * step for step in range((last - first) // dt.timedelta(minutes=30) + 1)]


def test_a_pause_of_half_an_hour_is_within_a_session_and_a_longer_one_is_not(engine):
    longer = at(1, "10:30") + dt.timedelta(minutes=30, microseconds=1)
    assert spans(engine, click(at(1, "10:00")), click(at(1, "10:30")), click(longer)) == [
        (1, "01 10:00", "01 10:30", 2),
        (1, "01 11:00", "01 11:00", 1),
    ]


def test_visitors_have_sessions_of_their_own(engine):
    rows = [click(at(1, "10:00"), visitor="V1"), click(at(1, "10:10"), visitor="V2"), click(at(1, "10:20"))]
    assert spans(engine, *rows) == [(1, "01 10:00", "01 10:20", 2), (1, "01 10:10", "01 10:10", 1)]


def test_a_session_may_run_over_midnight_and_is_of_the_day_it_starts(engine):
    assert spans(engine, click(at(1, "23:50")), click(at(2, "00:10")), click(at(2, "00:40"))) == [
        (1, "01 23:50", "02 00:40", 3)
    ]


def test_a_session_without_a_pause_ends_with_the_following_day(engine):
    rows = [click(time) for time in every_half_hour(at(1, "20:00"), at(3, "05:00"))]
    assert spans(engine, *rows) == [(1, "01 20:00", "02 23:30", 56), (3, "03 00:00", "03 05:00", 11)]


def test_a_visitor_who_never_pauses_starts_with_every_day(engine):
    rows = [click(time) for time in every_half_hour(at(1, "00:00"), at(3, "23:30"))]
    assert [(date, events) for date, _, _, events in spans(engine, *rows)] == [(1, 48), (2, 48), (3, 48)]


def test_a_pause_after_midnight_is_a_pause_of_the_day(engine):
    rows = [click(at(1, "23:59")), click(at(2, "00:29"))]
    rows += [click(time) for time in every_half_hour(at(2, "00:59"), at(3, "00:29"))]
    assert [date for date, *_ in spans(engine, *rows)] == [1, 3]
    later = [click(time) for time in every_half_hour(at(2, "00:31"), at(3, "00:01"))]
    assert [date for date, *_ in spans(engine, *later)] == [2]


def test_a_session_is_summed_up(engine):
    rows = [
        click(at(1, "10:00"), "view", None),
        click(at(1, "10:01"), "view", "A", user_id=9),
        click(at(1, "10:02"), "cart", "A", user_id=8),
        click(at(1, "10:03"), "purchase", "A"),
        click(at(1, "10:03") + dt.timedelta(milliseconds=999), "view", "B"),
    ]
    assert picked(found(engine, *rows), *COLUMNS[1:]) == [
        (
            "V1",
            8,
            dt.datetime(2011, 3, 1, 10, 0),  # noqa: DTZ001 - frames hand out UTC without saying so
            dt.datetime(2011, 3, 1, 10, 3, 0, 999_000),  # noqa: DTZ001
            180,
            5,
            3,
            1,
            1,
            "https://shop.example/view/None",
            "https://shop.example/view/B",
            "mobile",
            day(1),
        )
    ]


def test_a_session_of_nobody_known_has_no_customer(engine):
    assert picked(found(engine, click(at(1))), "customer_id", "duration_seconds", "events") == [(None, 0, 1)]


def test_a_key_names_one_session(engine):
    rows = [click(at(1, "10:00")), click(at(1, "11:00")), click(at(1, "10:00"), visitor="V2"), click(at(2, "10:00"))]
    assert len({key for (key,) in picked(found(engine, *rows), "session_key")}) == 4


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36", "desktop"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15", "desktop"),
        ("Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36", "mobile"),
        ("Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 Chrome/120.0 Safari/537.36", "tablet"),
        ("Mozilla/5.0 (iPad; CPU OS 17_2 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148", "tablet"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "bot"),
        ("curl/8.4.0", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_device_is_told_by_the_browsers_name(engine, user_agent, device):
    assert picked(found(engine, click(at(1), user_agent=user_agent)), "device") == [(device,)]


def by_hand(times: list[dt.datetime]) -> list[tuple[dt.datetime, dt.datetime, int]]:
    """Walk one visitor's times once: start, end and events of each session."""
    made: list[list[dt.datetime]] = []
    all_day = True  # whether there was no pause since midnight
    for place, time in enumerate(times):
        before = times[place - 1] if place else dt.datetime.min.replace(tzinfo=dt.UTC)
        long = time - before > dt.timedelta(minutes=30)
        midnight = time.replace(hour=0, minute=0)
        new_day = before < midnight
        if long or (new_day and all_day):
            made.append([])
        made[-1].append(time)
        all_day = (new_day or all_day) and time - max(before, midnight) <= dt.timedelta(minutes=30)
    return [(some[0].replace(tzinfo=None), some[-1].replace(tzinfo=None), len(some)) for some in made]


STAYS = st.lists(
    st.tuples(st.integers(0, 4 * 48), st.integers(0, 70), st.sampled_from([29, 30])), min_size=1, max_size=3
)
"""From which half hour on somebody is there, how many events long, and with what pauses."""


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["V1", "V2"]), STAYS, min_size=1), st.randoms(use_true_random=False))
def test_each_day_from_its_neighbours_gives_what_all_days_give_in_any_order(engine, visits, dice: random.Random):
    times = {
        visitor: sorted(
            {
                at(1, "00:00") + dt.timedelta(minutes=30 * start + pause * step)
                for start, long, pause in stays
                for step in range(long + 1)
            }
        )
        for visitor, stays in visits.items()
    }
    rows = [click(time, visitor=visitor) for visitor, some in times.items() for time in some]
    dice.shuffle(rows)
    whole = sorted(picked(found(engine, *rows), *COLUMNS), key=repr)
    expected = [(visitor, *session) for visitor, some in times.items() for session in by_hand(some)]
    assert sorted((row[1], row[3], row[4], row[6]) for row in whole) == sorted(expected)

    days = sorted({row[-1] for row in rows})
    apart: list[tuple[Any, ...]] = []
    for date in days:
        near = [row for row in rows if abs((row[-1] - date).days) <= 1]
        apart += [row for row in picked(found(engine, *near), *COLUMNS) if row[-1] == date]
    assert sorted(apart, key=repr) == whole
