"""Drift: how the columns of a landing file differ from those declared, and where their values are."""

from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa
import pytest

from lakehouse.ingestion.schema_drift import drift_in, drift_text
from lakehouse.ingestion.staging import Source
from lakehouse.landing.reader import CsvFormat, JsonLinesFormat, ParquetFormat
from tests.lakehouse.ingestion.test_staging import rows, staged
from tests.scenario import CUSTOMERS, PRODUCTS, csv_bytes, customer, jsonl_bytes, parquet_bytes, sale

__all__ = ["staged"]

COLUMNS = ("InvoiceNo", "InvoiceDate", "Country")
STALLS = Source("transactions", CsvFormat(COLUMNS), "InvoiceDate")
FEED = Source("customers", JsonLinesFormat(("id", "email", "at")), "at")
STOCK = Source("products", ParquetFormat((("code", "string"), ("cost", "decimal(9,2)"), ("at", "date"))), "at")
JSONL, PARQUET = "customers/2011-03-10.jsonl", "products/2011-03-10.parquet"


def seen(staged_file) -> list[tuple]:
    """Kind, column, what it was and is, whether its values are rescued, and a sample."""
    return [(each.kind, each.column, each.was, each.is_, each.is_rescued, each.sample) for each in staged_file.drift]


def test_a_file_as_declared_has_no_drift(staged):
    assert staged(csv_bytes([sale("1")])).drift == ()
    assert staged(csv_bytes([])).drift == ()
    assert staged(jsonl_bytes([customer(1)]), JSONL, CUSTOMERS).drift == ()
    assert staged(jsonl_bytes([]), JSONL, CUSTOMERS).drift == ()
    fields = list(PRODUCTS.format.schema)[: len(PRODUCTS.format.columns)]
    products = pa.table({field.name: pa.nulls(2, field.type) for field in fields})
    assert staged(parquet_bytes(products), PARQUET, PRODUCTS).drift == ()


@pytest.mark.parametrize(
    ("content", "expected", "kept"),
    [
        (
            b"InvoiceNo,InvoiceDate,Country,Channel\n1,2011-03-01,FR,\n2,2011-03-01,FR,web\n",
            [("new", "Channel", None, None, True, "web")],
            [("1", "FR", {"Channel": None}), ("2", "FR", {"Channel": "web"})],
        ),
        (
            b"InvoiceNo,InvoiceDate\n1,2011-03-01\n",
            [("missing", "Country", "Country", None, False, None)],
            [("1", None, None)],
        ),
        (
            b"invoiceno,InvoiceDate,COUNTRY\n1,2011-03-01,FR\n",
            [
                ("renamed", "InvoiceNo", "InvoiceNo", "invoiceno", False, None),
                ("renamed", "Country", "Country", "COUNTRY", False, None),
            ],
            [("1", "FR", None)],
        ),
        (
            b"Invoice No,InvoiceDate,Country\n1,2011-03-01,FR\n",
            [("renamed", "InvoiceNo", "InvoiceNo", "Invoice No", True, "1")],
            [(None, "FR", {"Invoice No": "1"})],
        ),
        (
            b"InvoiceDate,invoice_no,Country,\n2011-03-01,1,FR,x\n",
            [
                ("renamed", "InvoiceNo", "InvoiceNo", "invoice_no", True, "1"),
                ("new", "_c3", None, None, True, "x"),
            ],
            [(None, "FR", {"invoice_no": "1", "_c3": "x"})],
        ),
    ],
)
def test_the_header_of_a_csv_file_tells_its_drift_and_no_value_is_lost(staged, content, expected, kept):
    file = staged(content, source=STALLS)
    assert seen(file) == expected
    found = [
        (row["InvoiceNo"], row["Country"], row["rescued_data"] and json.loads(row["rescued_data"]))
        for row in rows(file)
    ]
    assert found == kept


def test_a_header_alone_tells_its_drift(staged):
    assert seen(staged(b"InvoiceNo,InvoiceDate,Country,Channel\n", source=STALLS)) == [
        ("new", "Channel", None, None, True, None)
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([{"id": 1, "email": "a", "at": "x"}, {"id": 2, "at": "x"}], []),
        ([{"id": 1, "email": None, "at": "x"}], []),
        ([{"id": 1, "at": "x"}], [("missing", "email", "email", None, False, None)]),
        (
            [{"id": 1, "email": "a", "at": "x", "tags": [1, {"a": "b"}]}, {"id": 1, "at": "x", "vip": True}],
            [("new", "tags", None, None, True, '[1, {"a": "b"}]'), ("new", "vip", None, None, True, "true")],
        ),
        (
            [{"id": 1, "Email": "a", "at": "x"}],
            [("renamed", "email", "email", "Email", True, "a")],
        ),
        (
            [{"id": 1, "email": "a", "Email": "b", "at": "x"}],
            [("new", "Email", None, None, True, "b")],
        ),
    ],
)
@pytest.mark.parametrize("tail", [b"", b'{"id": \n'], ids=["whole blocks", "line by line"])
def test_the_keys_of_json_lines_tell_their_drift(staged, lines, expected, tail):
    assert seen(staged(jsonl_bytes(lines) + tail, JSONL, FEED)) == expected


