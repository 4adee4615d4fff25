"""Files of fixes: what their lines mean, and which files are refused."""

from __future__ import annotations

import pytest

from lakehouse.corrections.fixes import Fix
from lakehouse.corrections.fixes_file import read_fixes
from lakehouse.errors import RequestError


def read(tmp_path, text: str | bytes) -> list[Fix]:
    path = tmp_path / "fixes.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_fixes(path)


def test_a_line_names_its_row_by_id_or_by_file_and_record(tmp_path):
    first, second = read(tmp_path, "id,source_file,source_record,Quantity\n3f2a,,,2\n,transactions/a.csv,7,3\n")
    assert (first.id, first.values) == ("3f2a", {"Quantity": "2"})
    assert (second.id, second.source_file, second.source_record) == ("", "transactions/a.csv", 7)
    assert second.values == {"Quantity": "3"}


def test_empty_cells_leave_columns_as_they_are(tmp_path):
    (fix,) = read(tmp_path, "id,Quantity,Country\n3f2a,2,\n")
    assert (fix.values, fix.keeps_empty) == ({"Quantity": "2", "Country": ""}, True)


def test_a_fix_knows_its_line(tmp_path):
    first, second = read(tmp_path, b'\xef\xbb\xbfid,Country\r\n1,"two\r\nlines"\r\n2,France\r\n')
    assert first.values == {"Country": "two\r\nlines"}
    assert second.origin == f"{tmp_path / 'fixes.csv'} line 4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Quantity\n1\n", "has no column id, nor source_file and source_record"),
        ("", "has no column id"),
        ("id,Quantity,Quantity\n1,2,3\n", "Quantity is given twice"),
        ("source_file,source_record,Quantity\na.csv,seven,2\n", "line 2: seven is no number of a record"),
        ("id,Country\n1,Korea, South\n", "line 2 has more values than columns"),
        (b"id,Country\n1,\xff\n", "cannot be read"),
    ],
)
def test_a_file_that_does_not_say_what_is_meant_is_refused(tmp_path, text, message):
    with pytest.raises(RequestError, match=message):
        read(tmp_path, text)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"none\.csv cannot be read"):
        read_fixes(tmp_path / "none.csv")
