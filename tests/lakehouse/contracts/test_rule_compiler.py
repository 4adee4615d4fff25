"""Every rule of a contract as a condition, and its agreement with Pandera's own verdict."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import pandera.pyspark
import pyarrow as pa
import pyspark.sql.types as T  # noqa: N812
import pytest
from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.casting import typed
from lakehouse.contracts.contract import Contract, arrow_schema, column, columns_of, rule
from lakehouse.contracts.partition_rules import duplicates
from lakehouse.contracts.policy import Policy
from lakehouse.contracts.rule_compiler import broken, check_text, compile_rules, reader_rule, rules_version
from tests.embedded import on_both
from tests.frames import picked

CHECKS = {
    "greater_than": ({"gt": 5}, "gt", [6], [5, 4]),
    "greater_than_or_equal_to": ({"ge": 5}, "ge", [5, 6], [4]),
    "less_than": ({"lt": 5}, "lt", [4], [5, 6]),
    "less_than_or_equal_to": ({"le": 5}, "le", [5, 4], [6]),
    "in_range": ({"in_range": {"min_value": 2, "max_value": 4}}, "in_range", [2, 3, 4], [1, 5]),
    "in_range_open": (
        {"in_range": {"min_value": 2, "max_value": 4, "include_min": False, "include_max": False}},
        "in_range",
        [3],
        [2, 4],
    ),
    "isin": ({"isin": [1, 2]}, "isin", [1, 2], [3]),
    "notin": ({"notin": [1, 2]}, "notin", [3], [1, 2]),
    "str_matches": ({"str_matches": r"[a-c]+"}, "str_matches", ["abc", "ax"], ["xabc", ""]),
    "str_matches_either": ({"str_matches": r"a|b"}, "str_matches", ["a", "bx"], ["xb"]),
    "str_matches_to_the_end": ({"str_matches": r"[a-c]+$"}, "str_matches", ["abc"], ["abcd", "abc\n"]),
    "str_contains": ({"str_contains": "b"}, "str_contains", ["abc", "b"], ["ac", ""]),
    "str_startswith": ({"str_startswith": "a"}, "str_startswith", ["ab"], ["ba", ""]),
    "str_endswith": ({"str_endswith": "a"}, "str_endswith", ["ba"], ["ab", ""]),
    "str_length": (
        {"str_length": {"min_value": 2, "max_value": 3}},
        "str_length",
        ["ab", "äöü"],
        ["a", "abcd"],
    ),
}
"""A declaration of each check, its rule, values that pass and values that break it."""


def contract_with(*names: str) -> type[Contract]:
    """Make a contract of a nullable column for each of some checks, of the check's name."""
    types = {name: T.StringType if name.startswith("str_") else T.IntegerType for name in names}
    columns = {name: column("a value", nullable=True, **CHECKS[name][0]) for name in names}
    return type("Checked", (Contract,), {"__annotations__": types, **columns})


def values(engine, contract, *cases):
    """Return a frame of a contract's columns with a row for each case, a column and its value; the others are null."""
    rows = [{name: value} for name, value in cases]
    return engine.session().createDataFrame(pa.Table.from_pylist(rows, schema=arrow_schema(contract)))


@on_both
def test_a_check_is_passed_broken_and_silent_about_null(engine):
    contract = contract_with(*CHECKS)
    expected = {}
    for name, (_, its_rule, passing, breaking) in CHECKS.items():
        expected |= {(name, value): [] for value in (*passing, None)}
        expected |= {(name, value): [f"{name}:{its_rule}"] for value in breaking}
    rules = compile_rules(contract)
    assert [own.name for own in rules] == [f"{name}:{its_rule}" for name, (_, its_rule, *_) in CHECKS.items()]
    verdicts = values(engine, contract, *expected).select(broken(rules)).collect()
    assert dict(zip(expected, [row[0] for row in verdicts], strict=True)) == expected


