"""The visits: people who look, and some who buy what they put into the cart."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from examples.shop.catalogue import make_catalogue
from examples.shop.visits import Visits
from tests.examples.shop.conftest import START

DAYS = 3


@pytest.fixture(scope="module")
def visits():
    return Visits(make_catalogue(11), start=START, days=DAYS, rows_per_day=3_000)


@pytest.fixture(scope="module")
def made(visits):
    return [[visits.visit(day, number) for number in range(visits.visits_a_day)] for day in range(DAYS)]


@pytest.fixture(scope="module")
def all_visits(made):
    return [visit for day in made for visit in day]


def column(visit, name):
    return [event.values[name] for event in visit]


def test_the_events_of_a_visit_have_one_session_numbers_of_their_own_and_are_in_order(all_visits):
    numbers = [number for visit in all_visits for number in column(visit, "event_id")]
    assert len(set(numbers)) == len(numbers) > 1_000
    for visit in all_visits:
        assert len(set(column(visit, "session_id"))) == 1
        assert column(visit, "ts") == sorted(column(visit, "ts"))


def test_what_is_bought_was_put_into_the_cart_and_what_is_put_there_was_looked_at(all_visits):
    bought = 0
    for visit in all_visits:
        seen = {"view": [], "cart": [], "purchase": []}
        for event in visit:
            code = event.values["stock_code"]
            before = {"view": None, "cart": "view", "purchase": "cart"}[event.values["event_type"]]
            assert before is None or code in seen[before]
            seen[event.values["event_type"]].append(code)
        assert seen["purchase"] in ([], seen["cart"])
        bought += bool(seen["purchase"])
    assert 0.1 < bought / len(all_visits) < 0.5


def test_about_two_thirds_are_known_and_some_say_who_they_are_when_they_pay(all_visits):
    known = [visit for visit in all_visits if visit[0].values["user_id"] is not None]
    assert 0.5 < len(known) / len(all_visits) < 0.8
    at_last = [visit for visit in all_visits if visit[0].values["user_id"] is None and visit[-1].values["user_id"]]
    assert at_last
    assert {visit[-1].values["event_type"] for visit in at_last} == {"purchase"}


def test_some_visits_go_over_midnight_but_none_on_the_last_day(made):
    over = [sum(visit[0].clicked_at.date() != visit[-1].clicked_at.date() for visit in day) for day in made]
    assert over[0] > 3
    assert over[1] > 3
    assert over[2] == 0
    assert all(event.clicked_at.date() < START + dt.timedelta(days=DAYS) for visit in made[-1] for event in visit)


def test_some_visitors_pause_for_longer_than_half_an_hour(all_visits):
    def longest(visit):
        pairs = itertools.pairwise(visit)
        return max((after.clicked_at - before.clicked_at for before, after in pairs), default=dt.timedelta())

    paused = sum(longest(visit) > dt.timedelta(minutes=30) for visit in all_visits)
    assert 0.02 < paused / len(all_visits) < 0.2


def test_some_customers_have_two_visits_at_once(made):
    for day in made:
        first, second = day[18], day[19]
        owners = {column(visit, "user_id")[0] for visit in (first, second)}
        assert len(owners) == 1
        assert abs(first[0].clicked_at - second[0].clicked_at) < dt.timedelta(minutes=10)


def test_a_visit_is_always_the_same_whoever_asks_first(visits, made):
    assert visits.visit(1, 7) == made[1][7]


def test_busy_shops_have_more_visits_up_to_a_limit():
    catalogue = make_catalogue(11)
    sizes = [
        Visits(catalogue, start=START, days=7, rows_per_day=rows).visits_a_day for rows in (200, 20_000, 5_000_000)
    ]
    assert sizes == sorted(sizes)
    assert sizes[-1] == 2_000
