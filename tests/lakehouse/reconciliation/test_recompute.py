"""What a table should hold, computed again: the same rows come to the same content, and no others do."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyspark.sql.types as T  # noqa: N812
import pytest

from lakehouse.contracts.contract import Contract, arrow_schema, column
from lakehouse.contracts.policy import Policy
from lakehouse.contracts.table_spec import TableSpec
from lakehouse.delta.model import TableLayout
from lakehouse.delta.predicates import Predicate
from lakehouse.publication.digests import to_contract
from lakehouse.publication.publish import publish_received
from lakehouse.reconciliation.recompute import Recomputation
from lakehouse.tables.declarations import ContractTable
from lakehouse_assets.definitions import find_tables
from lakehouse_assets.silver.transactions import transactions
from tests.conftest import ENGINES, requested_engine
from tests.frames import TEN_LINES, bronze_table
from tests.scenario import TRANSACTIONS, day, sale

on_both = pytest.mark.parametrize("engine", ENGINES, indirect=True)


@pytest.fixture
def engine(request, lake_root, monkeypatch):
    """The embedded engine, or both."""
    return requested_engine(request, lake_root, monkeypatch)


class Words(Contract):
    """Two texts, and every other type that a row may have."""

    business_date: T.DateType = column("day")
    left: T.StringType = column("a text", nullable=True)
    right: T.StringType = column("a text", nullable=True)
    seen_at: T.TimestampType = column("a time", nullable=True)
    amount: T.DecimalType(18, 3) = column("money", nullable=True)  # type: ignore[valid-type]
    is_new: T.BooleanType = column("a truth", nullable=True)


def words_table(engine, *partitions):
    """Return a table of some rows a day, from 1 March 2011 on, which has no function of its own."""
    terms = TableSpec("gold.words", Words, Policy(("business_date", "left")), "business_date")
    table = ContractTable("gold", "words", "", "team:test", "business_date", "", 1, terms, lambda: None)
    names = ("left", "right", "seen_at", "amount", "is_new")
    listed = [
        {"business_date": day(number), **dict(zip(names, row, strict=False))}
        for number, rows in enumerate(partitions, start=1)
        for row in rows
    ]
    layout = TableLayout("gold.words", arrow_schema(Words), ("business_date",))
    days = tuple(day(number) for number in range(1, len(partitions) + 1))
    engine.publish(layout, pa.Table.from_pylist(listed, schema=layout.schema), Predicate("business_date", days))
    return table


def contents(engine, *partitions):
    """Return what partitions of some rows come to, in their order."""
    there = Recomputation(engine, {}).actual(words_table(engine, *partitions))
    return [there[when] for when in sorted(there)]


NOON = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)


FIRST, SECOND = ("a", "b", NOON, Decimal("0.100"), True), ("c", None, None, Decimal("0.200"), None)
SAME = "the same rows in another order"
PAIRS = {
    SAME: ([FIRST, SECOND], [SECOND, FIRST]),
    "texts of each other's column": ([("a", "b")], [("b", "a")]),
    "texts that run together": ([("ab", "c")], [("a", "bc")]),
    "a text like what stands for null": ([("a", None)], [("a", "-")]),
    "a null in another column": ([("a", None)], [(None, "a")]),
    "an empty text and a null": ([("a", "")], [("a", None)]),
    "a text like a length": ([("a", "1:b")], [("a1:b", "")]),
    "a row twice and once": ([("a", "b"), ("a", "b")], [("a", "b")]),
    "a microsecond": ([("a", "b", NOON)], [("a", "b", NOON.replace(microsecond=1))]),
    "a tenth of a penny": ([("a", "b", None, Decimal("0.001"))], [("a", "b", None, Decimal("0.002"))]),
    "false and a null": ([("a", "b", None, None, False)], [("a", "b", None, None, None)]),
}
"""Rows of a day, here and there."""


@on_both
def test_only_the_same_rows_are_the_same_content_and_money_is_summed_exactly(engine):
    here, there = (contents(engine, *rows) for rows in zip(*PAIRS.values(), strict=True))
    assert [case for case, one, other in zip(PAIRS, here, there, strict=True) if one == other] == [SAME]
    assert (here[0].rows, here[0].sums) == (2, {"amount": Decimal("0.300")})


@on_both
def test_a_day_computed_again_is_the_day_that_was_published_repeats_and_rejected_rows_apart(engine):
    rows = bronze_table(TRANSACTIONS, [*TEN_LINES, TEN_LINES[0], sale("9", Quantity="six")])
    layout = TableLayout("bronze.transactions", rows.schema, ("business_date",))
    engine.publish(layout, rows, Predicate("business_date", (day(1),)))
    bronze = engine.read("bronze.transactions")
    publish_received(engine, transactions.terms, transactions.transform, bronze, [day(1)], run_id="run")
    again = Recomputation(engine, {table.full_name: table for table in find_tables()})

    due = again.expected(transactions)

    assert due.digests == again.actual(transactions)
    assert due.digests[day(1)].rows == 10
    tally = due.tallies[day(1)]
    assert (tally.rows_in, tally.published, tally.duplicate, tally.rejected) == (12, 10, 1, 1)
    assert again.differences(transactions, [day(1)]) == {}


def test_a_table_that_was_never_written_holds_nothing(engine):
    again = Recomputation(engine, {table.full_name: table for table in find_tables()})
    for table in again.tables.values():
        if isinstance(table, ContractTable):
            assert again.actual(table) == {}
            assert again.expected(table).digests == {}


def test_a_column_that_a_table_does_not_have_yet_is_null(engine):
    table = words_table(engine, [("a", "b")])
    frame = to_contract(engine.read("gold.words").drop("right"), table.terms.contract)
    assert engine.collect(frame).select(["left", "right"]).to_pylist() == [{"left": "a", "right": None}]
