"""A lake whose files have other columns than declared, for the tests of what is seen of them and what they come to."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.drained import with_inputs
from lakehouse.project import Lakehouse
from lakehouse.settings import Settings
from tests.lakehouse.cli.conftest import sales_of
from tests.scenario import TRANSACTIONS, csv_bytes

COLUMNS = TRANSACTIONS.format.schema.names[:8]
FIRST, LATE, NEW, LAST = "2024-01-01", "2024-01-02", "2024-01-04", "2024-01-05"


def drop(root: Path, name: str, content: bytes) -> None:
    """Drop a file of invoice lines."""
    file = root / "landing" / "transactions" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def land_drift(root: Path) -> None:
    """Three files as declared; one with new columns and a late row, and one whose quantities are no whole numbers."""
    for day in (FIRST, LATE, "2024-01-03"):
        drop(root, f"{day}.csv", csv_bytes(sales_of(day, 3)))
    lines = [*sales_of(NEW, 3), *sales_of(LATE, 1, InvoiceNo="late")]
    new = [{**line, "Channel": "web" if place % 2 else "", "TillNo": f"{place}"} for place, line in enumerate(lines)]
    drop(root, f"{NEW}.csv", csv_bytes(new, [*COLUMNS, "Channel", "TillNo"]))
    drop(root, f"{LAST}.csv", csv_bytes(sales_of(LAST, 3, Quantity="1.5")).replace(b"InvoiceNo", b"invoiceno"))


def run_silver(root: Path) -> None:
    """Take in what has landed as far as silver's transactions."""
    settings = Settings(root=str(root), landing=f"{root}/landing")
    assert Lakehouse.open(settings=settings, tables=with_inputs(["silver.transactions"])).run().errors == []


@pytest.fixture(scope="module")
def drifted_lake(tmp_path_factory) -> Path:
    """The lake's root; the last day is held, for nobody can read its quantities."""
    root = tmp_path_factory.mktemp("drift") / "lake"
    land_drift(root)
    run_silver(root)
    return root
