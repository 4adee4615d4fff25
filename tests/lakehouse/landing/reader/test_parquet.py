"""Parquet: types, undeclared columns, and files that must be refused."""

from __future__ import annotations

import datetime as dt
import io
import json
import random
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.landing.reader import ParquetFormat
from tests.lakehouse.landing.reader.outcome import outcome_of, records

UTC = dt.UTC
NOON = dt.datetime(2011, 11, 28, 12, 0, tzinfo=UTC)
MIDNIGHT = dt.datetime(2011, 11, 28, tzinfo=UTC)
DAY = dt.date(2011, 11, 28)
LATE = dt.datetime(9999, 12, 31, tzinfo=UTC)

PRODUCTS = ParquetFormat(
    (
        ("stock_code", "string"),
        ("cost", "decimal(18,3)"),
        ("reorder_level", "int32"),
        ("updated_at", "timestamp"),
    )
)


def file_of(table: pa.Table | dict, **options) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(table), sink, **options)
    return sink.getvalue()


def column_of(values: list, type_: pa.DataType | None = None) -> bytes:
    return file_of({"v": pa.array(values, type_)})


def value_as(content: bytes, type_text: str):
    """The one value read, or the reason for which the file is refused."""
    [row] = records(content, ParquetFormat((("v", type_text),)))
    return row["reject_reason"] or row["v"]


def test_a_file_of_the_declared_types_is_read_exactly():
    table = pa.table(
        {
            "stock_code": ["85123A", None],
            "cost": pa.array([Decimal("2.550"), None], pa.decimal128(18, 3)),
            "reorder_level": pa.array([10, None], pa.int32()),
            "updated_at": pa.array([NOON, None], pa.timestamp("us", "UTC")),
        }
    )
    assert outcome_of(file_of(table), PRODUCTS).rows == [
        (1, "85123A", Decimal("2.550"), 10, NOON),
        (2, None, None, None, None),
    ]


def test_columns_may_come_in_any_order_and_case_and_may_be_missing():
    content = file_of({"Reorder_Level": pa.array([10], pa.int32()), "STOCK_CODE": ["85123A"]})
    assert outcome_of(content, PRODUCTS).rows == [(1, "85123A", None, 10, None)]


def test_a_file_without_rows_is_legal():
    assert outcome_of(file_of({"stock_code": pa.array([], pa.string())}), PRODUCTS).rows == []


@pytest.mark.parametrize("block_bytes", [1, 1000, 2 << 20])
def test_records_are_numbered_through_batches_and_row_groups(block_bytes: int):
    content = file_of({"stock_code": [f"code {i}" for i in range(500)]}, row_group_size=70)
    rows = outcome_of(content, PRODUCTS, block_bytes).rows
    assert [(row[0], row[1]) for row in rows] == [(i + 1, f"code {i}") for i in range(500)]


@pytest.mark.parametrize(
    ("content", "type_text", "expected"),
    [
        (column_of([7], pa.int64()), "int32", 7),
        (column_of([7], pa.uint8()), "int64", 7),
        (column_of([7], pa.int64()), "decimal(18,3)", Decimal("7.000")),
        (column_of([7], pa.int64()), "decimal(4,3)", Decimal("7.000")),
        (column_of([Decimal("7.00")]), "int64", 7),
        (column_of([Decimal("7.5")]), "decimal(18,3)", Decimal("7.500")),
        (column_of([Decimal("7.5000")]), "decimal(18,3)", Decimal("7.500")),
        (column_of([NOON], pa.timestamp("ms", "Europe/London")), "timestamp", NOON),
        (column_of([NOON], pa.timestamp("ns", "UTC")), "timestamp", NOON),
        (column_of([NOON.replace(tzinfo=None)], pa.timestamp("us")), "timestamp", NOON),
        (column_of([DAY]), "timestamp", MIDNIGHT),
        (column_of([MIDNIGHT], pa.timestamp("us", "UTC")), "date", DAY),
        (column_of([7], pa.int64()), "string", "7"),
        (column_of([b"caf\xc3\xa9"]), "string", "café"),
        (column_of(["a"], pa.large_string()), "string", "a"),
        (file_of({"v": pa.array(["a"]).dictionary_encode()}), "string", "a"),
        (column_of([None], pa.null()), "decimal(18,3)", None),
    ],
)
def test_a_type_that_differs_is_cast_when_no_value_changes(content: bytes, type_text: str, expected):
    assert value_as(content, type_text) == expected


