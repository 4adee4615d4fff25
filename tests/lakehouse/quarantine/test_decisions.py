"""Decisions of people: what they do to a day, and that a rebuild of the day comes to the same."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pyarrow as pa
import pytest

from lakehouse.corrections.replay import revalidate
from lakehouse.ingestion.bronze_rows import bronze_layout
from lakehouse.publication.publish import publish_received
from lakehouse.quarantine.decisions import (
    DISCARD,
    FIX,
    RELEASE,
    Decision,
    RecordId,
    active_decisions,
    apply_decisions,
    record_decisions,
    records_with_ids,
)
from lakehouse_assets.silver.products import products
from lakehouse_assets.silver.transactions import transactions
from tests.embedded import on_both
from tests.frames import TEN_LINES, bronze_products, bronze_table, bronze_transactions, product, refusal, unread
from tests.scenario import TRANSACTIONS, day, rows, sale

FILE = "transactions/2011-03-01.csv"
BAD = sale("9", Quantity="six")
WHOLE = sale("77")


def decision(action, record, table="silver.transactions", **about):
    """Return a decision about a record of the day's file."""
    source = table.partition(".")[2]
    file = FILE if source == "transactions" else "products/2011-03-01.dat"
    place = RecordId(day(1), about.pop("file", file), about.pop("version", "v1"), record)
    return Decision(action, table, place, about.pop("reason", "because"), "ada", **about)


def decide(engine, *about, **more):
    """Take a decision."""
    taken = decision(*about, **more)
    record_decisions(engine, [taken])
    return taken


def publish(engine, lines, table=transactions, frame=None):
    frame = bronze_transactions(engine, lines) if frame is None else frame
    result = publish_received(engine, table.terms, table.transform, frame, [day(1)], run_id="run")
    return result.tallies[day(1)]


def quarantine(engine, *columns):
    return rows(engine, "silver.quarantine", *(columns or ("source_record", "status", "closed_by", "closed_why")))


def test_what_was_decided_of_a_days_records_is_done_at_once(engine):
    lines = [sale("1"), BAD, sale("10", Quantity="seven"), unread("fields: 3 of 8", "7,x,y"), sale("12", Quantity="x")]
    publish(engine, lines)
    fixes = [decision(FIX, 2, corrected={"Quantity": "7"}), decision(FIX, 4, corrected=WHOLE)]
    record_decisions(engine, [*fixes, decision(DISCARD, 3, reason="a test of the till")])
    tally = publish(engine, lines)
    assert (tally.rows_in, tally.published, tally.rejected, tally.replayed, tally.discarded) == (5, 3, 1, 2, 1)
    assert rows(engine, "silver.transactions", "invoice_no", "quantity") == [("1", 6), ("77", 6), ("9", 7)]
    assert quarantine(engine) == [
        (2, "replayed", "ada", "because"),
        (3, "discarded", "ada", "a test of the till"),
        (4, "replayed", "ada", "because"),
        (5, "open", None, None),
    ]


def test_a_fixed_record_is_published_with_its_correction_and_nothing_else_changes(engine):
    lines = [*TEN_LINES, BAD, sale("10", Quantity="seven")]
    publish(engine, lines)
    decide(engine, FIX, 11, corrected={"Quantity": "6"})
    tally = publish(engine, lines)
    assert (tally.rows_in, tally.published, tally.rejected, tally.replayed) == (12, 11, 1, 1)
    assert rows(engine, "silver.transactions", "invoice_no", "quantity").count(("9", 6)) == 1
    assert quarantine(engine) == [(11, "replayed", "ada", "because"), (12, "open", None, None)]
    assert rows(engine, "system.row_ledger", "rejected", "replayed") == [(1, 1), (2, 0)]


def test_the_newest_decision_about_a_record_counts(engine):
    decide(engine, FIX, 1, corrected={"Quantity": "6"})
    decide(engine, FIX, 1, corrected={"Quantity": "7"})
    assert publish(engine, [BAD, sale("1")]).published == 2
    assert rows(engine, "silver.transactions", "quantity") == [(6,), (7,)]
    decide(engine, DISCARD, 1)
    assert publish(engine, [BAD, sale("1")]).discarded == 1
    decide(engine, FIX, 1, corrected={"Quantity": "8"})
    assert publish(engine, [BAD, sale("1")]).discarded == 0
    assert rows(engine, "silver.transactions", "quantity") == [(6,), (8,)]


