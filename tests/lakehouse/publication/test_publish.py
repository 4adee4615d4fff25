"""Audit, then commit: what stands in table, quarantine and ledger after a publication."""

from __future__ import annotations

import json
from decimal import Decimal

import pyspark.sql.types as T  # noqa: N812
import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column
from lakehouse.contracts.policy import Policy
from lakehouse.contracts.rule_compiler import rules_version
from lakehouse.contracts.table_spec import TableSpec
from lakehouse.delta.model import TableError
from lakehouse.publication import publish as publication
from lakehouse.publication.publish import publish_derived, publish_received, unreported
from lakehouse.storage.files import table_uri
from lakehouse_assets.silver.customers import customers
from lakehouse_assets.silver.transactions import transactions
from tests.embedded import on_both
from tests.frames import TEN_LINES, bronze_customers, bronze_transactions, customer_change, refusal, unread
from tests.scenario import day, rows, sale


def good(number, count=3, **about):
    """Return good lines of a day, from a file of that day."""
    return [
        {
            **sale(f"{number}{place:04}", at=f"{day(number)} 08:26:00"),
            "business_date": day(number),
            "landing_date": day(number),
            "source_file": f"transactions/{day(number)}.csv",
            **about,
        }
        for place in range(count)
    ]


def bad(number, count=3, **about):
    """Return lines of a day that are all rejected."""
    return [{**line, "Quantity": "six"} for line in good(number, count, **about)]


def publish(engine, lines, *days, run_id="run", table=transactions, frame=None):
    frame = bronze_transactions(engine, lines) if frame is None else frame
    said = []
    result = publish_received(engine, table.terms, table.transform, frame, days, run_id=run_id, report=said.append)
    return result, [sentence for sentence in said if not sentence.startswith("the rule ")]


def published(engine):
    """Return how many rows each day of `silver.transactions` has."""
    found = rows(engine, "silver.transactions", "business_date")
    return {when: found.count((when,)) for (when,) in found}


def ledger(engine):
    columns = ["business_date", "run_id", "verdict", "rows_in", "published", "rejected", "duplicate", "superseded"]
    return [dict(zip(columns, row, strict=True)) for row in rows(engine, "system.row_ledger", *columns)]


def test_a_day_is_published_with_its_quarantine_and_its_line_in_the_ledger(engine):
    lines = [*TEN_LINES, TEN_LINES[0], sale("9", Quantity="six")]
    result, said = publish(engine, lines, day(1))
    assert (result.published, result.held, result.version) == ([day(1)], {}, 1)
    assert published(engine) == {day(1): 10}
    assert rows(engine, "silver.quarantine", "rules", "verdict") == [(["quantity:readable"], "published")]
    assert ledger(engine) == [
        {
            "business_date": day(1),
            "run_id": "run",
            "verdict": "published",
            "rows_in": 12,
            "published": 10,
            "rejected": 1,
            "duplicate": 1,
            "superseded": 0,
        }
    ]
    ((reason, rules, version),) = rows(engine, "system.row_ledger", "reason", "rules", "delta_version")
    assert (reason, json.loads(rules), version) == (None, {"quantity:readable": 1}, 1)
    assert said == [
        "silver.transactions 2011-03-01: 10 rows published, 1 rejected, 0 of 1 days held",
    ]


@on_both
def test_good_days_are_published_while_one_is_held_in_one_call(engine):
    lines = [*good(1), good(1)[0], *bad(1, 1), *bad(2), *good(3)]
    result, said = publish(engine, lines, day(1), day(2), day(3))
    assert (result.published, list(result.held)) == ([day(1), day(3)], [day(2)])
    assert published(engine) == {day(1): 3, day(3): 3}
    columns = ("business_date", "verdict", "published", "rejected", "duplicate", "delta_version")
    assert rows(engine, "system.row_ledger", *columns) == [
        (day(1), "published", 3, 1, 1, 1),
        (day(2), "held", 0, 3, 0, None),
        (day(3), "published", 3, 0, 0, 1),
    ]
    quarantined = rows(engine, "silver.quarantine", "business_date", "rules", "verdict")
    assert quarantined == [
        (day(1), ["quantity:readable"], "published"),
        *[(day(2), ["quantity:readable"], "held")] * 3,
    ]
    assert said == ["silver.transactions 2011-03-01 to 2011-03-03: 6 rows published, 4 rejected, 1 of 3 days held"]


