"""Hostile JSON lines, each file with its one right answer: one line a case, at every block size."""

# ruff: noqa: E501 - a case is a line
from __future__ import annotations

import gzip

import pytest

from tests.lakehouse.landing.reader.outcome import BLOCK_SIZES, Case, assert_case, jsonl

ANN = b'{"id":"1","name":"ann","amount":10.50}\n'
BOB = b'{"id":"2","name":"bob","amount":"007"}\n'
CAT = b'{"id":"3","name":"x","amount":"1"}\n'
ANN_ROW, BOB_ROW, CAT_ROW = (1, "1", "ann", "10.50"), (2, "2", "bob", "007"), (3, "3", "x", "1")
DEEP = b'{"id":"2","name":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def around(fault: bytes) -> bytes:
    """A faulty second line between two good ones."""
    return ANN + fault + b"\n" + CAT


AROUND = [ANN_ROW, CAT_ROW]

WELL_FORMED = [
    jsonl("plain", ANN + BOB, rows=[ANN_ROW, BOB_ROW]),
    jsonl("numbers keep their text", b'{"id":12345678901234567890,"name":1.10,"amount":1E400}\n{"id":-0,"name":0.1000000000000000055,"amount":1e2}\n', rows=[(1, "12345678901234567890", "1.10", "1E400"), (2, "-0", "0.1000000000000000055", "1e2")]),
    jsonl("nested values keep their text", b'{"id":{"b": 1.10,"a":[1, 2]},"name":[ ],"amount":true}\n', rows=[(1, '{"b": 1.10,"a":[1, 2]}', "[ ]", "true")]),
    jsonl("null, missing and empty", b'{"id":"1","name":null,"amount":""}\n{"id":"2"}\n', rows=[(1, "1", None, ""), (2, "2", None, None)]),
    jsonl("null as a text", b'{"id":"null","name":"x"}\n', rows=[(1, "null", "x", None)]),
    jsonl("undeclared keys", b'{"id":"1","name":"ann","amount":10.50,"z":1.10,"y":{"k":[1]}}\n', rows=[(*ANN_ROW, {"z": "1.10", "y": {"k": ["1"]}})]),
    jsonl("undeclared keys on one line", ANN + b'{"id":"2","name":"bob","amount":"007","n":null}\n', rows=[ANN_ROW, (*BOB_ROW, {"n": None})]),
    jsonl("keys are spelled exactly", b'{"id":"1","Name":"x"}\n', rows=[(1, "1", None, None, {"Name": "x"})]),
    jsonl("escapes", b'{"id":"1","name":"a\\n\\u00e9\\"\\ud83c\\udf89","amount":"1"}\n', rows=[(1, "1", 'a\né"🎉', "1")]),
    jsonl("escaped key", b'{"\\u0069d":"1","name":"ann","amount":10.50}\n', rows=[ANN_ROW]),
    jsonl("text that looks like a key", b'{"id":"\\":","name":"a\\" : b","amount":"1"}\n', rows=[(1, '":', 'a" : b', "1")]),
    jsonl("nested keys repeat outer ones", b'{"id":"1","name":{"id":1,"name":2},"amount":"1"}\n', rows=[(1, "1", '{"id":1,"name":2}', "1")]),
    jsonl("spaces before colons", b'{"id" : "1", "name" :"ann" ,"amount"\t: 10.50 }\n', rows=[ANN_ROW]),
    jsonl("CRLF, blank line, byte order mark", b"\xef\xbb\xbf" + ANN.replace(b"\n", b"\r\n") + b"\r\n" + BOB, rows=[ANN_ROW, (3, *BOB_ROW[1:])]),
    jsonl("line of spaces", ANN + b" \t \n" + CAT, rows=AROUND),
    jsonl("no final newline", ANN + BOB[:-1], rows=[ANN_ROW, BOB_ROW]),
    jsonl("empty file", b""),
    jsonl("only blank lines", b"\n\r\n \n"),
    jsonl("gzip", gzip.compress(ANN + BOB), rows=[ANN_ROW, BOB_ROW]),
    jsonl("Latin-1", '{"id":"1","name":"Zoë"}\n'.encode("latin-1"), rows=[(1, "1", "Zoë", None)], encoding="latin-1"),
    jsonl("UTF-16", '{"id":"1","name":"Zoë"}\n'.encode("utf-16"), rows=[(1, "1", "Zoë", None)], encoding="utf-16"),
]  # fmt: skip