def test_a_discarded_record_is_taken_out_and_the_ledger_balances(engine):
    publish(engine, [sale("1"), BAD])
    decide(engine, DISCARD, 2, reason="a test of the till")
    tally = publish(engine, [sale("1"), BAD])
    assert (tally.rows_in, tally.published, tally.rejected, tally.discarded) == (2, 1, 0, 1)
    assert quarantine(engine) == [(2, "discarded", "ada", "a test of the till")]
    assert rows(engine, "system.row_ledger", "verdict", "discarded") == [("published", 0), ("published", 1)]


def test_what_is_said_of_a_refused_file_can_be_discarded(engine):
    lines = [sale("1"), refusal(1, source_file="transactions/2011-03-01-b.csv")]
    assert publish(engine, lines).rejected == 1
    decide(engine, DISCARD, None, file="transactions/2011-03-01-b.csv")
    assert publish(engine, lines).discarded == 1
    assert quarantine(engine, "status") == [("discarded",)]


def test_a_record_that_could_not_be_read_is_read_once_its_fix_gives_every_column(engine):
    lines = [sale("1"), unread("fields: 3 of 8", "7,x,y")]
    publish(engine, lines)
    some = {name: value for name, value in WHOLE.items() if name != "Description"}
    decide(engine, FIX, 2, corrected=some)
    assert publish(engine, lines).rejected == 1
    decide(engine, FIX, 2, corrected={**WHOLE, "Description": None})
    assert publish(engine, lines).rejected == 0
    assert rows(engine, "silver.transactions", "invoice_no", "description")[1] == ("77", None)


def test_a_fix_that_is_not_enough_leaves_the_row_open_with_what_was_judged(engine):
    publish(engine, [sale("1"), BAD])
    decide(engine, FIX, 2, corrected={"Quantity": "sixish"})
    assert publish(engine, [sale("1"), BAD]).replayed == 0
    assert quarantine(engine, "status", "offending_values") == [("open", '{"quantity": "sixish"}')]


@on_both
def test_columns_of_any_name_and_type_are_fixed_and_other_records_are_kept_or_left_out(engine):
    names = ("Shop.Id", 'Shop "Id"', "Shop`Id")
    where = {"business_date": [day(1)] * 4, "source_file": [FILE] * 4, "source_version": ["v1"] * 4}
    given = pa.table(
        {
            **where,
            "source_record": [1, 2, 3, 4],
            "reject_reason": pa.array([None] * 3 + ["fields: 3 of 5"], pa.string()),
            **dict.fromkeys(names, ["six"] * 3 + [None]),
            "cost": pa.array([None] * 4, pa.decimal128(18, 3)),
            "level": pa.array([7] * 3 + [None], pa.int32()),
        }
    )
    bronze = engine.session().createDataFrame(given)
    whole = {**dict.fromkeys(names, "6"), "cost": " 3.39 ", "level": None}
    taken = [
        decision(FIX, 1, "silver.shops", file=FILE, corrected={names[0]: "1", "level": "many"}),
        decision(DISCARD, 2, "silver.shops", file=FILE),
        decision(FIX, 4, "silver.shops", file=FILE, corrected=whole),
    ]
    record_decisions(engine, taken)
    decided = active_decisions(engine, "silver.shops", [day(1)])
    fixed = engine.collect(apply_decisions(engine, bronze, decided, [*names, "cost", "level"]).frame).to_pylist()
    columns = ("source_record", "reject_reason", *names, "cost", "level")
    assert sorted(tuple(row[name] for name in columns) for row in fixed) == [
        (1, "fix: many is no int for level", "1", "six", "six", None, None),
        (3, None, "six", "six", "six", None, 7),
        (4, None, "6", "6", "6", Decimal("3.390"), None),
    ]
    (there,) = engine.collect(records_with_ids(engine, bronze, [taken[0].record_id])).to_pylist()
    assert (there["source_record"], *[there[name] for name in names]) == (1, "six", "six", "six")


