"""Received text becomes the contract's types, exactly or not at all."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyspark.sql.types as T  # noqa: N812
import pytest

from lakehouse.contracts.casting import RECEIVED, typed
from lakehouse.contracts.contract import Contract, column
from lakehouse.contracts.rule_compiler import broken, compile_rules


class Everything(Contract):
    """A column of each type."""

    whole: T.IntegerType = column("an integer", source="Whole", nullable=True)
    number: T.LongType = column("a long integer", source="Number", nullable=True)
    money: T.DecimalType(18, 3) = column("an amount", source="Money", nullable=True)
    at: T.TimestampType = column("a time", source="At", nullable=True)
    flag: T.BooleanType = column("yes or no", source="Flag", nullable=True)
    text: T.StringType = column("a text", source="Text", nullable=True)


SOURCES = ("Whole", "Number", "Money", "At", "Flag", "Text")


@pytest.fixture(scope="module")
def cast():
    """Type received texts, all of them in one column."""
    from lakehouse.engines.sail import SailEngine

    def apply(source: str, texts: list[str | None]) -> list[object]:
        session = SailEngine("unused").session()
        schema = ", ".join(f"{name} string" for name in SOURCES)
        rows = [tuple(text if name == source else None for name in SOURCES) for text in texts]
        frame = session.createDataFrame(rows, schema).transform(typed(Everything))
        return [row[source.lower()] for row in frame.collect()]

    return apply


def test_integers_are_taken_if_they_are_whole(cast):
    texts = ["17850", "17850.0", " 12 ", "+3", "-0", "007", "-2147483648"]
    assert cast("Whole", texts) == [17850, 17850, 12, 3, 0, 7, -2147483648]


def test_what_is_no_whole_number_is_null(cast):
    texts = ["1.5", "2147483648", "six", "1,000", "1_000", "0x10", "NaN", "Infinity", "12abc", "--1"]
    assert cast("Whole", texts) == [None] * len(texts)


def test_long_integers_keep_every_digit(cast):
    texts = ["9223372036854775807", "-9223372036854775808", "9223372036854775808", "9007199254740993.0"]
    assert cast("Number", texts) == [9223372036854775807, -9223372036854775808, None, 9007199254740993]


def test_decimals_are_never_rounded(cast):
    texts = ["2.55", "2.550000", "999999999999999.999", "0.0005", "2.5500000000000003", "2.5555", "1000000000000000"]
    expected = [Decimal("2.550"), Decimal("2.550"), Decimal("999999999999999.999"), None, None, None, None]
    assert cast("Money", texts) == expected


def test_times_without_a_zone_are_utc_and_others_are_brought_to_utc(cast):
    texts = ["2011-11-28 08:48:00", "2011-11-28T08:48:00Z", "2011-11-28T08:48:00+02:00", "2011-11-28"]
    hours = [8, 8, 6, 0]
    expected = [dt.datetime(2011, 11, 28, hour, 48 if hour else 0) for hour in hours]  # noqa: DTZ001 - as collected
    assert cast("At", texts) == expected


def test_half_a_date_is_no_time(cast):
    texts = ["08:48", "T08:48", "08:48:00.123456", "2011", "2011-11", "2011-11-31", "12/1/2010 8:26", "now", "today"]
    assert cast("At", texts) == [None] * len(texts)


def test_yes_and_no_are_read_and_maybe_is_null(cast):
    assert cast("Flag", ["true", "false", "TRUE", "maybe", "2"]) == [True, False, True, None, None]


def test_text_is_trimmed(cast):
    assert cast("Text", [" lantern ", "two  words", "ÄÖ\t"]) == ["lantern", "two  words", "ÄÖ\t"]


@pytest.mark.parametrize("source", SOURCES)
def test_blank_and_missing_values_are_null(cast, source):
    assert cast(source, ["", "   ", None]) == [None, None, None]


def test_what_was_received_stays_beside_the_typed_columns(engine):
    frame = engine.session().createDataFrame([("1.5", " x ", 7)], "Whole string, Text string, source_record bigint")

    class Two(Contract):
        whole: T.IntegerType = column("an integer", source="Whole", nullable=True)
        text: T.StringType = column("a text", source="Text", nullable=True)

    (row,) = frame.transform(typed(Two)).collect()
    assert row.asDict(recursive=True) == {
        "source_record": 7,
        RECEIVED: {"Whole": "1.5", "Text": " x "},
        "whole": None,
        "text": "x",
    }


def test_a_source_column_of_the_same_name_gives_way_to_the_typed_one(engine):
    class Same(Contract):
        amount: T.DecimalType(18, 3) = column("an amount", source="amount", nullable=True)

    frame = engine.session().createDataFrame([("2.5",)], "amount string").transform(typed(Same))
    assert [(name, kind) for name, kind in frame.dtypes if name == "amount"] == [("amount", "decimal(18,3)")]


def test_values_typed_by_the_source_are_taken_as_they_are(engine):
    class Typed(Contract):
        cost: T.DecimalType(18, 3) = column("an amount", source="cost", nullable=True)
        at: T.TimestampType = column("a time", source="at", nullable=True)

    frame = engine.session().sql("SELECT CAST(1.25 AS DECIMAL(18,3)) AS cost, TIMESTAMP '2011-03-01 09:00:00' AS at")
    (row,) = frame.transform(typed(Typed)).collect()
    assert (row.cost, row.at) == (Decimal("1.250"), dt.datetime(2011, 3, 1, 9))  # noqa: DTZ001 - as collected


def test_a_typed_value_that_does_not_fit_exactly_is_null(engine):
    class Small(Contract):
        level: T.IntegerType = column("a level", source="level", nullable=True)

    session = engine.session()
    frame = session.sql("SELECT * FROM VALUES (CAST(3000000000 AS BIGINT)), (CAST(20 AS BIGINT)) AS t(level)")
    assert [row.level for row in frame.transform(typed(Small)).collect()] == [None, 20]


@pytest.mark.parametrize("name", ["Shop.Id", 'Shop "Id"', "Shop`Id"])
def test_a_source_column_may_have_any_name(engine, name):
    class Shops(Contract):
        shop: T.IntegerType = column("a shop", source=name, nullable=True)

    given = pa.table({name: ["7", "six", " "], "Till.No": ["1", "2", "3"]})
    frame = engine.session().createDataFrame(given).transform(typed(Shops))
    unreadable = broken(compile_rules(Shops, received=True)).alias("broken")
    rows = [row.asDict(recursive=True) for row in frame.select("*", unreadable).collect()]
    assert rows == [
        {"Till.No": "1", RECEIVED: {name: "7"}, "shop": 7, "broken": []},
        {"Till.No": "2", RECEIVED: {name: "six"}, "shop": None, "broken": ["shop:readable"]},
        {"Till.No": "3", RECEIVED: {name: " "}, "shop": None, "broken": []},
    ]