@pytest.mark.parametrize("name", [name for name in CHECKS if name != "str_matches_either"])
def test_a_check_agrees_with_pandera(engine, name):
    contract, (_, rule, passing, breaking) = contract_with(name), CHECKS[name]
    for sample in (passing, breaking, [None]):
        frame = values(engine, contract, *[(name, value) for value in sample])
        ours = any(row[0] for row in frame.select(broken(compile_rules(contract))).collect())
        theirs = bool(contract.validate(frame).pandera.errors)
        assert (ours, theirs) == (sample is breaking, sample is breaking), (rule, sample)


def test_of_an_alternation_every_branch_is_anchored_where_pandera_anchors_the_first_only(engine):
    name = "str_matches_either"
    contract, (_, rule, _, (value,)) = contract_with(name), CHECKS[name]
    frame = values(engine, contract, (name, value))
    assert [row[0] for row in frame.select(broken(compile_rules(contract))).collect()] == [[f"{name}:{rule}"]]
    assert not contract.validate(frame).pandera.errors


def test_not_null_agrees_with_pandera(engine):
    class Required(Contract):
        n: T.IntegerType = column("a number")

    session = engine.session()
    for rows, missing in (([(1,)], False), ([(1,), (None,)], True)):
        frame = session.createDataFrame(rows, "n int")
        ours = [row[0] for row in frame.select(broken(compile_rules(Required))).collect()]
        assert ours == [["n:not_null"] if value is None else [] for (value,) in rows]
        assert bool(Required.validate(frame).pandera.errors) is missing


def test_an_unreadable_value_is_told_from_a_missing_one(engine):
    class Two(Contract):
        needed: T.IntegerType = column("a number", source="Needed")
        spare: T.IntegerType = column("a number", source="Spare", nullable=True)

    rows = [("1", "2"), ("x", "y"), ("", " "), (None, None)]
    frame = engine.session().createDataFrame(rows, "Needed string, Spare string").transform(typed(Two))
    verdicts = [row[0] for row in frame.select(broken(compile_rules(Two, received=True))).collect()]
    assert verdicts == [[], ["needed:readable", "spare:readable"], ["needed:not_null"], ["needed:not_null"]]


def test_a_row_names_every_rule_it_breaks_in_the_order_of_the_contract(engine):
    class Order(Contract):
        n: T.IntegerType = column("a number", gt=0, lt=-5)
        s: T.StringType = column("a text", isin=["a"], nullable=True)

    frame = engine.session().createDataFrame([(-1, "b")], "n int, s string")
    assert frame.select(broken(compile_rules(Order))).collect()[0][0] == ["n:gt", "n:lt", "s:isin"]


def test_a_date_outside_its_partition_breaks_a_rule(engine):
    class Dated(Contract):
        at: T.TimestampType = column("a time", nullable=True)
        business_date: T.DateType = column("the partition")

    frame = engine.session().sql(
        """SELECT * FROM VALUES
        (TIMESTAMP '2011-03-01 00:00:00', DATE '2011-03-01'),
        (TIMESTAMP '2011-03-01 23:59:59.999999', DATE '2011-03-01'),
        (TIMESTAMP '2011-02-28 23:59:59', DATE '2011-03-01'), (NULL, DATE '2011-03-01') AS t(at, business_date)"""
    )
    rules = compile_rules(Dated, event_time="at")
    assert [row[0] for row in frame.select(broken(rules)).collect()] == [[], [], ["at:on_business_date"], []]


def test_a_contract_without_rules_breaks_none(engine):
    class Free(Contract):
        n: T.IntegerType = column("a number", nullable=True)

    frame = engine.session().createDataFrame([(None,)], "n int")
    assert frame.select(F.size(broken(compile_rules(Free)))).collect()[0][0] == 0


def test_decimals_are_compared_exactly(engine):
    class Money(Contract):
        d: T.DecimalType(18, 3) = column("money", in_range={"min_value": 0, "max_value": 1_000_000})

    frame = engine.session().createDataFrame([(Decimal("1000000.000"),), (Decimal("1000000.001"),)], "d decimal(18,3)")
    assert [row[0] for row in frame.select(broken(compile_rules(Money))).collect()] == [[], ["d:in_range"]]


