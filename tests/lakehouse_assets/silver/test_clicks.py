"""`silver.clicks`: typed events of the web shop."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from lakehouse.contracts.row_outcome import DUPLICATE, OUTCOME, PUBLISHED, RULES, WARNED
from lakehouse.publication.validation import judge_received
from lakehouse_assets.silver.clicks import clicks
from tests.frames import bronze_clicks, click, picked, verdicts
from tests.scenario import day


def judged(engine, *events, tables=None):
    frame = bronze_clicks(engine, events)
    return judge_received(frame, clicks.transform, clicks.terms.contract, clicks.terms.policy, tables=tables)


def test_an_event_is_typed_and_its_nested_context_kept_as_text(engine):
    context = {"screen": {"width": 1280}, "referrer": None}
    event = click("e-1", at="2011-03-01T10:00:00.250+01:00", stock_code=" 85123a ", context=context)
    columns = ("event_id", "user_id", "stock_code", "clicked_at", "context", "business_date")
    ((name, user, code, at, kept, when),) = picked(clicks(bronze_clicks(engine, [event])), *columns)
    assert (name, user, code, when) == ("e-1", 17850, "85123A", day(1))
    assert at == dt.datetime(2011, 3, 1, 9, 0, 0, 250_000)  # noqa: DTZ001 - as collected
    assert json.loads(kept) == context


CASES: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "a view": ({}, [], []),
    "all that may be missing": (
        {"user_id": None, "stock_code": None, "url": None, "user_agent": "", "context": None},
        [],
        [],
    ),
    "a purchase": ({"event_type": "purchase"}, [], []),
    "another kind": ({"event_type": "hover"}, ["event_type:isin"], []),
    "no kind": ({"event_type": None}, ["event_type:not_null"], []),
    "a cart of nothing": ({"event_type": "cart", "stock_code": " "}, ["row:deal_names_a_product"], []),
    "a purchase of nothing": ({"event_type": "purchase", "stock_code": None}, ["row:deal_names_a_product"], []),
    "no number": ({"event_id": ""}, ["event_id:not_null"], []),
    "no session": ({"session_id": None}, ["session_id:not_null"], []),
    "visitor is a word": ({"user_id": "guest"}, ["user_id:readable"], []),
    "time is a word": ({"ts": "soon"}, ["clicked_at:readable"], []),
    "no time": ({"ts": None}, ["clicked_at:not_null"], []),
    "time of another day": ({"ts": "2011-03-02T00:00:00Z"}, ["clicked_at:on_business_date"], []),
    "url is a script": ({"url": "javascript:void(0)"}, [], ["url:str_matches"]),
    "context is a word": ({"context": "none"}, [], ["context:str_endswith", "context:str_startswith"]),
    "context is a list": ({"context": [1, 2]}, [], ["context:str_endswith", "context:str_startswith"]),
    "context is cut": ({"context": '{"screen": {'}, [], ["context:str_endswith"]),
}
"""What is different about an event of 1 March 2011, the rules it breaks, and those it is warned of."""
EVENTS = [{**click(f"e-{number}"), **changed} for number, (changed, *_) in enumerate(CASES.values())]


def test_an_event_is_judged_by_the_contract_and_kept_with_a_warning_where_it_is_only_odd(engine):
    found = verdicts(bronze_clicks(engine, EVENTS), clicks, CASES)
    assert found == {case: (rules, warned) for case, (_, rules, warned) in CASES.items()}


def test_an_unknown_visitor_or_product_is_kept_with_a_warning(engine):
    session = engine.session()
    known = {
        "silver.customers": session.createDataFrame([(17850,)], "customer_id bigint"),
        "silver.products": session.createDataFrame([("85123A",)], "stock_code string"),
    }
    events = [click("e-1"), click("e-2", user_id=1), click("e-3", stock_code="X"), click("e-4", user_id=None)]
    found = judged(engine, *events, tables=known.__getitem__)
    assert sorted(picked(found, "event_id", RULES, WARNED)) == [
        ("e-1", [], []),
        ("e-2", [], ["user_id:references"]),
        ("e-3", [], ["stock_code:references"]),
        ("e-4", [], []),
    ]


def test_an_event_that_was_sent_again_is_a_duplicate(engine):
    found = judged(engine, click("e-1"), click("e-2"), click("e-1"))
    assert sorted(picked(found, "event_id", OUTCOME)) == [("e-1", PUBLISHED), ("e-1", DUPLICATE), ("e-2", PUBLISHED)]
