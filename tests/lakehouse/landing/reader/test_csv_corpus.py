"""Hostile CSV files, each with its one right answer: one line a case, at every block size."""

# ruff: noqa: E501 - a case is a line
from __future__ import annotations

import gzip

import pytest

from tests.lakehouse.landing.reader.outcome import BLOCK_SIZES, Case, assert_case, csv

HEADER = b"id,name,amount\n"
ANN, BOB, CAT = b"1,ann,10.50\n", b"2,bob,007\n", b"3,x,1\n"
ANN_ROW, BOB_ROW, CAT_ROW = (1, "1", "ann", "10.50"), (2, "2", "bob", "007"), (3, "3", "x", "1")
LONG = "x" * 300_000
MANY = b"".join(b"%d,x,1\n" % i for i in range(3, 200))
MANY_ROWS = [(i, str(i), "x", "1") for i in range(3, 200)]
EVERY_THIRD_SHORT = b"".join(b"%d,x,1\n" % i if i % 3 else b"%d,x\n" % i for i in range(1, 301))
TWO_OF_THREE_ROWS = [(i, str(i), "x", "1") for i in range(1, 301) if i % 3]


def around(fault: bytes) -> bytes:
    """A faulty second record between two good ones."""
    return HEADER + ANN + fault + b"\n" + CAT


AROUND = [ANN_ROW, CAT_ROW]

WELL_FORMED = [
    csv("plain", HEADER + ANN + BOB, rows=[ANN_ROW, BOB_ROW]),
    csv("line feed in quotes", HEADER + b'1,"a\nb",1\n' + BOB, rows=[(1, "1", "a\nb", "1"), BOB_ROW]),
    csv("CRLF in quotes", HEADER + b'1,"a\r\nb",1\n' + BOB, rows=[(1, "1", "a\r\nb", "1"), BOB_ROW]),
    csv("CR in quotes", HEADER + b'1,"a\rb",1\n' + BOB, rows=[(1, "1", "a\rb", "1"), BOB_ROW]),
    csv("blank line in quotes", HEADER + b'1,"a\n\nb",1\n' + BOB, rows=[(1, "1", "a\n\nb", "1"), BOB_ROW]),
    csv("doubled quotes", HEADER + b'1,"say ""hi""",1\n' + BOB, rows=[(1, "1", 'say "hi"', "1"), BOB_ROW]),
    csv("only doubled quotes", HEADER + b'1,"""",1\n2,"""""",1\n', rows=[(1, "1", '"', "1"), (2, "2", '""', "1")]),
    csv("backslash ends quoted", HEADER + b'1,"C:\\d\\",1\n' + BOB, rows=[(1, "1", "C:\\d\\", "1"), BOB_ROW]),
    csv("backslash is text", HEADER + b"1,a\\,1\n2,\\N,1\n", rows=[(1, "1", "a\\", "1"), (2, "2", "\\N", "1")]),
    csv("delimiter in quotes", HEADER + b'1,"a,b",1\n', rows=[(1, "1", "a,b", "1")]),
    csv("byte order mark", b"\xef\xbb\xbf" + HEADER + ANN, rows=[ANN_ROW]),
    csv("byte order mark before quote", b'\xef\xbb\xbf"id","name","amount"\n' + ANN, rows=[ANN_ROW]),
    csv("CRLF", (HEADER + ANN + BOB).replace(b"\n", b"\r\n"), rows=[ANN_ROW, BOB_ROW]),
    csv("CR only", (HEADER + ANN + BOB).replace(b"\n", b"\r"), rows=[ANN_ROW, BOB_ROW]),
    csv("LF and CRLF mixed", HEADER + ANN.replace(b"\n", b"\r\n") + BOB, rows=[ANN_ROW, BOB_ROW]),
    csv("no final newline", HEADER + ANN + BOB[:-1], rows=[ANN_ROW, BOB_ROW]),
    csv("blank lines", HEADER + b"\n" + ANN + b"\n\n" + BOB + b"\n", rows=[ANN_ROW, BOB_ROW]),
    csv("gzip", gzip.compress(HEADER + ANN + BOB), rows=[ANN_ROW, BOB_ROW]),
    csv("gzip in two members", gzip.compress(HEADER + ANN) + gzip.compress(BOB), rows=[ANN_ROW, BOB_ROW]),
    csv("words for null", HEADER + b"1,NA,NULL\n2,None,#N/A\n", rows=[(1, "1", "NA", "NULL"), (2, "2", "None", "#N/A")]),
    csv("spaces stay", HEADER + b'1, ann ,012.50\n2,"  q ", 1\n', rows=[(1, "1", " ann ", "012.50"), (2, "2", "  q ", " 1")]),
    csv("tabs and signs stay", HEADER + b"1,\tb\t,+1e5\n", rows=[(1, "1", "\tb\t", "+1e5")]),
    csv("empty is not missing", HEADER + b'1,"",1\n2,,1\n', rows=[(1, "1", "", "1"), (2, "2", None, "1")]),
    csv("all missing, all empty", HEADER + b',,\n"","",""\n', rows=[(1, None, None, None), (2, "", "", "")]),
    csv("booleans and dates are text", HEADER + b"1,TRUE,01/02/2026\n", rows=[(1, "1", "TRUE", "01/02/2026")]),
    csv("UTF-8", HEADER + "1,Zoë 北京 🎉,1\n".encode(), rows=[(1, "1", "Zoë 北京 🎉", "1")]),
    csv("U+FFFD stays", HEADER + "1,a\ufffdb,1\n".encode(), rows=[(1, "1", "a\ufffdb", "1")]),
    csv("Unicode line breaks are text", HEADER + "1,a\u2028b\u0085c\x0bd,1\n".encode(), rows=[(1, "1", "a\u2028b\u0085c\x0bd", "1")]),
    csv("no comments", HEADER + b"#1,x,1\n2,#,1\n", rows=[(1, "#1", "x", "1"), (2, "2", "#", "1")]),
    csv("long field", HEADER + b"1," + LONG.encode() + b",1\n" + BOB, rows=[(1, "1", LONG, "1"), BOB_ROW]),
    csv("long quoted field", HEADER + b'1,"' + LONG.encode() + b'",1\n' + BOB, rows=[(1, "1", LONG, "1"), BOB_ROW]),
    csv("header only", HEADER),
    csv("header only, no newline", HEADER[:-1]),
    csv("header in other order and case", b"AMOUNT, Name ,Id\n10.50,ann,1\n", rows=[ANN_ROW]),
    csv("column missing", b"id,name\n1,ann\n", rows=[(1, "1", "ann", None)]),
    csv("columns undeclared", b'id,x,name,amount,y\n1,"q""1",ann,10.50,\n', rows=[(*ANN_ROW, {"x": 'q"1', "y": None})]),
    csv("columns unnamed", b"id,name,amount,,\n1,ann,10.50,,9\n", rows=[(*ANN_ROW, {"_c3": None, "_c4": "9"})]),
    csv("semicolon", b'id;name;amount\n1;"a;b";1,5\n', rows=[(1, "1", "a;b", "1,5")], delimiter=";"),
    csv("tab", b"id\tname\tamount\n1\ta b\t1,5\n", rows=[(1, "1", "a b", "1,5")], delimiter="\t"),
    csv("Latin-1", HEADER + "1,Zoë,1\n".encode("latin-1"), rows=[(1, "1", "Zoë", "1")], encoding="latin-1"),
    csv("Windows-1252", HEADER + "1,“€”,1\n".encode("cp1252"), rows=[(1, "1", "“€”", "1")], encoding="cp1252"),
    csv("UTF-16 with mark", "id,name,amount\n1,Zoë,1\n".encode("utf-16"), rows=[(1, "1", "Zoë", "1")], encoding="utf-16"),
    csv("UTF-16 LE, mark kept", "\ufeffid,name,amount\n1,Zoë,1\n".encode("utf-16-le"), rows=[(1, "1", "Zoë", "1")], encoding="utf-16-le"),
    csv("declared with mark", b"\xef\xbb\xbf" + HEADER + ANN, rows=[ANN_ROW], encoding="utf-8-sig"),
]  # fmt: skip