def test_reasons_of_the_reader_become_rules(engine):
    reasons = ["fields: 3 of 8", "quote", "file:header: no such column", "file:too_long", "not_object: [1]"]
    frame = engine.session().createDataFrame([(reason,) for reason in reasons], "reason string")
    found = picked(frame.select(reader_rule(F.col("reason")).alias("rule")), "rule")
    assert found == [
        ("record:fields",),
        ("record:quote",),
        ("file:header",),
        ("file:too_long",),
        ("record:not_object",),
    ]


def test_a_check_that_cannot_judge_a_row_is_refused():
    class Lambda(Contract):
        n: T.IntegerType = column("a number")

        @pandera.pyspark.check("n")
        def even(cls, _):  # noqa: N805 - Pandera's way
            return True

    with pytest.raises(TypeError, match="even"):
        columns_of(Lambda)


def test_a_check_that_is_not_known_here_is_refused():
    class Strange(Contract):
        n: T.IntegerType = column("a number", ne=3)

    with pytest.raises(TypeError, match=re.escape("Strange.n: the check 'not_equal_to' cannot judge a row here")):
        compile_rules(Strange)


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ({"in_range": {"min_value": -1000, "max_value": 1000}}, "-1,000 to 1,000"),
        ({"in_range": {"min_value": 0, "max_value": 1, "include_min": False}}, "0 excluded to 1"),
        ({"ge": dt.date(2011, 1, 1)}, "at least 2011-01-01"),
        ({"lt": 5}, "less than 5"),
        ({"isin": ["a", "b"]}, "one of a, b"),
        ({"notin": list("abcdefgh")}, "none of a, b, c, d, e, f and 2 more"),
        ({"str_matches": r"\d+"}, r"text like \d+"),
        ({"str_length": {"max_value": 3}}, "of up to 3 characters"),
        ({"str_length": {"min_value": 2, "max_value": 3}}, "of from 2 up to 3 characters"),
    ],
)
def test_a_check_is_said_in_words(check, words):
    class Checked(Contract):
        n: T.StringType = column("a value", **check)

    (own,) = columns_of(Checked)
    assert [check_text(name, arguments) for name, arguments in own.checks] == [words]


class Versioned(Contract):
    """What versions are told by."""

    n: T.IntegerType = column("a number", gt=0)
    day_rules = (duplicates(at_most=0.1),)

    @rule("positive")
    @staticmethod
    def positive(n: Column) -> Column:
        return n > 0


def same(**changed):
    """Return that contract anew, with other words about its column, or something else changed."""

    class Versioned(Contract):
        n: T.IntegerType = column("the number", **{"gt": 0, **changed.get("n", {})})
        day_rules = changed.get("day_rules", (duplicates(at_most=0.1),))

        @rule(changed.get("reason", "positive"))
        @staticmethod
        def positive(n: Column) -> Column:
            return n > 0

    return Versioned


def test_the_version_of_rules_changes_with_any_of_them_and_not_with_words_about_columns():
    policy = Policy(("n",))
    versions = [
        rules_version(contract, policy)
        for contract in (
            same(),
            same(n={"gt": 1}),
            same(n={"when_broken": "warn"}),
            same(n={"nullable": True}),
            same(n={"references": "silver.numbers.n"}),
            same(day_rules=()),
            same(day_rules=(duplicates(at_most=0.2),)),
            same(reason="more than nothing"),
        )
    ]
    versions += [rules_version(same(), Policy(("n",), hold_above=0.1))]
    assert len(set(versions)) == len(versions)
    assert all(re.fullmatch("[0-9a-f]{12}", version) for version in versions)
    assert rules_version(same(), policy) == versions[0]


def test_the_version_of_rules_changes_with_the_text_of_a_custom_rule():
    class Other(Contract):
        n: T.IntegerType = column("a number", gt=0)
        day_rules = (duplicates(at_most=0.1),)

        @rule("positive")
        @staticmethod
        def positive(n: Column) -> Column:
            return n > 1

    assert rules_version(Other, Policy(("n",))) != rules_version(Versioned, Policy(("n",)))
