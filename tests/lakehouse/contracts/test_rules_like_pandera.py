"""Ten thousand fuzzed rows: those that break our rules are those that Pandera's own ``validate`` refuses.

Pandera tells of a frame which checks it fails, never which rows. So it is asked about each value in a frame of one row,
and about all that we call good at once.
"""

from __future__ import annotations

import datetime as dt
import random
import string
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pyspark.sql.types as T  # noqa: N812
import pytest

from lakehouse.contracts.contract import Contract, arrow_schema, column, columns_of
from lakehouse.contracts.rule_compiler import broken, compile_rules
from lakehouse.engines.sail import SailEngine
from tests.embedded import on_both

ROWS = 10_000
VALUES = 32
"""Distinct values of a column: Pandera is asked about each, with a query for each check."""
_OPEN = {"include_min": False, "include_max": False}


class Fuzzed(Contract):
    """Every check that a contract may have, over every type it takes, on columns that must and need not be given."""

    a: T.IntegerType = column("", in_range={"min_value": -100, "max_value": 100})
    b: T.IntegerType = column("", nullable=True, in_range={"min_value": -1, "max_value": 2**31 - 1, **_OPEN})
    c: T.LongType = column("", nullable=True, gt=0, le=2**63 - 2)
    d: T.LongType = column("", ge=-(2**63) + 1, lt=2**62)
    e: T.DecimalType(18, 3) = column("", nullable=True, ge=0, lt=10**15 - 1)  # type: ignore[valid-type]
    f: T.DecimalType(38, 0) = column("", in_range={"min_value": Decimal(-(10**20)), "max_value": Decimal(10**20)})  # type: ignore[valid-type]
    g: T.DoubleType = column("", nullable=True, gt=-1e300, le=1e300)
    h: T.DateType = column("", nullable=True, ge=dt.date(2010, 12, 1), lt=dt.date(2012, 1, 1))
    i: T.TimestampType = column("", gt=dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
    j: T.StringType = column("", nullable=True, isin=["sale", "", "Ä"])
    k: T.StringType = column("", notin=["sale", "", "Ä"])
    l: T.IntegerType = column("", nullable=True, isin=[0, -1, 2**31 - 1])  # noqa: E741 - a letter for each column
    m: T.StringType = column("", nullable=True, str_matches=r"[AC]?\d{1,6}$")
    n: T.StringType = column("", str_contains=r"\d")
    o: T.StringType = column("", nullable=True, str_startswith="A", str_endswith="Z")
    p: T.StringType = column("", nullable=True, str_length={"min_value": 1, "max_value": 5})
    q: T.StringType = column("", str_length={"exact_value": 2})
    r: T.BooleanType = column("")


EXTREMES = {
    "int32": [0, 1, -1, 2, 100, 101, -100, -101, 2**31 - 1, 2**31 - 2, -(2**31)],
    "int64": [0, 1, -1, 2**62, 2**62 - 1, 2**63 - 1, 2**63 - 2, -(2**63), -(2**63) + 1],
    "decimal128(18, 3)": [Decimal(text) for text in ("0", "-0.001", "0.001", "999999999999999.999", "999999999999999")],
    "decimal128(38, 0)": [Decimal(number) for number in (0, 10**20, 10**20 + 1, -(10**20) - 1, 10**38 - 1, 1 - 10**38)],
    "double": [0.0, -0.0, 1e300, 1.1e300, -1e300, float("nan"), float("inf"), float("-inf"), 5e-324],
    "date32[day]": [dt.date(2010, 12, 1), dt.date(2010, 11, 30), dt.date(2012, 1, 1), dt.date(1, 1, 1), dt.date.max],
    "timestamp[us, tz=UTC]": [
        dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
        dt.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=dt.UTC),
        dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
    ],
    "string": [
        "",
        " ",
        "sale",
        "Sale",
        "Ä",
        "A\u0308",
        "\n",
        "AZ",
        "A\nZ",
        "A1",
        "C123456",
        "12\n",
        "1" * 4000,
        "🙂🙂",
    ],
    "bool": [True, False],
}
"""Values at the edges of the checks and of the types."""


