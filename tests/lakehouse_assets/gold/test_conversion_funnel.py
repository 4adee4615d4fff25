"""`gold.conversion_funnel`: how far sessions come with products of a category."""

from __future__ import annotations

from decimal import Decimal

from lakehouse_assets.gold.conversion_funnel import conversion_funnel
from tests.frames import picked
from tests.lakehouse_assets.gold import rows
from tests.lakehouse_assets.gold.rows import at, click, version
from tests.scenario import day

STEPS = ("category", "viewed", "carted", "purchased")
CATEGORIES = [
    version(None, stock_code=code, category=name) for code, name in (("A", "lamps"), ("B", "lamps"), ("C", "toys"))
]


def funnel(engine, *events, versions=CATEGORIES):
    found = conversion_funnel(rows.clicks(engine, events), rows.versions(engine, versions))
    return found.orderBy("business_date", "category")


def steps(engine, *events, versions=CATEGORIES):
    return picked(funnel(engine, *events, versions=versions), *STEPS)


def test_a_session_reaches_a_step_only_after_the_one_before_it(engine):
    in_order = [click(at(1, f"10:0{place}"), kind) for place, kind in enumerate(("view", "cart", "purchase"))]
    assert steps(engine, *in_order) == [("lamps", 1, 1, 1)]
    too_early = [click(at(1, "10:00"), "purchase"), click(at(1, "10:01"), "view"), click(at(1, "10:02"), "cart")]
    assert steps(engine, *too_early) == [("lamps", 1, 1, 0)]
    not_carted = [click(at(1, "10:00"), "cart"), click(at(1, "10:01"), "view"), click(at(1, "10:02"), "purchase")]
    assert steps(engine, *not_carted) == [("lamps", 1, 0, 0)]


def test_the_steps_may_be_about_several_products_of_a_category_with_anything_in_between(engine):
    events = [
        click(at(1, "10:00"), "view", "A"),
        click(at(1, "10:01"), "view", None),
        click(at(1, "10:02"), "cart", "B"),
        click(at(1, "10:03"), "view", "C"),
        click(at(1, "10:04"), "purchase", "A"),
    ]
    assert steps(engine, *events) == [("lamps", 1, 1, 1), ("toys", 1, 0, 0)]


def test_a_step_in_another_category_does_not_count(engine):
    events = [
        click(at(1, "10:00"), "view", "A"),
        click(at(1, "10:01"), "cart", "C"),
        click(at(1, "10:02"), "cart", "A"),
    ]
    assert steps(engine, *events) == [("lamps", 1, 1, 0)]


def test_a_step_in_another_session_does_not_count(engine):
    events = [click(at(1, "10:00"), "view"), click(at(1, "10:31"), "cart"), click(at(1, "10:05"), "cart", visitor="V2")]
    assert steps(engine, *events) == [("lamps", 1, 0, 0)]


def test_a_session_counts_once_however_often_it_does_something(engine):
    events = [click(at(1, f"10:0{place}"), kind) for place, kind in enumerate(("view", "view", "cart", "view", "cart"))]
    assert steps(engine, *events) == [("lamps", 1, 1, 0)]


def test_of_one_instant_the_view_comes_first(engine):
    events = [
        click(at(1), "purchase", event_id="E1"),
        click(at(1), "cart", event_id="E2"),
        click(at(1), "view", event_id="E3"),
    ]
    assert steps(engine, *events) == [("lamps", 1, 1, 1)]


def test_what_happens_after_midnight_counts_for_the_day_the_session_starts(engine):
    events = [click(at(1, "23:50"), "view", None), click(at(2, "00:05"), "view"), click(at(2, "00:06"), "cart")]
    events += [click(at(2, "09:00"), "view")]
    assert picked(funnel(engine, *events), "business_date", *STEPS) == [
        (day(1), "lamps", 1, 1, 0),
        (day(2), "lamps", 1, 0, 0),
    ]


def test_a_product_is_in_the_category_it_had_at_the_time(engine):
    versions = [
        version(None, at(1, "00:00"), at(1, "12:00"), category="lamps"),
        version(None, at(1, "12:00"), category="toys"),
    ]
    events = [
        click(at(1, "11:59"), visitor="V1"),
        click(at(1, "12:00"), visitor="V2"),
        click(at(1, "13:00"), visitor="V3"),
    ]
    assert steps(engine, *events, versions=versions) == [("lamps", 1, 0, 0), ("toys", 2, 0, 0)]


def test_a_product_that_has_no_category_at_the_time_is_in_the_unknown_one(engine):
    versions = [version(None, at(2), stock_code="A"), version(None, stock_code="B", category=None)]
    events = [click(at(1), stock_code=code) for code in "ABC"]
    assert steps(engine, *events, versions=versions) == [("unknown", 1, 0, 0)]
    assert steps(engine, *events, versions=[]) == [("unknown", 1, 0, 0)]


def test_rates_are_shares_of_sessions_and_missing_where_there_is_nothing_to_share(engine):
    events = [click(at(1), "view", visitor=visitor) for visitor in ("V1", "V2", "V3")]
    events += [click(at(1, "12:01"), "cart", visitor=visitor) for visitor in ("V1", "V2")]
    events += [click(at(1, "12:02"), "purchase", visitor="V1"), click(at(1), "view", "C")]
    assert picked(funnel(engine, *events), "category", "cart_rate", "purchase_rate", "conversion_rate") == [
        ("lamps", Decimal("0.666667"), Decimal("0.500000"), Decimal("0.333333")),
        ("toys", Decimal(0), None, Decimal(0)),
    ]


def test_pages_about_no_product_are_in_no_category(engine):
    assert steps(engine, click(at(1), "view", None)) == []
