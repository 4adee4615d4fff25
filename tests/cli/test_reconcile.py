"""`lakehouse reconcile`: a sound lake adds up, and whatever is tampered with is named."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from tests.cli.conftest import lakehouse, land, sales_of


def off(root):
    """Return what a strict reconciliation finds, after checking its exit code."""
    answer = lakehouse(root, "reconcile", "--strict", "--json")
    assert answer.code == (2 if answer.data["imbalances"] else 0)
    return [(each["table"], each["partition"], each["file"], each["found"]) for each in answer.data["imbalances"]]


def test_a_lake_with_a_held_day_adds_up(own_lake):
    assert off(own_lake) == []
    assert "Everything adds up." in lakehouse(own_lake, "reconcile").out


@pytest.mark.slow
def test_a_demo_with_superseded_copied_and_refused_files_adds_up(demo_lake):
    answer = lakehouse(demo_lake.root, "reconcile", "--strict", "--json")
    assert answer.data["imbalances"] == []
    assert answer.data["compared"]["days of silver.transactions"] == 7
    assert answer.code == 0


def test_a_row_gone_from_silver_is_missed_in_silver_and_in_gold(own_lake):
    DeltaTable(own_lake / "silver" / "transactions").delete("invoice_no = '010001'")
    assert off(own_lake) == [
        ("silver.transactions", "2024-01-01", None, "silver.transactions has 2 rows, the row ledger says 3 published"),
        (
            "gold.daily_sales_summary",
            "2024-01-01",
            None,
            "has 3 lines of 7.500, but silver.transactions has 2 lines of 5.000",
        ),
    ]


def test_a_row_gone_from_quarantine_is_missed(own_lake):
    DeltaTable(own_lake / "silver" / "quarantine").delete("business_date = '2024-01-02'")
    assert off(own_lake) == [
        ("silver.transactions", "2024-01-02", None, "quarantine has 0 rows, the row ledger says 1 rejected")
    ]


def test_a_row_twice_in_bronze_is_named_with_its_day_and_its_file(own_lake):
    bronze = own_lake / "bronze" / "transactions"
    row = DeltaTable(bronze).to_pyarrow_dataset().to_table(filter=_is_first_row())
    write_deltalake(bronze, row, mode="append")
    assert off(own_lake) == [
        (
            "silver.transactions",
            "2024-01-01",
            None,
            "bronze has 4 rows, the row ledger 3 rows in; `lakehouse run` judges them",
        ),
        ("bronze.transactions", None, "transactions/2024-01-01.csv", "4 rows of batch 1, 3 due (ingested)"),
    ]


def _is_first_row():
    import pyarrow.compute as pc

    return (pc.field("source_record") == 1) & (pc.field("business_date") == pa.scalar(dt.date(2024, 1, 1)))


@pytest.mark.parametrize(
    ("table", "basis"),
    [
        ("gold.sales_by_region", "gold.daily_sales_summary"),
        ("gold.weekly_sales_summary", "gold.daily_sales_summary"),
        ("gold.monthly_sales_summary", "gold.daily_sales_summary"),
    ],
)
def test_a_sum_that_is_not_the_sum_of_its_parts_is_named(own_lake, table, basis):
    layer, _, name = table.partition(".")
    DeltaTable(own_lake / layer / name).update(updates={"lines": "lines + 1"})
    found = off(own_lake)
    assert {each[0] for each in found} == {table}
    assert f"but {basis} has " in found[0][3]


def test_a_file_that_is_not_in_the_lake_yet_is_named(own_lake):
    land(own_lake, "2024-01-04.csv", sales_of("2024-01-04", 1))
    assert [each[:3] for each in off(own_lake)] == [("system.landing_files", None, "transactions/2024-01-04.csv")]


def test_without_strict_an_imbalance_is_told_and_exits_0(own_lake):
    land(own_lake, "2024-01-04.csv", sales_of("2024-01-04", 1))
    told = lakehouse(own_lake, "reconcile")
    assert told.code == 0
    assert "1 imbalances." in told.out
    assert "transactions/2024-01-04.csv" in told.out
