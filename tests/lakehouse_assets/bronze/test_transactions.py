"""`bronze.transactions`: invoice lines as received."""

from __future__ import annotations

from lakehouse_assets.bronze.transactions import transactions
from tests.scenario import csv_bytes, day, drop, ingestion, rows, sale


def test_a_file_becomes_rows_as_received_under_their_own_names(engine, landing_root):
    line = sale("536365", Description=' "RED" ', UnitPrice="2.50", CustomerID="")
    drop(landing_root, "transactions/2011-03-01.csv", csv_bytes([line]))
    ingestion(engine, landing_root, transactions.source).run([day(1)], run_id="run")
    ((invoice, text, price, customer, when, file, record),) = rows(
        engine,
        "bronze.transactions",
        "InvoiceNo",
        "Description",
        "UnitPrice",
        "CustomerID",
        "business_date",
        "source_file",
        "source_record",
    )
    assert (invoice, text, price, customer or "") == ("536365", ' "RED" ', "2.50", "")
    assert (when, file, record) == (day(1), "transactions/2011-03-01.csv", 1)


def test_a_line_belongs_to_the_day_of_its_invoice(engine, landing_root):
    lines = [
        sale("1"),
        sale("2", at="2011-02-27 10:00:00"),
        sale("3", at="yesterday"),
        sale("4", at="2011-03-09 00:00:00"),
    ]
    drop(landing_root, "transactions/2011-03-01.csv", csv_bytes(lines))
    ingested = ingestion(engine, landing_root, transactions.source).run([day(1)], run_id="run")
    assert rows(engine, "bronze.transactions", "InvoiceNo", "business_date") == [
        ("1", day(1)),
        ("2", day(1).replace(month=2, day=27)),
        ("3", day(1)),
        ("4", day(1)),
    ]
    assert ingested.dates == {day(1), day(1).replace(month=2, day=27)}
