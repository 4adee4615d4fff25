"""What a source may declare."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lakehouse.landing.reader import CsvFormat, JsonLinesFormat, ParquetFormat

ABOUT_THE_RECORD = [
    ("source_record", pa.int64()),
    ("rescued_data", pa.string()),
    ("reject_reason", pa.string()),
    ("raw_record", pa.string()),
    ("raw_record_base64", pa.string()),
]


@pytest.mark.parametrize("text_format", [CsvFormat(("b", "a")), JsonLinesFormat(("b", "a"))])
def test_text_formats_declare_text(text_format):
    assert text_format.schema == pa.schema([("b", pa.string()), ("a", pa.string()), *ABOUT_THE_RECORD])


@pytest.mark.parametrize(
    ("type_text", "arrow_type"),
    [
        ("string", pa.string()),
        ("int32", pa.int32()),
        ("int64", pa.int64()),
        ("date", pa.date32()),
        ("timestamp", pa.timestamp("us", "UTC")),
        ("boolean", pa.bool_()),
        ("decimal(18,3)", pa.decimal128(18, 3)),
        ("decimal(18, 3)", pa.decimal128(18, 3)),
    ],
)
def test_parquet_declares_types(type_text: str, arrow_type: pa.DataType):
    assert ParquetFormat((("a", type_text),)).schema == pa.schema([("a", arrow_type), *ABOUT_THE_RECORD])


@pytest.mark.parametrize(
    ("declare", "complaint"),
    [
        (lambda: CsvFormat(()), "at least one column"),
        (lambda: CsvFormat(("id", "ID")), "declared twice"),
        (lambda: JsonLinesFormat(("id", "id")), "declared twice"),
        (lambda: JsonLinesFormat(("id", "raw_record")), "reserved for the reader: raw_record"),
        (lambda: ParquetFormat((("id", "string"), ("Id", "string"))), "declared twice"),
        (lambda: ParquetFormat((("id", "float"),)), "Unknown column type 'float'"),
        (lambda: CsvFormat(("id",), delimiter="||"), "one ASCII character"),
        (lambda: CsvFormat(("id",), delimiter='"'), "one ASCII character"),
        (lambda: CsvFormat(("id",), delimiter="§"), "one ASCII character"),
    ],
)
def test_a_declaration_that_no_file_could_satisfy_is_an_error(declare, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        declare()


def test_an_unknown_encoding_is_an_error():
    with pytest.raises(LookupError, match="utf-9"):
        CsvFormat(("id",), encoding="utf-9")
