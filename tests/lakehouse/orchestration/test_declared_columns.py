"""A column that has been declared is filled by the next look, though no file lands for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.drained import with_inputs
from lakehouse.landing.reader import CsvFormat
from lakehouse.orchestration.declared_columns import declared_columns
from lakehouse.orchestration.runner import run_until_idle
from lakehouse.tables.declarations import BronzeTable
from lakehouse_assets.definitions import build_defs
from tests.line import Line, good_lines
from tests.scenario import TRANSACTIONS, csv_bytes, day, drop, ingestion, rows

COLUMNS = TRANSACTIONS.format.schema.names[:8]
TILL = replace(TRANSACTIONS, format=CsvFormat((*COLUMNS, "Till")))


@pytest.fixture
def line(landing_root) -> Line:
    """Two days of bronze, of which the second came with a column that is not declared."""
    line = Line(landing_root, tables=["silver.transactions"])
    line.land(1)
    till = [{**each, "Till": "4"} for each in good_lines(2)]
    drop(landing_root, f"transactions/{day(2)}.csv", csv_bytes(till, [*COLUMNS, "Till"]))
    line.drain()
    return line


def test_nothing_is_requested_for_the_columns_that_bronze_has(line):
    assert declared_columns(line.settings, line.sources) == []


def test_a_declared_column_requests_a_run_of_the_newest_landing_date_until_bronze_has_it(line):
    (request,) = declared_columns(line.settings, [TILL])
    assert (request.source, request.first, request.last) == ("transactions", day(2), day(2))
    assert declared_columns(line.settings, [TILL]) == [request]
    taking = ingestion(line.lakehouse.engine, line.landing, TILL)
    taking.run([day(2)], run_id="run")
    assert declared_columns(line.settings, [TILL]) == []


def test_an_interrupted_ingestion_fills_the_column_when_it_is_completed(line):
    drop(line.landing, f"transactions/{day(3)}.csv", csv_bytes(good_lines(3)))
    ingestion(line.lakehouse.engine, line.landing).run([day(3)], run_id="dead")  # and never confirmed
    assert declared_columns(line.settings, [TILL]) == []


def test_a_drain_fills_the_column_and_leaves_other_days_alone(line):
    tables = [
        replace(table, source=TILL) if isinstance(table, BronzeTable) else table
        for table in with_inputs(["silver.transactions"])
    ]
    before = line.files("bronze.transactions")
    defs = build_defs(line.settings, tables)
    report = run_until_idle(defs, line.settings, [TILL], line.instance)
    assert report.notes == [
        "bronze.transactions: 3 rows of 1 files appended again, with rescued values in Till",
    ]
    after = line.files("bronze.transactions")
    assert {partition for partition in after if after[partition] != before[partition]} == {f"business_date={day(2)}"}
    assert rows(line.lakehouse.engine, "bronze.transactions", "business_date", "Till") == sorted(
        [(day(1), None)] * 3 + [(day(2), "4")] * 3 + [(day(2), None)] * 3, key=repr
    )
    assert run_until_idle(defs, line.settings, [TILL], line.instance).runs == []
