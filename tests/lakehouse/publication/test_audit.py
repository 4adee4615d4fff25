"""The verdict on a day, from the rows that streamed past."""

from __future__ import annotations

import datetime as dt
import itertools
import random

import pyarrow as pa
import pytest

from lakehouse.contracts.policy import Policy
from lakehouse.contracts.row_outcome import DIGEST, DUPLICATE, OUTCOME, PUBLISHED, REFUSED, REJECTED, RULES
from lakehouse.publication.audit import Audit, DayTally, HeldError
from tests.scenario import day

POLICY = Policy(("id",))
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("business_date", pa.date32()),
        (OUTCOME, pa.int32()),
        (RULES, pa.list_(pa.string())),
        (REJECTED, pa.struct([("raw_record", pa.string())])),
    ]
)


def batch(*counts: tuple[dt.date, int, int], rule: str = "a:b", first: int = 0) -> pa.RecordBatch:
    """Make rows: so many of an outcome on a day."""
    rows = []
    for when, outcome, number in counts:
        for _ in range(number):
            refused = outcome == REFUSED
            rows.append(
                {
                    "id": first + len(rows),
                    "business_date": when,
                    OUTCOME: outcome,
                    RULES: [rule] if refused else [],
                    REJECTED: {"raw_record": "{}"} if refused else None,
                }
            )
    return pa.RecordBatch.from_pylist(rows, schema=SCHEMA)


def reasons(*batches: pa.RecordBatch, tallies=None, policy=POLICY, strict=False) -> dict[dt.date, str]:
    """Stream batches through an audit and return what it holds, having seen that it raised for just these days."""
    audit = Audit("business_date", tallies or {}, policy, strict=strict)
    held: tuple[dt.date, ...] = ()
    try:
        list(audit.stream(iter(batches)))
    except HeldError as error:
        held = error.days
    assert held == tuple(sorted(audit.reasons()))
    return audit.reasons()


def test_rows_to_publish_pass_in_order_without_the_marks_of_judgement():
    audit = Audit("business_date", {}, POLICY)
    mixed = batch((day(1), PUBLISHED, 1), (day(1), REFUSED, 1), (day(1), DUPLICATE, 1), (day(1), PUBLISHED, 1))
    passed = pa.Table.from_batches(list(audit.stream(iter([mixed, batch((day(2), PUBLISHED, 2), first=9)]))))
    assert passed.to_pydict() == {"id": [0, 3, 9, 10], "business_date": [day(1), day(1), day(2), day(2)]}
    assert audit.tallies == {
        day(1): DayTally(published=2, duplicate=1, rejected=1, rules={"a:b": 1}),
        day(2): DayTally(published=2),
    }


def test_refused_rows_are_kept_aside_whole():
    audit = Audit("business_date", {}, POLICY)
    list(audit.stream(iter([batch((day(1), PUBLISHED, 2), (day(1), REFUSED, 2))])))
    assert [row["id"] for part in audit.rejected for row in part.to_pylist()] == [2, 3]


def test_a_row_counts_once_for_each_rule_it_broke():
    audit = Audit("business_date", {}, POLICY)
    rows = batch((day(1), REFUSED, 2), (day(1), PUBLISHED, 8)).to_pylist()
    rows[0][RULES] = ["a:b", "c:d"]
    list(audit.stream(iter([pa.RecordBatch.from_pylist(rows, schema=SCHEMA)])))
    assert audit.tallies[day(1)].rules == {"a:b": 2, "c:d": 1}


@pytest.mark.parametrize(
    ("good", "bad", "held"),
    [
        (380, 20, False),  # exactly five percent
        (379, 20, True),
        (300, 19, False),  # six percent, but fewer than twenty rows
        (1, 19, False),
        (0, 1, True),  # every row
        (0, 0, False),
    ],
)
def test_a_day_is_held_for_its_share_of_rejected_rows(good, bad, held):
    assert (day(1) in reasons(batch((day(1), PUBLISHED, good), (day(1), REFUSED, bad)))) is held


def test_duplicates_count_among_the_judged_rows_and_superseded_ones_do_not():
    rows = batch((day(1), PUBLISHED, 10), (day(1), DUPLICATE, 370), (day(1), REFUSED, 20))
    tallies = {day(1): DayTally(rows_in=10_400, superseded=10_000)}
    assert reasons(rows, tallies=tallies) == {}
    rows = batch((day(1), PUBLISHED, 10), (day(1), DUPLICATE, 369), (day(1), REFUSED, 20))
    assert day(1) in reasons(rows)


def test_a_table_may_set_its_own_limits():
    rows = batch((day(1), PUBLISHED, 9), (day(1), REFUSED, 1))
    assert reasons(rows, policy=Policy(("id",), hold_above=0.1, hold_from=1)) == {}
    assert reasons(rows, policy=Policy(("id",), hold_above=0.09, hold_from=2)) == {}
    assert day(1) in reasons(rows, policy=Policy(("id",), hold_above=0.09, hold_from=1))


