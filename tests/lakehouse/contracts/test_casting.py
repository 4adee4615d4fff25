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
from lakehouse.engines.factory import open_engine
from tests.conftest import ENGINES
from tests.embedded import on_both


class Everything(Contract):
    """A column of each type."""

    whole: T.IntegerType = column("an integer", source="Whole", nullable=True)
    number: T.LongType = column("a long integer", source="Number", nullable=True)
    money: T.DecimalType(18, 3) = column("an amount", source="Money", nullable=True)
    at: T.TimestampType = column("a time", source="At", nullable=True)
    flag: T.BooleanType = column("yes or no", source="Flag", nullable=True)
    text: T.StringType = column("a text", source="Text", nullable=True)


SOURCES = ("Whole", "Number", "Money", "At", "Flag", "Text")
INTEGERS = {
    "17850": 17850,
    "17850.0": 17850,
    " 12 ": 12,
    "+3": 3,
    "-0": 0,
    "007": 7,
    "-2147483648": -2147483648,
}
NO_INTEGERS = ("1.5", "2147483648", "six", "1,000", "1_000", "0x10", "NaN", "Infinity", "12abc", "--1")
LONG_INTEGERS = {
    "9223372036854775807": 9223372036854775807,
    "-9223372036854775808": -9223372036854775808,
    "9223372036854775808": None,
    "9007199254740993.0": 9007199254740993,
}
DECIMALS = {
    "2.55": Decimal("2.550"),
    "2.550000": Decimal("2.550"),
    "999999999999999.999": Decimal("999999999999999.999"),
    "0.0005": None,
    "2.5500000000000003": None,
    "2.5555": None,
    "1000000000000000": None,
}
TIMES = {
    "2011-11-28 08:48:00": dt.datetime(2011, 11, 28, 8, 48),  # noqa: DTZ001 - as collected
    "2011-11-28T08:48:00Z": dt.datetime(2011, 11, 28, 8, 48),  # noqa: DTZ001
    "2011-11-28T08:48:00+02:00": dt.datetime(2011, 11, 28, 6, 48),  # noqa: DTZ001
    "2011-11-28": dt.datetime(2011, 11, 28),  # noqa: DTZ001
}
NO_TIMES = ("08:48", "T08:48", "08:48:00.123456", "2011", "2011-11", "2011-11-31", "12/1/2010 8:26", "now", "today")
FLAGS = {"true": True, "false": False, "TRUE": True, "maybe": None, "2": None}
TEXTS = {" lantern ": "lantern", "two  words": "two  words", "ÄÖ\t": "ÄÖ\t"}
BLANK = ("", "   ", None)
EVERY = {
    "Whole": [*INTEGERS, *NO_INTEGERS, *BLANK],
    "Number": [*LONG_INTEGERS, *BLANK],
    "Money": [*DECIMALS, *BLANK],
    "At": [*TIMES, *NO_TIMES, *BLANK],
    "Flag": [*FLAGS, *BLANK],
    "Text": [*TEXTS, *BLANK],
}
"""Every text that is received here, by its column."""


@pytest.fixture(scope="module", params=ENGINES)
def cast(request):
    """Type every text at once, on each engine, and say what became of some of a column."""
    url = request.getfixturevalue("spark_url") if request.param == "spark" else ""
    session = open_engine("unused", request.param, url).session()
    received = [(source, text) for source, texts in EVERY.items() for text in texts]
    rows = [tuple(text if name == source else None for name in SOURCES) for source, text in received]
    frame = session.createDataFrame(rows, ", ".join(f"{name} string" for name in SOURCES))
    made = zip(received, frame.transform(typed(Everything)).collect(), strict=True)
    values = {(source, text): row[source.lower()] for (source, text), row in made}
    return lambda source, texts: {text: values[source, text] for text in texts}


def test_integers_are_taken_if_they_are_whole(cast):
    assert cast("Whole", INTEGERS) == INTEGERS


def test_what_is_no_whole_number_is_null(cast):
    assert cast("Whole", NO_INTEGERS) == dict.fromkeys(NO_INTEGERS)


def test_long_integers_keep_every_digit(cast):
    assert cast("Number", LONG_INTEGERS) == LONG_INTEGERS


def test_decimals_are_never_rounded(cast):
    assert cast("Money", DECIMALS) == DECIMALS


def test_times_without_a_zone_are_utc_and_others_are_brought_to_utc(cast):
    assert cast("At", TIMES) == TIMES


def test_half_a_date_is_no_time(cast):
    assert cast("At", NO_TIMES) == dict.fromkeys(NO_TIMES)


def test_yes_and_no_are_read_and_maybe_is_null(cast):
    assert cast("Flag", FLAGS) == FLAGS


def test_text_is_trimmed(cast):
    assert cast("Text", TEXTS) == TEXTS


@pytest.mark.parametrize("source", SOURCES)
def test_blank_and_missing_values_are_null(cast, source):
    assert cast(source, BLANK) == dict.fromkeys(BLANK)


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


@on_both
def test_a_typed_value_that_does_not_fit_exactly_is_null(engine):
    class Small(Contract):
        level: T.IntegerType = column("a level", source="level", nullable=True)

    session = engine.session()
    frame = session.sql("SELECT * FROM VALUES (CAST(3000000000 AS BIGINT)), (CAST(20 AS BIGINT)) AS t(level)")
    assert [row.level for row in frame.transform(typed(Small)).collect()] == [None, 20]


@on_both
def test_a_source_column_may_have_any_name(engine):
    class Shops(Contract):
        shop: T.IntegerType = column("a shop", source="Shop.Id", nullable=True)
        quoted: T.IntegerType = column("a shop", source='Shop "Id"', nullable=True)
        ticked: T.IntegerType = column("a shop", source="Shop`Id", nullable=True)

    names = {"Shop.Id": "shop", 'Shop "Id"': "quoted", "Shop`Id": "ticked"}
    given = pa.table({**{name: ["7", "six", " "] for name in names}, "Till.No": ["1", "2", "3"]})
    frame = engine.session().createDataFrame(given).transform(typed(Shops))
    unreadable = broken(compile_rules(Shops, received=True)).alias("broken")
    rows = [row.asDict(recursive=True) for row in frame.select("*", unreadable).collect()]
    assert rows == [
        {
            "Till.No": till,
            RECEIVED: dict.fromkeys(names, text),
            **dict.fromkeys(names.values(), number),
            "broken": [] if text != "six" else [f"{name}:readable" for name in names.values()],
        }
        for till, text, number in (("1", "7", 7), ("2", "six", None), ("3", " ", None))
    ]
