"""The quick comparisons: a sound lake adds up, and whatever is gone, twice or not taken in is named."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake

from lakehouse.errors import RequestError
from tests.lakes import lake_at, land, sales_of, table_at
from tests.scenario import day


def off(lake):
    """Return what is found without computing anything again."""
    return [
        (each.table, None if each.partition is None else str(each.partition), each.file, each.found)
        for each in lake.reconcile().discrepancies
    ]


def change_bronze(lake, *, gone=None, updates=None):
    """Change an append-only table behind the lake's back."""
    opened = table_at(lake, "bronze.transactions")
    opened.alter.set_table_properties({"delta.appendOnly": "false"})
    if gone:
        opened.delete(gone)
    else:
        opened.update(updates=updates)


def test_a_lake_with_a_held_day_adds_up(sales):
    found = sales.reconcile()
    assert found.is_balanced
    assert found.compared["days of silver.transactions"] == 3
    assert found.notes[0] == "silver.transactions: 1 held days are compared with what was last published of them"


def test_there_is_nothing_to_compare_where_there_are_no_tables(lake_root):
    with pytest.raises(RequestError, match="there are no tables under") as refused:
        lake_at(lake_root).reconcile()
    assert refused.value.hint == "`lakehouse run` makes them"


def test_a_row_gone_from_silver_is_missed(own_sales):
    table_at(own_sales, "silver.transactions").delete("invoice_no = '010001'")
    assert off(own_sales) == [
        ("silver.transactions", "2024-01-01", None, "silver.transactions has 2 rows, the row ledger says 3 published")
    ]


def test_a_row_gone_from_quarantine_is_missed(own_sales):
    table_at(own_sales, "silver.quarantine").delete("business_date = '2024-01-02'")
    assert off(own_sales) == [
        ("silver.transactions", "2024-01-02", None, "quarantine has 0 open rows, the row ledger says 1 rejected")
    ]


def test_a_row_twice_in_bronze_is_named_with_its_day_and_its_file(own_sales):
    opened = table_at(own_sales, "bronze.transactions")
    is_first = (pc.field("source_record") == 1) & (pc.field("business_date") == pa.scalar(day(1).replace(2024, 1)))
    write_deltalake(opened, opened.to_pyarrow_dataset().to_table(filter=is_first), mode="append")
    assert off(own_sales) == [
        (
            "silver.transactions",
            "2024-01-01",
            None,
            "bronze has 4 rows, the row ledger 3 rows in; `lakehouse run` audits them",
        ),
        ("bronze.transactions", None, "transactions/2024-01-01.csv", "4 rows of batch 1, 3 expected (ingested)"),
    ]


def test_the_rows_of_a_file_gone_from_bronze_are_missed_and_the_file_is_named(own_sales):
    change_bronze(own_sales, gone="source_file = 'transactions/2024-01-02.csv'")
    found = off(own_sales)
    file = "transactions/2024-01-02.csv"
    assert ("bronze.transactions", None, file, "0 rows of batch 1, 4 expected (ingested)") in found
    assert ("silver.transactions", "2024-01-02") in {each[:2] for each in found}


def test_a_landing_file_that_was_removed_is_noted_and_off_where_its_rows_are_gone_too(own_sales):
    file = "transactions/2024-01-02.csv"
    Path(own_sales.settings.landing, file).unlink()
    found = own_sales.reconcile()
    assert found.is_balanced
    assert found.notes[-1] == f"{file} is no longer in the landing zone; what it brought is in the lake"

    change_bronze(own_sales, gone=f"source_file = '{file}'")
    sentence = "0 rows of batch 1, 4 expected (ingested); the file is no longer in the landing zone either"
    assert ("bronze.transactions", None, file, sentence) in off(own_sales)


def test_a_file_that_is_not_in_the_lake_yet_is_named(own_sales):
    land(own_sales, "2024-01-04.csv", sales_of("2024-01-04", 1))
    assert [each[:3] for each in off(own_sales)] == [("system.landing_files", None, "transactions/2024-01-04.csv")]


@pytest.mark.parametrize(
    "table", ["bronze.transactions", "silver.transactions", "gold.sales_by_product", "system.row_ledger"]
)
def test_a_data_file_gone_from_disk_is_named_and_the_rest_is_still_compared(own_sales, table):
    file = table_at(own_sales, table).file_uris()[0]
    Path(file).unlink()
    found = own_sales.reconcile(strict=True)
    (gone,) = [each for each in found.discrepancies if each.table == table and each.file]
    assert file.endswith(gone.file)
    assert "is gone from storage" in gone.found
    assert found.damaged == {table}
    assert any(note.startswith(f"{table} cannot be read") for note in found.notes)
    assert found.compared["partitions of gold.weekly_sales_summary, computed again"] == 1


def test_a_data_file_that_was_cut_is_named(own_sales):
    file = Path(table_at(own_sales, "gold.sales_by_region").file_uris()[0])
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    (found,) = off(own_sales)
    assert found[0] == "gold.sales_by_region"
    size = f"data file has {len(whole) - 1:,} bytes, {len(whole):,} expected; materialize the partition"
    assert found[3].startswith(size)
