"""The predicates that name the rows a write replaces: as SQL for the committer, as a column for the session."""

from __future__ import annotations

import datetime as dt
import functools

import duckdb
import pyarrow as pa
import pytest
from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

from lakehouse.delta.model import TableLayout
from lakehouse.delta.predicates import Predicate, date_ranges, text_literal
from lakehouse.engines.sail import SailEngine
from tests.scenario import day


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("plain", "'plain'"),
        ("", "''"),
        ("ba'z", "'ba''z'"),
        ("''", "''''''"),
        ("back\\slash", "'back\\slash'"),
        ("' OR 1=1 --", "''' OR 1=1 --'"),
        ("ünï 雪", "'ünï 雪'"),
    ],
)
def test_a_text_is_quoted_for_sql(text, literal):
    assert text_literal(text) == literal
    assert duckdb.sql(f"SELECT {literal}").fetchall() == [(text,)]


def test_a_nul_in_a_text_is_refused():
    with pytest.raises(ValueError, match="NUL"):
        text_literal("a\0b")


@pytest.mark.parametrize("name", ["business date", "a;b", "", "1st", "a'b", 'a"b'])
def test_a_column_name_that_would_need_quoting_is_refused(name):
    with pytest.raises(ValueError, match="not a plain column name"):
        Predicate(name, (day(1),)).sql  # noqa: B018 - the property is what is tested


def test_a_predicate_without_dates_is_refused():
    with pytest.raises(ValueError, match="business_date needs at least one date"):
        Predicate("business_date", (), equals=(("table_name", "silver.transactions"),))


@pytest.mark.parametrize(
    ("days", "ranges"),
    [
        ([], []),
        ([day(5)], [(day(5), day(5))]),
        ([day(5), day(6), day(7)], [(day(5), day(7))]),
        ([day(7), day(5), day(6), day(5)], [(day(5), day(7))]),
        ([day(1), day(3), day(4)], [(day(1), day(1)), (day(3), day(4))]),
        ([dt.date(2010, 12, 31), dt.date(2011, 1, 1)], [(dt.date(2010, 12, 31), dt.date(2011, 1, 1))]),
        ([dt.date.min, dt.date.max], [(dt.date.min, dt.date.min), (dt.date.max, dt.date.max)]),
    ],
)
def test_days_become_ranges_of_consecutive_days(days, ranges):
    assert list(date_ranges(days)) == ranges


@pytest.mark.parametrize(
    ("predicate", "sql"),
    [
        (Predicate("d", (day(1),)), "(d = '2011-03-01')"),
        (Predicate("d", (day(2), day(1))), "((d >= '2011-03-01' AND d <= '2011-03-02'))"),
        (
            Predicate("d", (day(1), day(2), day(9)), (("t", "it's"),)),
            "t = 'it''s' AND ((d >= '2011-03-01' AND d <= '2011-03-02') OR d = '2011-03-09')",
        ),
    ],
)
def test_a_predicate_reads_as_sql(predicate, sql):
    assert predicate.sql == sql


SCHEMA = pa.schema([("table_name", pa.string()), ("business_date", pa.date32()), ("n", pa.int64())])


def test_the_sql_and_the_column_select_the_same_rows(engine):
    predicates = [
        Predicate("business_date", (day(2),)),
        Predicate("business_date", (day(1), day(2), day(3))),
        Predicate("business_date", (day(1), day(4))),
        Predicate("business_date", (day(2), day(3)), (("table_name", "ba'z"),)),
        Predicate("business_date", (day(1), day(2), day(3), day(4)), (("table_name", "a\\b"),)),
        Predicate("business_date", (day(30),)),
        # hundreds of days with gaps between them
        Predicate("business_date", tuple(day(1) + dt.timedelta(days=2 * number) for number in range(300))),
    ]
    names = ["plain", "ba'z", "a\\b", "' OR 1=1 --"]
    rows = pa.Table.from_pylist(
        [
            {"table_name": name, "business_date": on, "n": number}
            for number, (name, on) in enumerate((name, on) for name in names for on in (day(1), day(2), day(4), None))
        ],
        schema=SCHEMA,
    )
    SailEngine(engine.root).append(TableLayout("silver.some", SCHEMA, ()), rows)

    selected = [
        engine.read("silver.some", predicate).select(F.lit(place).alias("place"), "n")
        for place, predicate in enumerate(predicates)
    ]
    found = engine.collect(functools.reduce(lambda one, other: one.unionAll(other), selected)).to_pylist()

    for place, predicate in enumerate(predicates):
        by_column = sorted(row["n"] for row in found if row["place"] == place)
        by_sql = duckdb.sql(f"SELECT n FROM rows WHERE {predicate.sql} ORDER BY n").fetchall()  # noqa: S608 - the SQL is what is tested
        assert by_column == [number for (number,) in by_sql], predicate.sql[:200]