def test_a_corrected_date_of_another_day_is_rejected_by_its_rule(engine):
    decide(engine, FIX, 1, corrected={"InvoiceDate": "2011-03-02 08:26:00"})
    publish(engine, [sale("1"), sale("2")])
    assert quarantine(engine, "rules", "status") == [(["invoiced_at:on_business_date"], "open")]


def test_a_fix_of_a_typed_column_is_cast_and_a_text_that_does_not_fit_is_no_null(engine):
    lines = [product("1", list_price=None), product("2", reorder_level=None)]
    price, level = {"list_price": "3.39"}, {"reorder_level": "many"}
    fixes = enumerate((price, level), start=1)
    record_decisions(engine, [decision(FIX, record, "silver.products", corrected=fix) for record, fix in fixes])
    publish(engine, None, products, bronze_products(engine, lines))
    assert [str(price) for (price,) in rows(engine, "silver.products", "list_price")] == ["3.390"]
    assert quarantine(engine, "rules", "raw_record") == [(["record:fix"], "fix: many is no int for reorder_level")]


def test_a_fix_of_a_superseded_file_version_is_moot(engine):
    publish(engine, [BAD])
    decide(engine, FIX, 1, corrected={"Quantity": "6"})
    lines = [{**BAD, "batch_id": 1}, {**sale("9"), "source_record": 1, "batch_id": 2, "source_version": "v2"}]
    tally = publish(engine, lines)
    assert (tally.superseded, tally.published, tally.replayed) == (1, 1, 0)
    assert [row[:2] for row in quarantine(engine)] == [(1, "superseded")]


def test_a_row_of_a_version_that_is_taken_in_again_and_passes_is_replayed_and_not_superseded(engine):
    publish(engine, [sale("1"), BAD])
    again = [{**line, "batch_id": 2, "source_record": number} for number, line in enumerate((sale("1"), sale("9")), 1)]
    tally = publish(engine, [sale("1"), BAD, *again])
    assert (tally.superseded, tally.published, tally.rejected) == (2, 2, 0)
    told = f"it passes the rules of version {transactions.terms.rules_version}"
    assert quarantine(engine) == [(2, "replayed", "contract", told)]


def test_a_row_that_is_rejected_again_is_open_again_and_keeps_when_it_was_first_seen(engine):
    publish(engine, [sale("1"), BAD])
    ((first_seen,),) = quarantine(engine, "first_seen")
    decide(engine, FIX, 2, corrected={"Quantity": "6"})
    publish(engine, [sale("1"), BAD])
    decide(engine, FIX, 2, corrected={"Quantity": "six"})
    publish(engine, [sale("1"), BAD])
    assert quarantine(engine, "status", "first_seen", "closed_by", "closed_at") == [("open", first_seen, None, None)]


def test_every_row_names_the_version_of_the_rules_that_rejected_it(engine):
    publish(engine, [sale("1"), BAD])
    assert quarantine(engine, "rules_version") == [(transactions.terms.rules_version,)]
    assert rows(engine, "system.row_ledger", "rules_version") == [(transactions.terms.rules_version,)]


def bad_day(batch_id=1):
    return [{**sale(f"1{n}"), "batch_id": batch_id} for n in range(30)] + [
        {**sale(f"2{n}", Quantity="six"), "batch_id": batch_id} for n in range(30)
    ]


def test_a_released_day_is_published_with_its_bad_rows_in_quarantine(engine):
    assert publish(engine, bad_day()).reason_to_hold(transactions.terms.policy)
    decide(engine, RELEASE, None, batch_id=1, reason="the till was replaced")
    result = publish_received(
        engine, transactions.terms, transactions.transform, bronze_transactions(engine, bad_day()), [day(1)], run_id="r"
    )
    assert result.held == {}
    assert len(rows(engine, "silver.transactions", "line_id")) == 30
    assert set(quarantine(engine, "verdict", "status")) == {("published", "open")}
    assert rows(engine, "system.row_ledger", "verdict", "reason")[1] == (
        "published",
        "released by ada: the till was replaced",
    )


def test_a_release_lapses_when_anything_new_arrives_for_the_day(engine):
    decide(engine, RELEASE, None, batch_id=1)
    later = {**sale("99"), "batch_id": 2, "source_file": "transactions/2011-03-02.csv"}
    assert publish(engine, [*bad_day(), later]).reason_to_hold(transactions.terms.policy)
    assert engine.version("silver.transactions") is None


