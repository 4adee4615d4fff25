"""What ingestion comes to on either engine: on Spark, files are read and rows are made by the executors."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from examples import shop
from lakehouse.delta.system_tables import FILES
from lakehouse.engines.sail import SailEngine
from lakehouse.ingestion.bronze_rows import bronze_layout
from lakehouse.landing.reader import CsvFormat
from tests.conftest import engine_at
from tests.contents import content_hash
from tests.lakehouse.ingestion.test_batches import FIRST, SECOND, CrashError, crash, invoices, registered, take_in
from tests.scenario import CUSTOMERS, PRODUCTS, TRANSACTIONS, csv_bytes, day, drop, ingestion, rows, sale
from tests.spark_servers import in_one_task

__all__ = ["crash", "take_in"]

COLUMNS = TRANSACTIONS.format.columns
SOURCES = (TRANSACTIONS, CUSTOMERS, PRODUCTS)
"""One in each format."""


def test_both_engines_take_in_the_same(tmp_path, spark_url, monkeypatch):
    """A shop's week, with copies, corrections, cut archives, foreign encodings and broken records."""
    monkeypatch.setenv("LAKEHOUSE_SPARK_URL", spark_url)
    in_one_task(engine_at(str(tmp_path / "spark"), "spark").session())
    start = dt.date(2026, 1, 5)
    held = {
        name: _week(engine_at(str(tmp_path / name), name), tmp_path / name / "landing", start)
        for name in ("sail", "spark")
    }
    assert held["spark"] == held["sail"]


def _week(engine, landing_root: Path, start: dt.date) -> dict[str, str]:
    shop.generate(landing_root, days=7, rows_per_day=200, seed=3, start=start)
    days = [start + dt.timedelta(days=number) for number in range(14)]
    for source in SOURCES:
        taking = ingestion(engine, landing_root, source)
        taking.run(days, run_id="run")
        taking.confirm()
    names = [bronze_layout(source).name for source in SOURCES]
    embedded = SailEngine(engine.root)
    tables = {name: embedded.collect(embedded.read(name)) for name in (*names, FILES.name)}
    assert {"copy", "refused", "ingested"} <= set(tables[FILES.name]["outcome"].to_pylist())
    # Files on disk have etags by inode; a batch is as large as suits the engine.
    own = {"ingestion_timestamp", "ingested_at", "etag", "batch_id"}
    return {name: content_hash(table, own) for name, table in tables.items()}


def test_crashes_at_one_point_after_another_lose_and_double_nothing(engine, landing_root, take_in, crash):
    drop(landing_root, FIRST, csv_bytes([sale("1")]))
    drop(landing_root, SECOND, csv_bytes([sale("2", at="2011-03-02 10:00:00"), sale("3", at="2010-12-24 10:00:00")]))
    for point in ("before bronze", "during bronze", "after bronze", "after files"):
        crash(point)
        with pytest.raises(CrashError):
            take_in()
        assert len(invoices(engine)) == (3 if point.startswith("after") else 0), point
    assert take_in().dates == {dt.date(2010, 12, 24), day(1), day(2)}
    assert [(file, invoice) for file, _, invoice in invoices(engine)] == [(FIRST, "1"), (SECOND, "2"), (SECOND, "3")]
    assert [file for file, _, _ in registered(engine)] == [FIRST, SECOND]
    again = take_in()
    assert (again.dates, again.files) == (set(), [])


def test_rescued_values_come_into_a_column_declared_later(engine, landing_root):
    lines = [sale("1", Till="4"), sale("2", at="2011-03-02 10:00:00", Till="5")]
    drop(landing_root, FIRST, csv_bytes(lines, [*COLUMNS, "Till"]))
    drop(landing_root, SECOND, csv_bytes([sale("3", at="2011-03-02 10:00:00")]))
    before = ingestion(engine, landing_root)
    before.run([day(1), day(2)], run_id="run")
    before.confirm()
    after = ingestion(engine, landing_root, replace(TRANSACTIONS, format=CsvFormat((*COLUMNS, "Till"))))
    assert after.run([day(1)], run_id="again").dates == {day(1), day(2)}
    after.confirm()
    found = rows(engine, "bronze.transactions", "InvoiceNo", "batch_id", "Till", "rescued_data")
    assert found == [
        ("1", 1, None, '{"Till":"4"}'),
        ("1", 2, "4", None),
        ("2", 1, None, '{"Till":"5"}'),
        ("2", 2, "5", None),
        ("3", 1, None, None),
    ]
    assert rows(engine, FILES.name, "source_file", "batch_id", "outcome", "drift")[1] == (FIRST, 2, "refilled", None)


def test_a_file_that_changes_after_it_was_staged_is_not_taken_as_it_was(engine, landing_root, monkeypatch):
    path = drop(landing_root, FIRST, csv_bytes([sale("1")]))
    staged = type(engine).each

    def then_change(self, work, items):
        found = list(staged(self, work, items))
        path.write_bytes(csv_bytes([sale("2"), sale("3")]))
        return iter(found)

    with monkeypatch.context() as patched:
        patched.setattr(type(engine), "each", then_change)
        taking = ingestion(engine, landing_root)
        if engine.is_local:  # it has kept what it read
            taking.run([day(1)], run_id="run")
            assert [invoice for *_, invoice in invoices(engine)] == ["1"]
        else:
            with pytest.raises(Exception, match="was written to"):
                taking.run([day(1)], run_id="run")
            assert invoices(engine) == []
    taking.run([day(1)], run_id="again")
    assert [invoice for *_, invoice in invoices(engine)][-2:] == ["2", "3"]
