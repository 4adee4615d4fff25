"""`bronze.clicks`: events of the web shop as received."""

from __future__ import annotations

import json

from lakehouse_assets.bronze.clicks import clicks
from tests.frames import click
from tests.scenario import day, drop, ingestion, jsonl_bytes, rows


def test_an_event_keeps_its_nested_context_as_json_and_belongs_to_its_day_in_utc(engine, landing_root):
    context = {"screen": {"width": 1280}, "tags": ["a", 1.50], "note": 'say "hé"'}
    event = click("e-1", at="2011-03-02T00:30:00+01:00", user_id=None, context=context, experiment="B")
    drop(landing_root, "clicks/2011-03-02.jsonl", jsonl_bytes([event]))
    ingestion(engine, landing_root, clicks.source).run([day(2)], run_id="run")
    ((user, kept, rescued, when),) = rows(
        engine, "bronze.clicks", "user_id", "context", "rescued_data", "business_date"
    )
    assert (user, json.loads(kept), json.loads(rescued)) == (None, context, {"experiment": "B"})
    assert when == day(1)


def test_a_line_that_is_no_event_stands_beside_those_that_are(engine, landing_root):
    drop(landing_root, "clicks/2011-03-01.jsonl", jsonl_bytes([click("e-1")]) + b'{"event_id": "e-2", "ts"\n"e-3"\n')
    ingestion(engine, landing_root, clicks.source).run([day(1)], run_id="run")
    found = rows(engine, "bronze.clicks", "source_record", "event_id", "raw_record")
    assert found == [(1, "e-1", None), (2, None, '{"event_id": "e-2", "ts"'), (3, None, '"e-3"')]
