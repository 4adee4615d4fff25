"""A file that is not what was announced of it is refused whole."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from cli.lake import Lake
from resources.control_totals import announced
from resources.landing import open_landing
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
    return Lake(str(line.landing.parent)).read(table).to_pylist()


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


def test_the_file_is_taken_when_it_is_sent_again_with_a_corrected_control_file(line):
    announce(line, json.dumps({"records": 4}))
    write(line, three_lines())
    line.drain()
    announce(line, json.dumps({"records": 3}))
    write(line, three_lines())
    line.drain()
    assert len(rows(line, "silver.transactions")) == 3
    assert [row["status"] for row in rows(line, "silver.quarantine")] == ["superseded"]


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