def test_where_every_day_is_held_nothing_is_committed(engine):
    result, _ = publish(engine, [*bad(1), *bad(2)], day(1), day(2))
    assert (result.version, result.published) == (None, [])
    assert engine.version("silver.transactions") is None
    assert len(rows(engine, "silver.quarantine", "rules")) == 6


def test_the_last_good_version_of_a_held_day_stays_readable(engine):
    publish(engine, good(1), day(1))
    result, _ = publish(engine, [*good(1), *bad(1, 40, batch_id=2, source_file="transactions/more.csv")], day(1))
    assert list(result.held) == [day(1)]
    assert (engine.version("silver.transactions"), published(engine)) == (1, {day(1): 3})


def test_publishing_its_neighbours_leaves_the_last_good_version_of_a_held_day(engine):
    publish(engine, [*good(1), *good(2), *good(3)], day(1), day(2), day(3))
    worse = bad(2, 40, batch_id=2, source_file="transactions/more.csv")
    result, _ = publish(engine, [*good(1, 5), *good(2), *worse, *good(3, 4)], day(1), day(2), day(3))
    assert list(result.held) == [day(2)]
    assert published(engine) == {day(1): 5, day(2): 3, day(3): 4}


def test_other_days_of_the_table_are_left_alone(engine):
    publish(engine, [*good(1), *good(2)], day(1), day(2))
    publish(engine, good(2, 5), day(2))
    assert published(engine) == {day(1): 3, day(2): 5}


def test_a_day_whose_rows_are_gone_becomes_empty(engine):
    publish(engine, [*good(1), *good(2)], day(1), day(2))
    result, _ = publish(engine, good(2), day(1), day(2))
    assert (result.held, published(engine)) == ({}, {day(2): 3})


def test_a_first_publication_may_be_empty(engine):
    result, _ = publish(engine, [], day(1))
    assert (result.published, published(engine)) == ([day(1)], {})
    assert engine.version("silver.transactions") == 1


def test_a_healed_day_leaves_no_open_row_in_quarantine(engine):
    publish(engine, [*bad(1), *bad(2)], day(1), day(2))
    publish(engine, [*bad(1), *good(1, batch_id=2, source_version="v2")], day(1))
    assert published(engine) == {day(1): 3}
    assert set(rows(engine, "silver.quarantine", "business_date", "status")) == {
        (day(1), "superseded"),
        (day(2), "open"),
    }
    assert ledger(engine)[1]["superseded"] == 3


def test_quarantine_is_rewritten_for_the_table_and_days_at_hand_only(engine):
    changes = [customer_change(number, segment="x") for number in range(2)]
    publish(engine, None, day(1), table=customers, frame=bronze_customers(engine, changes))
    publish(engine, [*good(1), *bad(1, 1), *good(2), *bad(2, 1)], day(1), day(2))
    publish(engine, good(1), day(1))
    assert rows(engine, "silver.quarantine", "table_name", "business_date", "status") == [
        ("silver.customers", day(1), "open"),
        ("silver.customers", day(1), "open"),
        ("silver.transactions", day(1), "replayed"),
        ("silver.transactions", day(2), "open"),
    ]


def test_a_clean_publication_does_not_touch_quarantine(engine):
    publish(engine, good(1), day(1))
    assert engine.version("silver.quarantine") is None
    publish(engine, bad(2), day(2))
    publish(engine, good(1), day(1))
    publish(engine, bad(2), day(2))  # the same rows are rejected again
    assert engine.version("silver.quarantine") == 1


def test_running_again_changes_no_row(engine):
    lines = [*TEN_LINES, sale("9", Quantity="six"), *bad(2)]
    columns = ("line_id", "amount", "business_date")
    publish(engine, lines, day(1), day(2))
    before = rows(engine, "silver.transactions", *columns), rows(engine, "silver.quarantine", "raw_record", "rules")
    publish(engine, lines, day(2), day(1), run_id="again")
    after = rows(engine, "silver.transactions", *columns), rows(engine, "silver.quarantine", "raw_record", "rules")
    assert before == after
    assert sorted(line["run_id"] for line in ledger(engine)) == ["again", "again", "run", "run"]