@pytest.mark.parametrize(
    ("content", "type_text", "reason"),
    [
        (column_of([2**31]), "int32", "column v is int64, expected int32: Integer value 2147483648 not in range"),
        (column_of([2.0]), "int32", "column v is double, expected int32"),
        (column_of([2.5]), "decimal(18,3)", "column v is double, expected decimal128(18, 3)"),
        (column_of([Decimal("2.5551")]), "decimal(18,3)", "column v is decimal128(5, 4), expected decimal128(18, 3): "),
        (column_of([Decimal("2.5")]), "int32", "column v is decimal128(2, 1), expected int32: "),
        (column_of([10]), "decimal(4,3)", "column v is int64, expected decimal128(4, 3): "),
        (column_of(["7"]), "int32", "column v is string, expected int32"),
        (column_of([1]), "boolean", "column v is int64, expected bool"),
        (column_of([1322481600]), "timestamp", "column v is int64, expected timestamp[us, tz=UTC]"),
        (column_of([1], pa.timestamp("ns")), "timestamp", "column v is timestamp[ns], expected timestamp[us, tz=UTC]"),
        (column_of([NOON], pa.timestamp("us", "UTC")), "date", "column v is timestamp[us, tz=UTC], expected date32"),
        (column_of([b"\xff"]), "string", "column v is binary, expected string: Invalid UTF8"),
        (column_of([["a"]]), "string", "column v is list<element: string>, expected string"),
    ],
)
def test_a_type_that_differs_refuses_the_file_when_a_value_would_change(content: bytes, type_text: str, reason: str):
    assert value_as(content, type_text).startswith(f"file:schema: {reason}")


def test_a_late_row_that_does_not_fit_refuses_the_whole_file():
    content = file_of({"reorder_level": [1] * 1000 + [2**40]}, row_group_size=100)
    assert outcome_of(content, PRODUCTS, 1000).refused == "schema"


def test_timestamps_of_old_spark_keep_dates_beyond_the_range_of_nanoseconds():
    content = file_of({"v": pa.array([LATE], pa.timestamp("us"))}, use_deprecated_int96_timestamps=True)
    assert value_as(content, "timestamp") == LATE


def test_undeclared_columns_are_rescued_exactly():
    table = {
        "stock_code": ["85123A"],
        "price": pa.array([Decimal("12345678901234567.890")]),
        "at": pa.array([1322481600000000001], pa.timestamp("ns", "UTC")),
        "day": pa.array([DAY]),
        "count": pa.array([2**62]),
        "weight": pa.array([0.1]),
        "took": pa.array([1_500_000], pa.duration("us")),
        "nothing": pa.array([None], pa.string()),
        "bytes": pa.array([b"\xff\x00"]),
        "tags": pa.array([["é", None]]),
        "nested": pa.array([{"days": [DAY], "cost": Decimal("1.10")}]),
        "map": pa.array([[("k", Decimal("1.10"))]], pa.map_(pa.string(), pa.decimal128(5, 2))),
        "not_finite": pa.array([[float("nan"), float("inf"), 1.5]]),
    }
    [row] = records(file_of(table), PRODUCTS)
    assert json.loads(row["rescued_data"]) == {
        "price": "12345678901234567.890",
        "at": "2011-11-28 12:00:00.000000001Z",
        "day": "2011-11-28",
        "count": 2**62,
        "weight": 0.1,
        "took": "1500000",
        "nothing": None,
        "bytes": "/wA=",
        "tags": ["é", None],
        "nested": {"days": ["2011-11-28"], "cost": "1.10"},
        "map": [["k", "1.10"]],
        "not_finite": ["nan", "inf", 1.5],
    }
    assert row["reject_reason"] is None


@pytest.mark.parametrize(
    ("content", "refused"),
    [
        (b"", "parquet"),
        (b"PAR1", "parquet"),
        (b"id,name\n1,ann\n", "parquet"),
        (column_of([1])[:-20], "parquet"),
        (b"\0" * 100 + column_of(["a"] * 100)[100:], "parquet"),
        (column_of([1]), "schema"),
        (file_of({"stock_code": ["a"], "Stock_Code": ["b"]}), "schema"),
        (file_of({"stock_code": ["a"], "x": [1], "X": [2]}), "schema"),
    ],
    ids=["empty", "magic only", "CSV", "cut short", "damaged page", "nothing declared", "column twice", "other twice"],
)
def test_a_file_that_cannot_be_understood_is_refused(content: bytes, refused: str):
    assert outcome_of(content, PRODUCTS).refused == refused


def test_text_that_is_not_utf8_refuses_the_file_as_no_table_could_store_it():
    text = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    assert value_as(file_of({"v": text}), "string").startswith("file:parquet: ")


def test_a_page_whose_checksum_is_wrong_refuses_the_file():
    content = file_of(
        {"stock_code": ["aaaaaaaa"]}, compression="none", use_dictionary=False, write_page_checksum=True,
        write_statistics=False, store_schema=False,
    )  # fmt: skip
    assert outcome_of(content, PRODUCTS).rows == [(1, "aaaaaaaa", None, None, None)]
    assert outcome_of(content.replace(b"aaaaaaaa", b"aaaabaaa"), PRODUCTS).refused == "parquet"


def test_no_damage_to_a_file_raises():
    seed = 20111128
    chance = random.Random(seed)  # noqa: S311 - damage, no secrets
    whole = file_of({"stock_code": [f"code {i}" for i in range(200)], "x": list(range(200))}, row_group_size=50)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.choice([1, 1, 4, 50])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        outcome = outcome_of(bytes(damaged), PRODUCTS)
        assert outcome.refused or len(outcome.rows) <= 200, f"seed {seed}: {bytes(damaged)!r}"
