"""`bronze.inventory`: stock movements as received."""

from __future__ import annotations

from lakehouse_assets.bronze.inventory import inventory
from tests.frames import movement
from tests.scenario import csv_bytes, day, drop, ingestion, rows


def test_a_movement_keeps_its_text_and_belongs_to_the_day_it_was_made(engine, landing_root):
    movements = [
        movement("m-1", quantity=" +24 "),
        movement("m-2", at="2011-02-28 23:59:59", movement_type="sale", quantity="-3"),
        movement("m-3", at="yesterday"),
    ]
    drop(landing_root, "inventory/2011-03-01.csv", csv_bytes(movements, inventory.source.format.columns))
    ingested = ingestion(engine, landing_root, inventory.source).run([day(1)], run_id="run")
    last_of_february = day(1).replace(month=2, day=28)
    assert rows(engine, "bronze.inventory", "movement_id", "quantity", "business_date", "source_record") == [
        ("m-1", " +24 ", day(1), 1),
        ("m-2", "-3", last_of_february, 2),
        ("m-3", "24", day(1), 3),
    ]
    assert ingested.dates == {day(1), last_of_february}