def test_days_are_published_in_slices_of_bounded_size(engine, monkeypatch):
    monkeypatch.setattr(publication, "SLICE_ROWS", 6)
    lines = [line for number, count in ((1, 3), (2, 3), (3, 1), (4, 9), (5, 2)) for line in good(number, count)]
    result, said = publish(engine, [*lines, *bad(6, 4)], *[day(number) for number in (6, 1, 2, 3, 4, 5)])
    spans = [sentence.split(":")[0].removeprefix("silver.transactions ") for sentence in said]
    assert spans == ["2011-03-01 to 2011-03-02", "2011-03-03", "2011-03-04", "2011-03-05 to 2011-03-06"]
    assert published(engine) == {day(1): 3, day(2): 3, day(3): 1, day(4): 9, day(5): 2}
    assert (result.version, list(result.held)) == (4, [day(6)])
    versions = rows(engine, "system.row_ledger", "business_date", "delta_version")
    assert [version for _, version in versions] == [1, 1, 2, 3, 4, None]


def test_slices_publish_what_one_commit_would(engine, monkeypatch):
    lines = [*TEN_LINES, *TEN_LINES[:3], *good(2), *bad(2, 1), unread("quote: x", business_date=day(2)), *good(3)]
    days = (day(1), day(2), day(3))
    columns = ("line_id", "business_date")
    publish(engine, lines, *days)
    whole = rows(engine, "silver.transactions", *columns)
    monkeypatch.setattr(publication, "SLICE_ROWS", 1)
    publish(engine, lines, *days, run_id="sliced")
    assert rows(engine, "silver.transactions", *columns) == whole
    of_run = {}
    for line in ledger(engine):
        of_run.setdefault(line.pop("run_id"), []).append(line)
    assert of_run["run"] == of_run["sliced"]


def test_a_refused_file_alone_holds_its_day_and_beside_good_rows_it_does_not(engine):
    result, _ = publish(engine, [refusal(1), *good(2), {**refusal(2), "business_date": day(2)}], day(1), day(2))
    assert result.held == {day(1): "all 1 rows are rejected; mostly file:gzip 1"}
    assert published(engine) == {day(2): 3}


def test_a_transform_that_loses_rows_is_held_by_the_ledger(engine):
    result = publish_received(
        engine,
        transactions.terms,
        lambda bronze: transactions(bronze.where("InvoiceNo <> '10000'")),
        bronze_transactions(engine, good(1)),
        [day(1)],
        run_id="run",
    )
    assert result.held == {day(1): "the row ledger does not balance: 3 rows in, 2 accounted for"}
    assert engine.version("silver.transactions") is None


class Weekly(Contract):
    """A derived table."""

    business_date: T.DateType = column("the partition")
    country: T.StringType = column("a country")
    net_sales: T.DecimalType(18, 3) = column("money", ge=0)


DERIVED = TableSpec("gold.example", Weekly, Policy(("business_date", "country")), "business_date")


def derived(engine, *found):
    schema = "business_date date, country string, net_sales decimal(18,3)"
    return engine.session().createDataFrame([(when, land, Decimal(money)) for when, land, money in found], schema)


@on_both
def test_a_derived_partition_with_anything_wrong_is_held_and_the_others_published(engine):
    wrong = {
        "1 keys (business_date, country) occur more than once": [(day(2), "UK", 1), (day(2), "UK", 2)],
        "1 rows break the contract: {'country:not_null': 1}": [(day(3), "UK", 1), (day(3), None, 1)],
        "all 1 rows are rejected; mostly net_sales:ge 1": [(day(4), "UK", -1)],
    }
    frame = derived(
        engine, (day(1), "UK", 1), (day(1), "France", 2), *[row for found in wrong.values() for row in found]
    )
    result = publish_derived(engine, DERIVED, frame, [day(number) for number in range(1, 6)], run_id="run")
    assert result.held == {found[0][0]: reason for reason, found in wrong.items()}
    assert result.published == [day(1), day(5)]
    assert rows(engine, "gold.example", "country", "net_sales") == [("France", Decimal(2)), ("UK", Decimal(1))]


