"""A file that is not what was announced of it is refused whole."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.catalog.reader import Catalog
from lakehouse.landing.control_totals import ControlTotals, announced
from lakehouse.landing.zone import open_landing
from tests.line import Line
from tests.scenario import csv_bytes, day, sale

FILE = f"transactions/{day(1)}.csv"


@pytest.fixture
def line(landing_root) -> Line:
    return Line(landing_root)


def announce(line: Line, text: str) -> None:
    control = line.landing / f"{FILE}.control"
    control.parent.mkdir(parents=True, exist_ok=True)
    control.write_text(text)


def three_lines() -> bytes:
    return csv_bytes([sale(str(536365 + number), Quantity=str(2 + number)) for number in range(3)])


def write(line: Line, content: bytes) -> None:
    file = line.landing / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.with_suffix(".part").write_bytes(content)
    file.with_suffix(".part").rename(file)


def rows(line: Line, table: str) -> list[dict[str, Any]]:
    return Catalog(str(line.landing.parent)).read(table).to_pylist()


def refusals(line: Line) -> list[str]:
    return [row["reject_reason"] for row in rows(line, "bronze.transactions") if row["reject_reason"]]


def test_a_file_that_holds_what_was_announced_is_taken(line):
    announce(line, json.dumps({"records": 3, "sums": {"Quantity": "9"}}))
    write(line, three_lines())
    line.drain()
    assert len(rows(line, "silver.transactions")) == 3
    assert refusals(line) == []


@pytest.mark.parametrize(
    ("control", "reason"),
    [
        ({"records": 4}, "file:control: 3 records of 4 announced"),
        ({"sums": {"Quantity": "10"}}, "file:control: Quantity sums up to 9, announced 10"),
        (
            {"records": 5, "sums": {"Quantity": 9.5}},
            "file:control: 3 records of 5 announced; Quantity sums up to 9, announced 9.5",
        ),
        ({"sums": {"Weight": "10"}}, "file:control: no column Weight, of which 10 was announced"),
    ],
)
def test_a_file_that_does_not_is_refused_whole_and_says_how_it_differs(line, control, reason):
    announce(line, json.dumps(control))
    write(line, three_lines())
    line.drain()
    assert refusals(line) == [reason]
    assert [row["rules"] for row in rows(line, "silver.quarantine")] == [["file:control"]]


def test_a_control_file_that_cannot_be_read_refuses_its_file(line):
    announce(line, "3 records")
    write(line, three_lines())
    line.drain()
    (reason,) = refusals(line)
    assert reason.startswith(f"file:control: {FILE}.control cannot be read (")


@pytest.mark.parametrize("records", [20.7, 3.0, True, "3", [3]])
def test_a_number_of_records_is_a_whole_number(landing_root, records):
    file = landing_root / f"{FILE}.control"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"records": records}))
    found = announced(open_landing(str(landing_root)), FILE)
    assert found.refusal().startswith(f"file:control: {FILE}.control cannot be read (records is no whole number)")


def test_the_file_is_taken_when_it_is_sent_again_with_a_corrected_control_file(line):
    announce(line, json.dumps({"records": 4}))
    write(line, three_lines())
    line.drain()
    announce(line, json.dumps({"records": 3}))
    write(line, three_lines())
    line.drain()
    assert len(rows(line, "silver.transactions")) == 3
    assert [row["status"] for row in rows(line, "silver.quarantine")] == ["replayed"]


def test_a_control_file_alone_is_no_landing_file(line):
    announce(line, json.dumps({"records": 3}))
    assert list(open_landing(str(line.landing)).objects("")) == []


def test_sums_are_exact_and_leave_out_what_is_no_number(line):
    announce(line, json.dumps({"sums": {"UnitPrice": "0.30"}}))
    prices = ["0.1", "0.1", "0.1", "free", ""]
    content = csv_bytes([sale(str(536365 + number), UnitPrice=price) for number, price in enumerate(prices)])
    write(line, content)
    line.drain()
    assert refusals(line) == []
    assert announced(open_landing(str(line.landing)), FILE).sums == {"UnitPrice": Decimal("0.30")}


@pytest.mark.parametrize(
    ("values", "sum_"),
    [
        (["1234567890123456789", "1"], "1234567890123456790"),
        (["0.12345678901", "-1", "+2."], "1.12345678901"),
        ([f"1{'0' * 60}", ".5", "1"], f"1{'0' * 59}1.5"),
        (["9" * 18] * 4, str(4 * int("9" * 18))),
        (["seven", "1e3", "--1", ".", None], "0"),
    ],
)
def test_numbers_of_any_length_are_added_up_exactly(values, sum_):
    totals = ControlTotals(sums={"n": Decimal(sum_)})
    totals.count(pa.record_batch({"n": pa.array(values, pa.string())}))
    totals.count(pa.record_batch({"n": pa.array(["0"])}))
    assert totals.refusal() is None
    wrong = ControlTotals(sums={"n": Decimal(7)}, found_sums=totals.found_sums)
    assert wrong.refusal() == f"file:control: n sums up to {sum_}, announced 7"