def test_a_release_lapses_when_the_rules_of_the_table_change(engine):
    decide(engine, RELEASE, None, batch_id=1, rules_version="0123456789ab")
    assert publish(engine, bad_day()).reason_to_hold(transactions.terms.policy)
    assert engine.version("silver.transactions") is None
    decide(engine, RELEASE, None, batch_id=1, rules_version=transactions.terms.rules_version)
    assert publish(engine, bad_day()).reason_to_hold(transactions.terms.policy) is None
    assert len(rows(engine, "silver.transactions", "line_id")) == 30


def test_a_day_of_which_no_row_is_published_is_released_by_a_decision_about_such_a_day_only(engine):
    empty = [line for line in bad_day() if line["Quantity"] == "six"]
    decide(engine, RELEASE, None, batch_id=1, would_publish=30)
    assert publish(engine, empty).reason_to_hold(transactions.terms.policy) is not None
    assert engine.version("silver.transactions") is None
    decide(engine, RELEASE, None, batch_id=1, would_publish=0)
    assert publish(engine, empty).reason_to_hold(transactions.terms.policy) is None
    assert rows(engine, "system.row_ledger", "verdict") == [("held",), ("published",)]


def test_a_day_whose_ledger_does_not_balance_is_never_released(engine):
    decide(engine, RELEASE, None, batch_id=1)
    losing = dataclasses.replace(transactions, transform=lambda bronze: transactions(bronze.where("InvoiceNo <> '1'")))
    tally = publish(engine, [sale("1"), sale("2")], losing)
    assert "does not balance" in tally.reason_to_hold(transactions.terms.policy)
    assert engine.version("silver.transactions") is None


def test_a_released_day_beside_a_held_one_is_published(engine):
    decide(engine, RELEASE, None, batch_id=1)
    second = [{**line, "business_date": day(2), "source_file": "transactions/2011-03-02.csv"} for line in bad_day()]
    moved = [{**line, "InvoiceDate": "2011-03-02 08:26:00"} for line in second]
    frame = bronze_transactions(engine, [*bad_day(), *moved])
    result = publish_received(engine, transactions.terms, transactions.transform, frame, [day(1), day(2)], run_id="run")
    assert (result.published, list(result.held)) == ([day(1)], [day(2)])
    assert len(rows(engine, "silver.transactions", "line_id")) == 30


def test_records_are_judged_again_with_decisions_that_nobody_has_taken_yet(engine):
    engine.append(bronze_layout(TRANSACTIONS), bronze_table(TRANSACTIONS, [sale("1"), BAD, sale("3", Quantity="x")]))
    places = [RecordId(day(1), FILE, "v1", record) for record in (2, 3)]
    fix = Decision(FIX, "silver.transactions", places[0], "why", "ada", corrected={"Quantity": "6"})
    table = (transactions.terms, transactions.transform, "bronze.transactions", places)
    assert revalidate(engine, *table) == dict.fromkeys(places, ("quantity:readable",))
    assert revalidate(engine, *table, proposed=[fix]) == {places[0]: (), places[1]: ("quantity:readable",)}
    assert engine.version("system.decisions") is None
    record_decisions(engine, [dataclasses.replace(fix, action=DISCARD)])
    assert revalidate(engine, *table) == {places[1]: ("quantity:readable",)}


def test_decisions_are_read_of_their_table_and_days_only(engine):
    assert active_decisions(engine, "silver.transactions", [day(1)]).by_record == {}
    fix = decide(engine, FIX, 1, corrected={"Quantity": "6", "CustomerID": None})
    decide(engine, FIX, 1, "silver.products")
    assert active_decisions(engine, "silver.transactions", [day(1), day(2)]).by_record == {fix.record_id: fix}
    assert active_decisions(engine, "silver.transactions", [day(2)]).by_record == {}


@pytest.mark.parametrize("table", [transactions, products])
def test_without_decisions_a_publication_reads_none(engine, table):
    frame = bronze_products(engine, [product("1")]) if table is products else None
    publish(engine, [sale("1")], table, frame)
    assert engine.version("system.decisions") is None