def test_a_derived_row_outside_its_partitions_is_refused_and_nothing_is_committed(engine):
    frame = derived(engine, (day(1), "UK", 1), (day(9), "UK", 1))
    with pytest.raises(TableError, match=r"gold\.example"):
        publish_derived(engine, DERIVED, frame, [day(1)], run_id="run")
    assert engine.version("gold.example") is None


@on_both
def test_a_derived_partition_whose_rows_are_what_they_were_gets_no_version(engine):
    days = [day(1), day(2), day(3)]
    publish_derived(engine, DERIVED, derived(engine, (day(1), "UK", 1), (day(2), "UK", 2)), days, run_id="first")
    before = engine.version("gold.example")
    again = publish_derived(engine, DERIVED, derived(engine, (day(2), "UK", 2), (day(1), "UK", 1)), days, run_id="same")
    assert (again.unchanged, again.tallies, engine.version("gold.example")) == ({*days}, {}, before)
    other = publish_derived(
        engine, DERIVED, derived(engine, (day(1), "UK", 1), (day(2), "UK", 3)), days, run_id="other"
    )
    assert (other.published, other.unchanged) == ([day(2)], {day(1), day(3)})
    assert unreported(engine, "gold.example", before) == [day(2)]


def test_a_held_derived_partition_that_comes_to_its_published_rows_again_is_held_no_more(engine):
    good, bad = (derived(engine, (day(1), "UK", money)) for money in (1, -1))
    verdicts = []
    for frame in (good, bad, good):
        publish_derived(engine, DERIVED, frame, [day(1)], run_id="run")
        lines = rows(engine, "system.row_ledger", "recorded_at", "verdict", "published")
        verdicts.append(max(lines)[1:])
    assert verdicts == [("published", 1), ("held", 0), ("published", 1)]


def test_undeclared_columns_of_a_transform_are_left_out(engine):
    frame = derived(engine, (day(1), "UK", 1)).withColumn("helper", F.lit(1))
    publish_derived(engine, DERIVED, frame, [day(1)], run_id="run")
    assert engine.read("gold.example").columns == ["business_date", "country", "net_sales"]


@on_both
def test_columns_say_in_the_table_what_they_mean(engine):
    publish_derived(engine, DERIVED, derived(engine, (day(1), "UK", 1)), [day(1)], run_id="run")
    fields = DeltaTable(table_uri(engine.root, "gold.example")).schema().fields
    assert {field.name: field.metadata.get("comment") for field in fields} == {
        "business_date": "the partition",
        "country": "a country",
        "net_sales": "money",
    }


def test_each_commit_says_the_version_of_the_rules(engine):
    publish_derived(engine, DERIVED, derived(engine, (day(1), "UK", 1)), [day(1)], run_id="run")
    newest, *_ = engine.history("gold.example")
    assert newest.metadata["rules_version"] == rules_version(Weekly, DERIVED.policy)


def test_keys_that_another_table_does_not_know_are_warned_of_once_it_was_written(engine):
    lines = [sale("536365", CustomerID="17850"), sale("536366", CustomerID="99999"), sale("536367", CustomerID="")]
    told = []
    frame = bronze_transactions(engine, lines)

    def warned():
        result = publish_received(
            engine, transactions.terms, transactions.transform, frame, [day(1)], run_id="run", report=told.append
        )
        return result.tallies[day(1)].warned

    assert warned() == {}
    assert [sentence.split(":")[0:2] for sentence in told[:2]] == [
        ["the rule stock_code", "references is not evaluated"],
        ["the rule customer_id", "references is not evaluated"],
    ]
    told.clear()
    publish(engine, None, day(1), table=customers, frame=bronze_customers(engine, [customer_change(17850)] * 2))
    assert warned() == {"customer_id:references": 1}
    assert [sentence for sentence in told if "customer_id" in sentence] == []
    assert published(engine) == {day(1): 3}
    newest = max(rows(engine, "system.row_ledger", "recorded_at", "table_name", "warned"))
    assert newest[1:] == ("silver.transactions", '{"customer_id:references": 1}')
