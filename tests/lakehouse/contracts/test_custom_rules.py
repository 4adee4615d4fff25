"""Rules that an author writes: what they do when broken, over a row, over rows together, over other tables."""

from __future__ import annotations

import datetime as dt

import pyspark.sql.types as T  # noqa: N812
import pytest
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column, columns_of, custom_rules_of, rule
from lakehouse.contracts.policy import Policy
from lakehouse.contracts.row_outcome import OUTCOME, PUBLISHED, REFUSED, RULES, WARNED
from lakehouse.contracts.rule_compiler import every_rule
from lakehouse.delta.model import MissingTableError
from lakehouse.publication.audit import Audit, HeldError
from lakehouse.publication.validation import judge_derived
from tests.embedded import on_both
from tests.frames import picked

DAY = dt.date(2011, 3, 1)


class Lines(Contract):
    """A rule of each kind."""

    number: T.IntegerType = column("a line", gt=0)
    invoice: T.StringType = column("an invoice", str_length={"max_value": 3}, when_broken="warn")
    customer: T.LongType = column("a customer", nullable=True, references="silver.customers.customer_id")
    units: T.IntegerType = column("units", nullable=True, lt=1000, when_broken="hold")
    business_date: T.DateType = column("the partition")

    @rule("a first line has units", when_broken="warn")
    @staticmethod
    def first_has_units(number: Column, units: Column) -> Column:
        return (number != 1) | (units > 0)

    @rule("an invoice is of one customer")
    @staticmethod
    def one_customer(rows: DataFrame) -> DataFrame:
        return rows.groupBy("invoice").agg(F.count_distinct("customer").alias("n")).where("n > 1").select("invoice")

    @rule("nobody buys who is gone", when_broken="warn")
    @staticmethod
    def buyer_is_there(rows: DataFrame, silver_leavers: DataFrame) -> DataFrame:
        return rows.join(silver_leavers, "customer", "left_semi").select("number", "invoice")


NAMES = {
    "number:not_null": "reject",
    "number:gt": "reject",
    "invoice:not_null": "reject",
    "invoice:str_length": "warn",
    "units:lt": "hold",
    "business_date:not_null": "reject",
    "row:first_has_units": "warn",
    "customer:references": "warn",
    "table:one_customer": "reject",
    "table:buyer_is_there": "warn",
}


def lines(engine, *rows):
    return engine.session().createDataFrame(
        [(*row, DAY) for row in rows], "number int, invoice string, customer bigint, units int, business_date date"
    )


def tables(engine, customers=(7, 8), leavers=()):
    """Read tables that need no lake."""
    session = engine.session()
    there = {
        "silver.customers": [(value, DAY) for value in (*customers, *customers)],
        "silver.leavers": [(value, DAY) for value in leavers],
    }
    names = {"silver.customers": "customer_id", "silver.leavers": "customer"}

    def read(name):
        if not there[name]:
            raise MissingTableError(f"{name} has never been written")
        return session.createDataFrame(there[name], f"{names[name]} bigint, business_date date")

    return read


def verdicts(engine, *rows, told=None, **others):
    """Judge lines and return outcome, rules and warnings of each, by its number."""
    said = [] if told is None else told
    frame = judge_derived(lines(engine, *rows), Lines, tables=tables(engine, **others), report=said.append)
    found = picked(frame, "number", OUTCOME, RULES, WARNED)
    assert len(found) == len(rows)
    return {number: tuple(judgement) for number, *judgement in found}


def test_every_rule_has_a_name_an_action_and_a_reason_in_words():
    rules = every_rule(Lines, Policy(("number",)))
    assert {rule.name: rule.action for rule in rules} == NAMES
    reasons = {rule.name: rule.reason for rule in rules}
    assert reasons["row:first_has_units"] == "a first line has units"
    assert reasons["customer:references"] == "customer is found in silver.customers.customer_id"
    assert all(reasons.values())


def test_pandera_sees_columns_and_checks_and_none_of_what_is_ours(engine):
    assert [own.name for own in columns_of(Lines)] == ["number", "invoice", "customer", "units", "business_date"]
    schema = Lines.to_schema()
    assert [check.name for own in schema.columns.values() for check in own.checks] == [
        "greater_than",
        "str_length",
        "less_than",
    ]
    assert not Lines.validate(lines(engine, (1, "a", 9, None))).pandera.errors


@on_both
def test_a_row_that_breaks_rules_that_warn_is_published_with_their_names(engine):
    found = verdicts(engine, (1, "long", 9, 0), (2, "b", 7, 0), (3, "c", 8, 1), leavers=(7,))
    assert found == {
        1: (PUBLISHED, [], ["invoice:str_length", "row:first_has_units", "customer:references"]),
        2: (PUBLISHED, [], ["table:buyer_is_there"]),
        3: (PUBLISHED, [], []),
    }


def test_a_null_passes_custom_rules_and_references(engine):
    assert verdicts(engine, (1, "a", None, None)) == {1: (PUBLISHED, [], [])}