def test_the_reason_names_counts_and_the_worst_rules():
    rows = [batch((day(1), PUBLISHED, 60), (day(1), REFUSED, 30), rule="price:readable")]
    rows.append(batch((day(1), REFUSED, 10), rule="quantity:in_range"))
    assert reasons(*rows) == {
        day(1): "40 of 100 rows are rejected (40.0%, limit 5%); mostly price:readable 30, quantity:in_range 10"
    }
    assert reasons(batch((day(1), REFUSED, 2))) == {day(1): "all 2 rows are rejected; mostly a:b 2"}


@pytest.mark.parametrize(("rows_in", "superseded"), [(11, 0), (9, 0), (10, 1), (0, 0)])
def test_a_ledger_that_does_not_balance_holds_the_day(rows_in, superseded):
    found = reasons(batch((day(1), PUBLISHED, 10)), tallies={day(1): DayTally(rows_in=rows_in, superseded=superseded)})
    assert found == {day(1): f"the row ledger does not balance: {rows_in} rows in, {10 + superseded} accounted for"}


def test_a_day_whose_rows_never_arrive_is_held():
    assert list(reasons(tallies={day(1): DayTally(rows_in=5), day(2): DayTally(rows_in=0)})) == [day(1)]


def test_only_the_bad_days_are_held():
    rows = batch((day(1), PUBLISHED, 5), (day(2), REFUSED, 5), (day(3), PUBLISHED, 5), (day(4), REFUSED, 1))
    assert sorted(reasons(rows)) == [day(2), day(4)]


def test_a_repeated_key_holds_a_derived_partition_across_batches():
    rows = (batch((day(1), PUBLISHED, 3)), batch((day(1), PUBLISHED, 1), first=2), batch((day(2), PUBLISHED, 1)))
    assert reasons(*rows, strict=True) == {day(1): "1 keys (id) occur more than once"}


def test_a_derived_partition_is_held_for_a_single_broken_rule():
    rows = batch((day(1), PUBLISHED, 500), (day(1), REFUSED, 1), (day(2), PUBLISHED, 1), first=0)
    assert reasons(rows, strict=True) == {day(1): "1 rows break the contract: {'a:b': 1}"}


def test_the_verdict_comes_after_every_row_and_before_the_end_of_the_stream():
    audit = Audit("business_date", {}, POLICY)
    stream = audit.stream(iter([batch((day(1), PUBLISHED, 1)), batch((day(2), REFUSED, 1))]))
    assert next(stream).num_rows == 1
    with pytest.raises(HeldError, match="held: 2011-03-02"):
        next(stream)


WAYS = {"as received": (False, False), "with digests": (False, True), "strictly": (True, False)}
"""How an audit judges: strictly or not, and whether it finds repeats by their digests."""


@pytest.mark.parametrize(
    ("engine", "seed", "way"),
    [*itertools.product(["sail"], range(6), WAYS), ("spark", 1, "with digests"), ("spark", 2, "strictly")],
    indirect=["engine"],
)
def test_queries_over_a_frame_come_to_the_same_as_the_stream(engine, seed, way):
    strict, digests = WAYS[way]
    chance = random.Random(seed)  # noqa: S311 - no secret
    rows = [
        {
            "id": chance.randrange(400),
            "business_date": day(chance.randrange(1, 5)),
            OUTCOME: chance.choices([PUBLISHED, REFUSED], [20, chance.choice([0, 1, 5])])[0],
            RULES: chance.sample(["a:b", "c:d", "e:f"], chance.randrange(1, 4)),
            REJECTED: {"raw_record": "{}"},
        }
        for _ in range(300)
    ]
    judged = pa.Table.from_pylist(rows, schema=SCHEMA)
    if digests:
        judged = judged.append_column(DIGEST, pa.array([b"%d" % row["id"] for row in rows]))

    def asked(ask):
        audit = Audit("business_date", {day(n): DayTally() for n in range(1, 6)}, POLICY, strict=strict)
        try:
            kept = sorted(ask(audit).to_pylist(), key=repr)
        except HeldError as error:
            kept = list(error.days)
        rejected = [row for part in audit.rejected for row in part.select(["id", RULES, REJECTED]).to_pylist()]
        return kept, audit.tallies, audit.reasons(), sorted(rejected, key=repr)

    streamed = asked(lambda audit: pa.Table.from_batches(list(audit.stream(iter(judged.to_batches(max_chunksize=70))))))
    frame = engine.session().createDataFrame(judged)
    assert asked(lambda audit: engine.collect(audit.frame(frame, engine.collect))) == streamed
