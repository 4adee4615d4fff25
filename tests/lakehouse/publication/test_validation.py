"""Rows are published, rejected with their record and pointers, or duplicates."""

from __future__ import annotations

import json
import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.contracts.policy import Policy
from lakehouse.contracts.row_outcome import DIGEST, DUPLICATE, OUTCOME, PUBLISHED, REFUSED, REJECTED, RULES
from lakehouse.engines.sail import SailEngine
from lakehouse.publication.audit import Audit
from lakehouse.publication.validation import judge_received
from lakehouse_assets.silver.customers import Customers, customers
from lakehouse_assets.silver.transactions import transactions
from tests.embedded import on_both
from tests.frames import (
    FAULTS,
    NOW,
    TEN_LINES,
    bronze_customers,
    bronze_transactions,
    customer_change,
    picked,
    refusal,
    unread,
)
from tests.scenario import day, sale


def judged(frame, table=transactions):
    """Judge bronze rows as the table's runs do."""
    return judge_received(frame, table.transform, table.terms.contract, table.terms.policy)


def test_good_lines_are_published_without_a_word(engine):
    frame = judged(bronze_transactions(engine, TEN_LINES))
    assert picked(frame, OUTCOME, RULES, REJECTED) == [(PUBLISHED, [], None)] * 10


@pytest.fixture(scope="module")
def verdicts():
    """What became of the lines of every fault, in one frame."""
    frame = judged(bronze_transactions(SailEngine("unused"), [line for line, _ in FAULTS.values()]))
    return dict(zip(FAULTS, picked(frame, OUTCOME, RULES, REJECTED), strict=True))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_value_is_refused_by_exactly_its_rules(verdicts, fault):
    outcome, rules, _ = verdicts[fault]
    assert (outcome, rules) == (REFUSED, FAULTS[fault][1])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_refused_line_carries_what_was_received_and_where(verdicts, fault):
    line, _ = FAULTS[fault]
    rejected = verdicts[fault][2]
    assert json.loads(rejected.raw_record) == line
    assert (rejected.source_file, rejected.source_version, rejected.batch_id) == (
        "transactions/2011-03-01.csv",
        "v1",
        1,
    )
    assert rejected.source_record == list(FAULTS).index(fault) + 1
    assert (rejected.landing_date, rejected.ingestion_timestamp) == (day(1), NOW.replace(tzinfo=None))


def test_a_record_the_reader_could_not_read_breaks_the_readers_rule_only(engine):
    rows = [unread("fields: 3 of 8", '1,2,"x'), unread("quote: stray", "a"), refusal(1), unread("nul: at 7", None)]
    frame = judged(bronze_transactions(engine, rows))
    found = [(rules, rejected.raw_record) for rules, rejected in picked(frame, RULES, REJECTED)]
    assert found == [
        (["record:fields"], '1,2,"x'),
        (["record:quote"], "a"),
        (["file:gzip"], "file:gzip: ends in the middle"),
        (["record:nul"], "nul: at 7"),
    ]


def test_quotes_and_line_ends_survive_in_the_record(engine):
    line = sale("", Description='18" "LANTERN"\nred\\ €')
    ((rejected,),) = picked(judged(bronze_transactions(engine, [line])), REJECTED)
    assert json.loads(rejected.raw_record) == line


def test_with_a_content_key_the_stream_finds_repeats(engine):
    rows = [*TEN_LINES, TEN_LINES[0], TEN_LINES[3], sale("", Quantity="x"), sale("", Quantity="x")]
    frame = judged(bronze_transactions(engine, rows))
    assert DIGEST in frame.columns
    audit = Audit("business_date", {}, transactions.terms.policy)
    kept = pa.Table.from_batches(list(audit.stream(iter(engine.collect(frame).to_batches(max_chunksize=3)))))
    (tally,) = audit.tallies.values()
    assert (tally.published, tally.duplicate, tally.rejected, kept.num_rows) == (10, 2, 2, 10)
    assert len(set(kept.column("line_id").to_pylist())) == 10


def winners(engine, rows):
    """Return who won, by key, of customer changes."""
    frame = judged(bronze_customers(engine, rows), customers)
    found = picked(frame, "customer_id", "name", OUTCOME)
    return {number: name for number, name, outcome in found if outcome == PUBLISHED}, [o for *_, o in found]


CHANGES = [
    customer_change(number, name=f"{number} of {file}", source_file=f"customers/{file}.jsonl", source_record=record)
    for number, file, record in ((1, "a", 7), (1, "b", 1), (1, "a", 9), (2, "b", 2), (2, "c", 1), (3, "c", 2))
]


@settings(max_examples=12, deadline=None)
@given(st.permutations(range(len(CHANGES))))
def test_the_winner_of_a_key_does_not_depend_on_the_order_of_arrival(order):
    who, outcomes = winners(SailEngine("unused"), [CHANGES[place] for place in order])
    assert who == {1: "1 of a", 2: "2 of b", 3: "3 of c"}
    assert sorted(outcomes) == [PUBLISHED] * 3 + [DUPLICATE] * 3


@on_both
def test_latest_by_names_the_winner_before_the_order_of_files(engine):
    policy = Policy(("customer_id",), latest_by=("updated_at",))
    times = ("2011-03-01T09:00:00Z", "2011-03-01T11:00:00Z", "2011-03-01T10:00:00Z")
    rows = [customer_change(1, at=at, name=at) for at in times]
    random.Random(3).shuffle(rows)  # noqa: S311 - any order
    frame = judge_received(bronze_customers(engine, rows), customers.transform, Customers, policy)
    assert [name for name, outcome in picked(frame, "name", OUTCOME) if outcome == PUBLISHED] == [times[1]]


def test_a_refused_row_never_wins_over_a_good_one(engine):
    rows = [customer_change(1, source_file="customers/a", segment="unknown"), customer_change(1, name="good")]
    found = picked(judged(bronze_customers(engine, rows), customers), "name", OUTCOME)
    assert sorted(found) == [("Ada Example", REFUSED), ("good", PUBLISHED)]


def test_days_of_one_run_are_judged_as_if_each_ran_alone(engine):
    policy = Policy(("customer_id",), latest_by=("updated_at",))
    rows = [
        customer_change(1, at=f"2011-03-0{number}T09:00:00Z", business_date=day(number), name=f"day {number}")
        for number in (1, 2)
    ]
    frame = judge_received(bronze_customers(engine, rows), customers.transform, Customers, policy)
    assert picked(frame.orderBy("business_date"), "name", OUTCOME) == [("day 1", PUBLISHED), ("day 2", PUBLISHED)]