@on_both
def test_a_rule_about_rows_together_names_each_of_them(engine):
    found = verdicts(engine, (1, "a", 7, 1), (2, "a", 8, 1), (3, "b", 7, 1), leavers=(9,))
    assert found == {
        1: (REFUSED, ["table:one_customer"], []),
        2: (REFUSED, ["table:one_customer"], []),
        3: (PUBLISHED, [], []),
    }


def test_a_rule_whose_table_was_never_written_is_not_evaluated_and_that_is_said(engine):
    told = []
    found = verdicts(engine, (1, "a", 9, 1), customers=(), told=told)
    assert found == {1: (PUBLISHED, [], [])}
    assert told == [
        "the rule customer:references is not evaluated: silver.customers has never been written",
        "the rule table:buyer_is_there is not evaluated: silver.leavers has never been written",
    ]


each_way = pytest.mark.parametrize("audited", ["stream", "frame"], indirect=True)
"""How an embedded engine's rows are audited: as they stream past, and by queries."""
each_way_and_on_spark = pytest.mark.parametrize(
    ("engine", "audited"), [("sail", "stream"), ("sail", "frame"), ("spark", "frame")], indirect=True
)


@pytest.fixture
def audited(request, engine):
    """Audit lines in each of the two ways, and return the tally of their day and why it is held."""

    def audit(*rows, contract=Lines, strict=False):
        gate = Audit("business_date", {}, Policy(("number",)), contract=contract, strict=strict)
        judged = judge_derived(lines(engine, *rows), contract, tables=tables(engine))
        held = False
        try:
            if request.param == "frame":
                kept = engine.collect(gate.frame(judged, engine.collect)).num_rows
            else:
                batches = engine.collect(judged).to_batches(max_chunksize=2)
                kept = sum(batch.num_rows for batch in gate.stream(iter(batches)))
            assert kept == gate.tallies[DAY].published
        except HeldError as error:
            held = error.days == (DAY,)
        assert held == bool(gate.reasons())
        return gate.tallies[DAY], gate.reasons().get(DAY)

    return audit


@each_way_and_on_spark
def test_warnings_are_counted_by_rule_and_hold_nothing(audited):
    tally, reason = audited((1, "long", 9, 0), (2, "alone", 8, 1), (3, "c", 9, 1), strict=True)
    assert (tally.published, tally.rejected, reason) == (3, 0, None)
    assert tally.warned == {"invoice:str_length": 2, "customer:references": 2, "row:first_has_units": 1}


@each_way
def test_rows_that_are_not_published_do_not_count_as_warned(audited):
    tally, _ = audited((0, "long", 9, 0), (2, "b", 7, 1))
    assert (tally.rules, tally.warned) == ({"number:gt": 1}, {})


@each_way
def test_a_rule_that_holds_refuses_its_row_and_holds_the_day_by_name(audited):
    tally, reason = audited((1, "a", 7, 5000), *[(number, "b", 7, 1) for number in range(2, 500)])
    assert (tally.rejected, tally.rules) == (1, {"units:lt": 1})
    assert reason == "units:lt: 1 rows break it (units is less than 1,000)"


def test_a_rule_about_a_column_that_is_not_there_is_refused():
    class Wrong(Contract):
        number: T.IntegerType = column("a number")

        @rule("x")
        @staticmethod
        def strange(other: Column) -> Column:
            return other > 0

    with pytest.raises(TypeError, match=r"Wrong\.strange: the contract has no column other"):
        custom_rules_of(Wrong)


def test_a_rule_that_names_broken_rows_by_strange_columns_is_refused(engine):
    class Wrong(Contract):
        number: T.IntegerType = column("a number")

        @rule("x")
        @staticmethod
        def strange(rows: DataFrame) -> DataFrame:
            return rows.select(F.lit(1).alias("one"))

    frame = engine.session().createDataFrame([(1,)], "number int")
    with pytest.raises(TypeError, match="the rule table:strange returns the columns one"):
        judge_derived(frame, Wrong)


def test_rules_of_a_base_contract_hold_and_may_be_replaced():
    class Stricter(Lines):
        @rule("a first line has more than one unit")
        @staticmethod
        def first_has_units(units: Column) -> Column:
            return units > 1

    found = {rule.name: rule.reason for rule in custom_rules_of(Stricter)}
    assert list(found) == ["row:first_has_units", "table:one_customer", "table:buyer_is_there"]
    assert found["row:first_has_units"] == "a first line has more than one unit"


@pytest.mark.parametrize("declare", [lambda: column("x", when_broken="shout"), lambda: rule("x", when_broken="no")])
def test_an_unknown_action_is_refused(declare):
    with pytest.raises(ValueError, match="must be one of warn, reject, hold"):
        declare()


def test_a_reference_names_layer_table_and_column():
    with pytest.raises(ValueError, match=r"must be layer\.table\.column"):
        column("x", references="customers")
