"""Long fields, long records and many faults: the answer depends on the file, never on how it is cut into blocks."""

from __future__ import annotations

import pytest

from lakehouse.landing.reader import CsvFormat, JsonLinesFormat, csv_reader, jsonl_reader
from lakehouse.landing.reader.faults import LONGEST_QUOTED_FIELD
from tests.lakehouse.landing.reader.outcome import COLUMNS, outcome_of

CSV, JSONL = CsvFormat(COLUMNS), JsonLinesFormat(COLUMNS)
HEADER, ANN, CAT = b"id,name,amount\n", b"1,ann,10.50\n", b"3,x,1\n"
ANN_ROW, CAT_ROW = (1, "1", "ann", "10.50"), (3, "3", "x", "1")

WIDE = b"9" * 1000

at_block_sizes = pytest.mark.parametrize("block_bytes", [50_000, 2 << 20, 8 << 20])


@at_block_sizes
def test_the_longest_quoted_field_is_read(block_bytes: int):
    text = "x" * (LONGEST_QUOTED_FIELD - 1)
    outcome = outcome_of(HEADER + ANN + f'2,"{text}",1\n'.encode() + CAT, CSV, block_bytes)
    assert outcome.rows == [ANN_ROW, (2, "2", text, "1"), CAT_ROW]


@at_block_sizes
def test_a_longer_quoted_field_is_taken_for_an_unclosed_quote(block_bytes: int):
    text = "x" * LONGEST_QUOTED_FIELD
    outcome = outcome_of(HEADER + ANN + f'2,"{text}",1\n'.encode() + CAT, CSV, block_bytes)
    assert outcome.rows == [ANN_ROW, CAT_ROW]
    assert outcome.rejects == [(2, "quote")]


@at_block_sizes
def test_an_unclosed_quote_followed_by_nothing_but_empty_fields_costs_only_its_line(block_bytes: int):
    # Each empty field doubles a quote, so that the open one might go on for megabytes.
    outcome = outcome_of(HEADER + b'1,"bob,1\n' + (b'2,"",' + WIDE + b"\n") * 3000, CSV, block_bytes)
    assert outcome.rejects == [(1, "quote")]
    assert outcome.rows == [(number, "2", "", WIDE.decode()) for number in range(2, 3002)]


@at_block_sizes
def test_an_unclosed_quote_costs_only_its_line_when_the_next_quote_is_megabytes_away(block_bytes: int):
    plain = (b"2,x," + WIDE + b"\n") * 3000
    outcome = outcome_of(HEADER + b'1,"bob,1\n' + plain + b'3,"",1\n', CSV, block_bytes)
    assert outcome.rejects == [(1, "quote")]
    assert len(outcome.rows) == 3001


def test_an_unclosed_quote_is_judged_before_memory_runs_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(csv_reader, "LONGEST_RECORD", 3 * LONGEST_QUOTED_FIELD // 2)
    outcome = outcome_of(HEADER + b'1,"bob,1\n' + (b'2,"",' + WIDE + b"\n") * 3000, CSV, 50_000)
    assert outcome.refused is None
    assert outcome.rejects == [(1, "quote")]


def test_a_fault_among_crlf_lines_costs_only_itself_wherever_a_block_ends():
    content = (HEADER + ANN + b'2,5" pipe,1\n3,"a\nb",1\n').replace(b"\n", b"\r\n")
    for block_bytes in range(1, len(content) + 1):
        outcome = outcome_of(content, CSV, block_bytes)
        assert outcome.rows == [ANN_ROW, (3, "3", "a\r\nb", "1")], block_bytes
        assert outcome.rejects == [(2, "quote")], block_bytes


def test_a_csv_record_that_memory_cannot_hold_refuses_the_file(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(csv_reader, "LONGEST_RECORD", 10_000)
    outcome = outcome_of(HEADER + ANN + b"2," + b"x" * 30_000 + b",1\n", CSV, 1000)
    assert outcome.refused == "too_long"


def test_a_json_line_that_memory_cannot_hold_refuses_the_file(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jsonl_reader, "LONGEST_RECORD", 10_000)
    outcome = outcome_of(b'{"id":"1"}\n{"id":"' + b"x" * 30_000 + b'"}\n', JSONL, 1000)
    assert outcome.refused == "too_long"


def test_a_header_without_end_refuses_the_file():
    outcome = outcome_of(b"id,name," + b"x" * (LONGEST_QUOTED_FIELD + 1), CSV, 50_000)
    assert outcome.refused == "header"


@at_block_sizes
def test_many_faults_in_a_large_file_are_each_reported(block_bytes: int):
    lines = [b'%d,"x,%s\n' % (i, WIDE) if i % 100 == 7 else b'%d,"x",%s\n' % (i, WIDE) for i in range(1, 5001)]
    outcome = outcome_of(HEADER + b"".join(lines), CSV, block_bytes)
    assert outcome.rejects == [(i, "quote") for i in range(7, 5001, 100)]
    assert [row[0] for row in outcome.rows] == [i for i in range(1, 5001) if i % 100 != 7]