def test_a_number_too_long_for_a_number_and_a_deep_value_are_sampled(staged):
    long, deep = "9" * 5000, "[" * 300 + "]" * 300
    content = f'{{"id":1,"email":"a","at":"x","long":{long},"deep":{deep}}}\n'.encode()
    file = staged(content, JSONL, FEED)
    assert [(each.column, each.sample) for each in file.drift] == [("long", long[:100]), ("deep", deep[:100])]
    assert rows(file)[0]["rescued_data"] == f'{{"long":{long},"deep":{deep}}}'


def stock(**changed) -> bytes:
    columns = {
        "code": pa.array(["a"]),
        "cost": pa.array([Decimal("1.50")], pa.decimal128(9, 2)),
        "at": pa.array([None], pa.date32()),
    }
    columns |= changed
    return parquet_bytes(pa.table({name: values for name, values in columns.items() if values is not None}))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (stock(colour=pa.array(["red"])), [("new", "colour", None, "string", True, "red")]),
        (stock(code=pa.array(["a"], pa.large_string())), []),
        (stock(code=pa.array(["a"]).dictionary_encode(), at=pa.nulls(1)), []),
        (stock(cost=None), [("missing", "cost", "cost", None, False, None)]),
        (stock(code=None, CODE=pa.array(["a"])), [("renamed", "code", "code", "CODE", False, None)]),
        (stock(cost=pa.array([Decimal("1.5")], pa.decimal128(18, 1))), []),  # a writer's default precision
        (
            stock(cost=pa.array([Decimal("1.500")], pa.decimal128(9, 3))),
            [("retyped", "cost", "decimal(9,2)", "decimal(9,3)", False, None)],
        ),
        (stock(cost=pa.array([2])), [("retyped", "cost", "decimal(9,2)", "int64", False, None)]),
    ],
)
def test_the_schema_of_a_parquet_file_tells_its_drift(staged, content, expected):
    file = staged(content, PARQUET, STOCK)
    assert file.refusal is None
    assert seen(file) == expected


def test_a_parquet_file_refused_for_a_type_says_which_column_was_retyped(staged):
    file = staged(stock(cost=pa.array([1.5])), PARQUET, STOCK)
    assert file.refusal.startswith("file:schema: ")
    assert seen(file) == [("retyped", "cost", "decimal(9,2)", "double", False, None)]


def test_drift_is_refused_where_the_table_says_so(staged):
    strict = Source("transactions", CsvFormat(COLUMNS), "InvoiceDate", refuses_drift=True)
    good = b"InvoiceNo,InvoiceDate,Country\n1,2011-03-01,FR\n"
    assert staged(good, source=strict).refusal is None
    file = staged(good.replace(b"Country", b"Nation"), source=strict)
    assert file.refusal == (
        "file:drift: column Country is missing, and null; new column Nation, kept in rescued_data, such as 'FR'"
    )
    (row,) = rows(file)
    assert (row["reject_reason"], row["InvoiceNo"]) == (file.refusal, None)


def test_a_file_with_endless_keys_names_some_of_them(staged):
    lines = [{"id": 1, "email": "a", "at": "x", f"key {number}": 1} for number in range(3000)]
    file = staged(jsonl_bytes(lines), JSONL, FEED)
    assert 900 < len(file.drift) <= 1000
    assert len(rows(file)) == 3000


def test_drift_stands_in_the_registry_as_it_was_found(staged):
    drift = staged(b"InvoiceNo,InvoiceDate,Channel\n1,2011-03-01,web\n", source=STALLS).drift
    assert drift_in(drift_text(drift)) == drift
    assert json.loads(drift_text(drift))[1] == {
        "kind": "new",
        "column": "Channel",
        "was": None,
        "is": None,
        "rescued": True,
        "sample": "web",
    }
    assert (drift_text(()), drift_in(None)) == (None, ())