ONE_REJECTED = [
    csv("short row", around(b"2,bob"), rows=AROUND, rejects=[(2, "fields")]),
    csv("long row", around(b"2,b,1,9"), rows=AROUND, rejects=[(2, "fields")]),
    csv("long row, last field empty", around(b"2,,b,1,"), rows=AROUND, rejects=[(2, "fields")]),
    csv("line of spaces", around(b"   "), rows=AROUND, rejects=[(2, "fields")]),
    csv("short row after blank lines", HEADER + ANN + b"\n\n2\n\n" + CAT, rows=AROUND, rejects=[(2, "fields")]),
    csv("text after closing quote", around(b'2,"b"z,1'), rows=AROUND, rejects=[(2, "quote")]),
    csv("quote inside bare field", around(b'2,5" pipe,1'), rows=AROUND, rejects=[(2, "quote")]),
    csv("space before quote", around(b'2, "b,c",1'), rows=AROUND, rejects=[(2, "quote")]),
    csv("backslash before quote", around(b'2,"b\\"c",1'), rows=AROUND, rejects=[(2, "quote")]),
    csv("unclosed quote", HEADER + ANN + b'2,"bob,1\n' + MANY, rows=[ANN_ROW, *MANY_ROWS], rejects=[(2, "quote")]),
    csv("unclosed quote before quoted rows", HEADER + ANN + b'2,"bob,1\n3,"x",1\n4,x,1\n5,"x",1\n', rows=[ANN_ROW, CAT_ROW, (4, "4", "x", "1"), (5, "5", "x", "1")], rejects=[(2, "quote")]),
    csv("unclosed quote, one line each", HEADER + ANN + b'2,"bob,1\n3,"",1\n4,x,1\n', rows=[ANN_ROW, (3, "3", "", "1"), (4, "4", "x", "1")], rejects=[(2, "quote")], multiline=False),
    csv("unclosed quote on last line", HEADER + ANN + b'2,"bob,1', rows=[ANN_ROW], rejects=[(2, "quote")]),
    csv("last line cut short", HEADER + ANN + b"2,bo", rows=[ANN_ROW], rejects=[(2, "fields")]),
    csv("last line cut, newline required", HEADER + ANN + b"2,bob,00", rows=[ANN_ROW], rejects=[(2, "cut")], require_final_newline=True),
    csv("last line whole, newline required", HEADER + ANN + BOB, rows=[ANN_ROW, BOB_ROW], require_final_newline=True),
    csv("stray CR", around(b"2,b\rc,1"), rows=AROUND, rejects=[(2, "newline")]),
    csv("stray LF among CR", around(b"2,b\nc,1").replace(b"\n", b"\r").replace(b"b\r", b"b\n"), rows=AROUND, rejects=[(2, "newline")]),
    csv("CR in quotes, one line each", around(b'2,"b\rc",1'), rows=AROUND, rejects=[(2, "quote")], multiline=False),
    csv("NUL", around(b"2,b\0c,1"), rows=AROUND, rejects=[(2, "nul")]),
    csv("not UTF-8", around(b"2,Zo\xeb,1"), rows=AROUND, rejects=[(2, "encoding")]),
    csv("not UTF-8, and short", around(b"2,Zo\xeb"), rows=AROUND, rejects=[(2, "encoding")]),
    csv("surrogate in UTF-8", around(b"2,\xed\xa0\x80,1"), rows=AROUND, rejects=[(2, "encoding")]),
    csv("lone surrogate in UTF-16", around(b"2,#,1").decode().replace("#", "\ud800").encode("utf-16", "surrogatepass"), rows=AROUND, rejects=[(2, "encoding")], encoding="utf-16"),
    csv("not Windows-1252", around(b"2,\x81,1"), rows=AROUND, rejects=[(2, "encoding")], encoding="cp1252"),
    csv("every third row short", HEADER + EVERY_THIRD_SHORT, rows=TWO_OF_THREE_ROWS, rejects=[(i, "fields") for i in range(3, 301, 3)]),
    csv("bare quotes allowed", HEADER + ANN + b'2,5" pipe,1\n3,x"",1\n4,"a\nb",1\n', rows=[ANN_ROW, (2, "2", '5" pipe', "1"), (3, "3", 'x""', "1"), (4, "4", "a\nb", "1")], bare_quotes=True),
    csv("bare quotes allowed, quote unclosed", around(b'2,"bob,1'), rows=AROUND, rejects=[(2, "quote")], bare_quotes=True),
]  # fmt: skip

