"""`gold.low_stock_alerts`: one row for each crossing of the reorder level."""

from __future__ import annotations

from lakehouse_assets.gold.low_stock_alerts import low_stock_alerts
from tests.frames import picked
from tests.lakehouse_assets.gold.rows import at, movement, version
from tests.lakehouse_assets.gold.stock import levels
from tests.scenario import day

ALERT = ("business_date", "status", "raised_on", "resolved_on", "closing", "reorder_level", "days_low")


def alerts(engine, moved, versions):
    return low_stock_alerts(levels(engine, moved, versions=versions)).orderBy("business_date", "stock_code")


def test_an_alert_is_raised_once_and_resolved_once(engine):
    moved = [
        movement("receipt", 20, at(1), "M1"),
        movement("sale", -12, at(3), "M2"),
        movement("sale", -1, at(4), "M3"),
        movement("sale", -1, at(5), "M4"),
        movement("receipt", 30, at(8), "M5"),
        movement("sale", -1, at(9), "M6"),
    ]
    assert picked(alerts(engine, moved, [version(10)]), *ALERT) == [
        (day(3), "raised", day(3), None, 8, 10, 0),
        (day(8), "resolved", day(3), day(8), 36, 10, 5),
    ]


def test_stock_that_falls_again_raises_another_alert(engine):
    moved = [
        movement("receipt", 10, at(1), "M1"),
        movement("receipt", 1, at(2), "M2"),
        movement("sale", -1, at(3), "M3"),
        movement("receipt", 1, at(4), "M4"),
    ]
    found = alerts(engine, moved, [version(10)])
    assert picked(found, "business_date", "status") == [
        (day(1), "raised"),
        (day(2), "resolved"),
        (day(3), "raised"),
        (day(4), "resolved"),
    ]
    first, resolved, second, _ = [key for (key,) in picked(found, "alert_key")]
    assert first == resolved != second


def test_what_is_low_only_within_a_day_raises_no_alert(engine):
    moved = [
        movement("receipt", 20, at(1), "M1"),
        movement("sale", -15, at(2, "09:00"), "M2"),
        movement("receipt", 20, at(2, "17:00"), "M3"),
    ]
    assert picked(alerts(engine, moved, [version(10)]), *ALERT) == []


def test_products_have_alerts_of_their_own_on_days_when_others_move_too(engine):
    moved = [
        movement("receipt", 5, at(1), "M1", "A"),
        movement("receipt", 50, at(1), "M2", "B"),
        movement("sale", -45, at(2), "M3", "B"),
    ]
    found = alerts(engine, moved, [version(10, stock_code=code) for code in "AB"])
    assert picked(found, "stock_code", *ALERT[:2]) == [("A", day(1), "raised"), ("B", day(2), "raised")]


def test_an_alert_is_resolved_when_there_is_no_reorder_level_any_more(engine):
    moved = [movement("receipt", 5, at(1), "M1"), movement("sale", -1, at(2), "M2")]
    versions = [version(10, at(1, "00:00"), at(2, "09:00")), version(None, at(2, "09:00"))]
    assert picked(alerts(engine, moved, versions), *ALERT) == [
        (day(1), "raised", day(1), None, 5, 10, 0),
        (day(2), "resolved", day(1), day(2), 4, None, 1),
    ]