REJECTED = [
    jsonl("broken", around(b'{"id":"2","name":'), rows=AROUND, rejects=[(2, "json")]),
    jsonl("last line cut", ANN + BOB[:-12], rows=[ANN_ROW], rejects=[(2, "json")]),
    jsonl("two objects on a line", ANN + ANN[:-1] + BOB, rows=[ANN_ROW], rejects=[(2, "json")]),
    jsonl("no objects", ANN + b'[1,2]\n"s"\n5\nnull\n' + BOB, rows=[ANN_ROW, (6, *BOB_ROW[1:])], rejects=[(number, "not_object") for number in (2, 3, 4, 5)]),
    jsonl("key twice", around(b'{"id":"2","name":"a","name":"b","amount":"1"}'), rows=AROUND, rejects=[(2, "duplicate_key")]),
    jsonl("key twice, once escaped", around(b'{"id":"2","name":"a","n\\u0061me":"b"}'), rows=AROUND, rejects=[(2, "duplicate_key")]),
    jsonl("key twice, once before a space", around(b'{"id":"2","name" :"a","name":"b"}'), rows=AROUND, rejects=[(2, "duplicate_key")]),
    jsonl("undeclared key twice", around(b'{"id":"2","z":1,"z":2}'), rows=AROUND, rejects=[(2, "duplicate_key")]),
    jsonl("key twice, first one null", around(b'{"id":null,"id":"2"}'), rows=AROUND, rejects=[(2, "duplicate_key")]),
    jsonl("not UTF-8", around(b'{"id":"2","name":"Zo\xeb","amount":"1"}'), rows=AROUND, rejects=[(2, "encoding")]),
    jsonl("undeclared value not UTF-8", around(b'{"id":"2","z":"Zo\xeb"}'), rows=AROUND, rejects=[(2, "encoding")]),
    jsonl("not Windows-1252", around(b'{"id":"2","name":"Zo\x81"}'), rows=AROUND, rejects=[(2, "encoding")], encoding="cp1252"),
    jsonl("lone surrogate", around(b'{"id":"2","name":"\\ud800","amount":"1"}'), rows=AROUND, rejects=[(2, "json")]),
    jsonl("NaN", around(b'{"id":"2","name":NaN,"amount":"1"}'), rows=AROUND, rejects=[(2, "json")]),
    jsonl("single quotes", around(b"{'id':'2'}"), rows=AROUND, rejects=[(2, "json")]),
    jsonl("nested too deep", around(DEEP), rows=AROUND, rejects=[(2, "json")]),
    jsonl("escaped NUL", ANN + b'{"id":"2","name":"a\\u0000b","amount":"1"}\n', rows=[ANN_ROW], rejects=[(2, "nul")]),
    jsonl("NUL byte", around(b'{"id":"2","name":"a\0b"}'), rows=AROUND, rejects=[(2, "nul")]),
    jsonl("pretty-printed", b'{\n  "id": "1",\n  "name": "ann"\n}\n', rejects=[(1, "json"), (2, "not_object"), (3, "not_object"), (4, "json")]),
]  # fmt: skip

REFUSED = [
    jsonl("array", b'[\n{"id":"1","name":"ann","amount":10.50},\n{"id":"2"}\n]\n', refused="not_object"),
    jsonl("array on one line", b'[{"id":"1"},{"id":"2"}]', refused="not_object"),
    jsonl("array after blank lines", b"\n \n" * 10 + b'[{"id":"1"}]', refused="not_object"),
    jsonl("UTF-16 declared UTF-8", ANN.decode().encode("utf-16"), refused="bom"),
    jsonl("gzip cut short", gzip.compress(ANN * 50)[:-12], refused="gzip"),
]


@pytest.mark.parametrize("block_bytes", BLOCK_SIZES)
@pytest.mark.parametrize("case", WELL_FORMED, ids=lambda case: case.name)
def test_well_formed_json_lines_are_read_exactly(case: Case, block_bytes: int):
    assert_case(case, block_bytes)


@pytest.mark.parametrize("block_bytes", BLOCK_SIZES)
@pytest.mark.parametrize("case", REJECTED, ids=lambda case: case.name)
def test_a_faulty_json_line_costs_only_itself(case: Case, block_bytes: int):
    assert_case(case, block_bytes)


@pytest.mark.parametrize("block_bytes", BLOCK_SIZES)
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_file_that_is_no_json_lines_is_refused(case: Case, block_bytes: int):
    assert_case(case, block_bytes)
