"""Rejected rows on their way into the quarantine."""

from __future__ import annotations

import contextlib
import json

import pyarrow as pa

from lakehouse.delta.system_tables import QUARANTINE
from lakehouse.publication.audit import Audit, HeldError
from lakehouse.publication.validation import judge_received
from lakehouse.quarantine.table import quarantine_rows
from lakehouse_assets.silver.products import products
from lakehouse_assets.silver.transactions import Transactions, transactions
from tests.frames import FAULTS, TEN_LINES, bronze_products, bronze_transactions, product, unread
from tests.scenario import day, sale


def rows_of(engine, frame, table=transactions, held=()):
    """Judge bronze rows and return the quarantine's rows of those that are rejected."""
    judged = judge_received(frame, table.transform, table.terms.contract, table.terms.policy)
    audit = Audit("business_date", {}, table.terms.policy)
    with contextlib.suppress(HeldError):
        list(audit.stream(iter(engine.collect(judged).to_batches())))
    return quarantine_rows(table.terms.name, audit.rejected, held, table.terms.contract)


def test_a_rejected_row_keeps_record_values_rules_and_the_way_back(engine):
    frame = bronze_transactions(engine, [*TEN_LINES, sale("9", Quantity="six", CustomerID="guest")])
    (row,) = rows_of(engine, frame).to_pylist()
    assert row["rules"] == ["quantity:readable", "customer_id:readable"]
    assert json.loads(row["offending_values"]) == {"quantity": "six", "customer_id": "guest"}
    assert json.loads(row["raw_record"])["InvoiceNo"] == "9"
    assert (row["table_name"], row["business_date"], row["verdict"]) == ("silver.transactions", day(1), "published")
    assert (row["source_file"], row["source_record"], row["batch_id"]) == ("transactions/2011-03-01.csv", 11, 1)


def test_rows_of_a_held_day_say_so(engine):
    frame = bronze_transactions(engine, [line for line, _ in FAULTS.values()])
    assert set(rows_of(engine, frame, held={day(1)}).column("verdict").to_pylist()) == {"held"}


def test_an_unreadable_record_has_no_values_to_name(engine):
    frame = bronze_transactions(engine, [unread("fields: 3 of 8", 'not json, "'), unread("quote: stray")])
    found = rows_of(engine, frame).select(["offending_values", "raw_record"]).to_pylist()
    assert found == [
        {"offending_values": "{}", "raw_record": 'not json, "'},
        {"offending_values": "{}", "raw_record": "quote: stray"},
    ]


def test_a_value_that_is_missing_is_named_as_null(engine):
    (row,) = rows_of(engine, bronze_products(engine, [product("1", cost=None)]), products).to_pylist()
    assert (row["rules"], json.loads(row["offending_values"])) == (["cost:not_null"], {"cost": None})


def test_a_rule_of_ones_own_names_the_values_of_the_columns_it_judges(engine):
    (row,) = rows_of(engine, bronze_transactions(engine, [sale("9", Quantity="-6")])).to_pylist()
    assert (row["rules"], json.loads(row["offending_values"])) == (["row:sale_has_units"], {"quantity": "-6"})


def test_without_rejected_rows_there_is_an_empty_table():
    empty = quarantine_rows("silver.transactions", [], (), Transactions)
    assert empty == pa.Table.from_pylist([], schema=QUARANTINE.schema)