REFUSED = [
    csv("empty file", b"", refused="header"),
    csv("only a newline", b"\n", refused="header"),
    csv("no header", b"1,ann,10\n2,bob,3\n", refused="header"),
    csv("column twice", b"id,name,Name,amount\n1,a,b,1\n", refused="header"),
    csv("broken quoting in header", b'id,"name"x,amount\n1,a,1\n', refused="header"),
    csv("unclosed quote in header", b'id,"name,amount\n1,a,1\n', refused="header"),
    csv("header not UTF-8", b"id,n\xebme,amount\n1,a,1\n", refused="header"),
    csv("NUL in header", b"id,name,amount,\0\n1,a,1,2\n", refused="header"),
    csv("UTF-16 declared UTF-8", "id,name,amount\n1,a,1\n".encode("utf-16"), refused="bom"),
    csv("UTF-8 declared Latin-1", b"\xef\xbb\xbf" + HEADER + ANN, refused="bom", encoding="latin-1"),
    csv("UTF-16 cut in mid-character", "id,name,amount\n1,a,1\n".encode("utf-16")[:-1], refused="encoding", encoding="utf-16"),
    csv("gzip cut short", gzip.compress(HEADER + ANN * 50)[:-12], refused="gzip"),
    csv("gzip damaged", gzip.compress(HEADER + ANN * 50, mtime=0)[:-8] + b"\0" * 8, refused="gzip"),
    csv("gzip followed by other bytes", gzip.compress(HEADER + ANN) + b"more", refused="gzip"),
]  # fmt: skip


@pytest.mark.parametrize("block_bytes", BLOCK_SIZES)
@pytest.mark.parametrize("case", WELL_FORMED, ids=lambda case: case.name)
def test_a_well_formed_csv_file_is_read_exactly(case: Case, block_bytes: int):
    assert_case(case, block_bytes)


@pytest.mark.parametrize("block_bytes", BLOCK_SIZES)
@pytest.mark.parametrize("case", ONE_REJECTED, ids=lambda case: case.name)
def test_a_faulty_csv_record_costs_only_itself(case: Case, block_bytes: int):
    assert_case(case, block_bytes)


@pytest.mark.parametrize("block_bytes", BLOCK_SIZES)
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_csv_file_that_cannot_be_understood_is_refused(case: Case, block_bytes: int):
    assert_case(case, block_bytes)