def pool(type_: pa.DataType, size: int, chance: random.Random) -> list[object]:
    """Return values of a type: none, the extremes, and random ones."""
    days = lambda: dt.timedelta(days=chance.randrange(1, 3_000_000))  # noqa: E731
    draw = {
        "int32": lambda: chance.randrange(-(2 ** chance.randrange(4, 31)), 2 ** chance.randrange(4, 31)),
        "int64": lambda: chance.randrange(-(2 ** chance.randrange(4, 63)), 2 ** chance.randrange(4, 63)),
        "decimal128(18, 3)": lambda: Decimal(chance.randrange(-(10**18) + 1, 10**18)).scaleb(-3),
        "decimal128(38, 0)": lambda: Decimal(chance.randrange(-(10 ** chance.randrange(1, 38)), 10**37)),
        "double": lambda: chance.uniform(-1, 1) * 10.0 ** chance.randrange(-300, 309),
        "date32[day]": lambda: dt.date(1, 1, 1) + days(),
        "timestamp[us, tz=UTC]": lambda: dt.datetime(1, 1, 1, tzinfo=dt.UTC) + days(),
        "string": lambda: "".join(chance.choices("AZ19 sale\té€" + string.punctuation, k=chance.randrange(7))),
        "bool": lambda: None,
    }[str(type_)]
    edges = EXTREMES[str(type_)]
    return [None, *chance.sample(edges, min(len(edges), size - 1))] + [draw() for _ in range(size - 1 - len(edges))]


def frame(engine, rows, **more):
    made = pa.Table.from_pylist(rows, schema=arrow_schema(Fuzzed))
    for name, values in more.items():
        made = made.append_column(name, pa.array(values))
    return engine.session().createDataFrame(made)


def refused(engine, rows) -> set[str]:
    """Return the rules that rows break, by Pandera's own verdict, in our words."""
    ours = {"greater_than_or_equal_to": "ge", "greater_than": "gt", "less_than_or_equal_to": "le", "less_than": "lt"}
    found = Fuzzed.validate(frame(engine, rows)).pandera.errors
    assert not found.get("DATA", {}).get("CHECK_ERROR")
    names = set()
    for error in (error for kinds in found.values() for errors in kinds.values() for error in errors):
        check = error["check"].split("(")[0]
        names.add(f"{error['column']}:{'not_null' if check == 'not_nullable' else ours.get(check, check)}")
    return names


@dataclass
class Verdicts:
    """Random rows, and the rules that each breaks by Pandera's own verdict on its values."""

    rows: list[dict[str, object]]
    broken_by: dict[str, list[set[str]]]
    expected: list[list[str]]


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    """Ask Pandera about every value, on the embedded engine, and draw rows of them."""
    engine, chance = SailEngine("unused"), random.Random(20_111_209)  # noqa: S311 - no secret
    pools = {own.name: pool(own.type, VALUES, chance) for own in arrow_schema(Fuzzed)}
    broken_by = {name: [set[str]() for _ in values] for name, values in pools.items()}
    for place in range(VALUES):
        row = {name: values[place % len(values)] for name, values in pools.items()}
        for rule in refused(engine, [row]):
            name = rule.split(":")[0]
            broken_by[name][place % len(pools[name])].add(rule)
    drawn = [{name: chance.randrange(len(values)) for name, values in pools.items()} for _ in range(ROWS)]
    # Most rows would break some rule: every other one keeps to good values, but for a column or two.
    good = {name: [place for place, rules in enumerate(found) if not rules] for name, found in broken_by.items()}
    for row in drawn[::2]:
        row.update({name: chance.choice(good[name]) for name in chance.sample(sorted(pools), len(pools) - 1)})
    for row in drawn[::4]:
        row.update({name: chance.choice(good[name]) for name in pools})
    rows = [{name: pools[name][place] for name, place in row.items()} for row in drawn]
    expected = [sorted(rule for name, place in row.items() for rule in broken_by[name][place]) for row in drawn]
    return Verdicts(rows, broken_by, expected)


@on_both
def test_rows_that_break_our_rules_are_those_that_pandera_refuses(engine, verdicts):
    numbered = frame(engine, verdicts.rows, number=range(ROWS))
    judged = engine.collect(numbered.select("number", broken(compile_rules(Fuzzed)).alias("rules"))).to_pylist()
    assert {row["number"]: sorted(row["rules"]) for row in judged} == dict(enumerate(verdicts.expected))


def test_pandera_refuses_none_of_the_rows_that_break_no_rule(engine, verdicts):
    passed = [row for row, rules in zip(verdicts.rows, verdicts.expected, strict=True) if not rules]
    assert ROWS // 5 < len(passed) < ROWS // 2
    assert refused(engine, passed) == set()


def test_some_values_pass_each_rule_and_some_break_it(verdicts):
    rules = compile_rules(Fuzzed)
    for own in columns_of(Fuzzed):
        found = verdicts.broken_by[own.name]
        named = {rule.name for rule in rules if rule.columns == (own.name,)}
        assert set().union(*found) == named, own.name
        assert all(any(rule not in value for value in found) for rule in named), own.name
