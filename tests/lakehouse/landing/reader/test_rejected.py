"""What is kept of a record that is rejected, so that quarantine can show it and replay it."""

from __future__ import annotations

import base64

import pytest

from lakehouse.landing.reader import CsvFormat, JsonLinesFormat
from tests.lakehouse.landing.reader.outcome import COLUMNS, records

CSV, JSONL = CsvFormat(COLUMNS), JsonLinesFormat(COLUMNS)
HEADER, ANN = b"id,name,amount\n", b"1,ann,10.50\n"


def only_reject(content: bytes, declared=CSV) -> dict:
    [row] = [row for row in records(content, declared) if row["reject_reason"] is not None]
    return row


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"2,bob", "fields: 2, the header has 3"),
        (b'2,"bob,1', "quote: opened and not closed"),
        (b'2,"bob"x,1', "quote: text after a closing quote"),
        (b'2,5" pipe,1', "quote: inside an unquoted field"),
        (b"2,b\rc,1", "newline: stray line break character"),
        ("2,Zoë".encode(), "fields: 2, the header has 3"),
    ],
)
def test_a_rejected_csv_record_keeps_its_text_and_says_what_is_wrong(line: bytes, reason: str):
    row = only_reject(HEADER + ANN + line + b"\n" + ANN)
    assert row == {
        "id": None,
        "name": None,
        "amount": None,
        "source_record": 2,
        "rescued_data": None,
        "reject_reason": reason,
        "raw_record": line.decode(),
        "raw_record_base64": None,
    }


def test_quotes_and_line_breaks_of_a_record_with_too_few_fields_are_kept():
    assert only_reject(HEADER + b'2,"b\n""c"\n' + ANN)["raw_record"] == '2,"b\n""c"'


@pytest.mark.parametrize(
    ("line", "shown", "reason"),
    [
        (
            b"2,Zo\xeb\\,1",
            r"2,Zo\xeb\,1",
            "encoding: invalid continuation byte at byte 4 of the record, declared utf-8",
        ),
        (b"2,a\0b,1", r"2,a\x00b,1", "nul: NUL byte"),
    ],
)
def test_a_record_that_no_table_could_store_is_escaped_and_kept_exactly_in_base64(line: bytes, shown: str, reason: str):
    row = only_reject(HEADER + line + b"\n" + ANN)
    assert row["raw_record"] == shown
    assert base64.b64decode(row["raw_record_base64"]) == line
    assert row["reject_reason"] == reason


def test_a_rejected_record_in_another_encoding_is_shown_as_text():
    latin = CsvFormat(COLUMNS, encoding="latin-1")
    rows = records(HEADER + '2,Zoë\n3,5" Zoë,1\n'.encode("latin-1"), latin)
    assert [row["raw_record"] for row in rows] == ["2,Zoë", '3,5" Zoë,1']
    assert [row["raw_record_base64"] for row in rows] == [None, None]


def test_a_rejected_json_line_keeps_its_text_and_a_good_one_does_not():
    good, rejected = records(b'{"id":"1"}\n{"id":"2",\n', JSONL)
    assert (good["raw_record"], good["reject_reason"]) == (None, None)
    assert rejected["raw_record"] == '{"id":"2",'
    assert rejected["source_record"] == 2


def test_a_refused_file_ends_with_one_row_about_the_file():
    *_, last = records(b"name,name\n1,2\n", CSV)
    assert last["source_record"] is None
    assert last["reject_reason"] == "file:header: a column occurs twice in ['name', 'name']"
    assert last["raw_record"] is None
