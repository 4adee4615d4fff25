"""`bronze.customers`: the change feed as received."""

from __future__ import annotations

import json

from lakehouse_assets.bronze.customers import customers
from tests.scenario import customer, day, drop, ingestion, jsonl_bytes, rows


def test_a_change_keeps_the_text_of_its_values_and_its_undeclared_fields(engine, landing_root):
    record = customer(12346, at="2011-03-01T23:30:00-02:00", loyalty={"tier": 2}, city=None)
    drop(landing_root, "customers/2011-03-01.jsonl", jsonl_bytes([record]))
    ingestion(engine, landing_root, customers.source).run([day(1)], run_id="run")
    ((number, deleted, city, rescued, when),) = rows(
        engine, "bronze.customers", "customer_id", "is_deleted", "city", "rescued_data", "business_date"
    )
    assert (number, deleted, city, json.loads(rescued)) == ("12346", "false", None, {"loyalty": {"tier": 2}})
    assert when == day(2)  # 01:30 UTC


def test_a_broken_line_stands_beside_the_good_ones(engine, landing_root):
    drop(landing_root, "customers/2011-03-01.jsonl", jsonl_bytes([customer(1)]) + b'{"customer_id": 2,\n[1]\n')
    ingestion(engine, landing_root, customers.source).run([day(1)], run_id="run")
    found = rows(engine, "bronze.customers", "source_record", "customer_id", "raw_record")
    assert found == [(1, "1", None), (2, None, '{"customer_id": 2,'), (3, None, "[1]")]
