"""`lakehouse reconcile`: a sound lake adds up, and whatever is tampered with is named."""

from __future__ import annotations

import datetime as dt
import shutil
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lakehouse_assets.definitions import find_tables
from tests.lakehouse.cli.conftest import lakehouse, land, sales_of
from tests.scenario import csv_bytes


def read(root, table):
    """Return a table's rows."""
    return DeltaTable(root / table.replace(".", "/")).to_pyarrow_table()


def rewrite_without(table, gone, *, updates=None):
    """Change an append-only table behind its back."""
    opened = DeltaTable(table)
    opened.alter.set_table_properties({"delta.appendOnly": "false"})
    if gone:
        opened.delete(gone)
    else:
        opened.update(updates=updates)


def off(root):
    """Return what a strict reconciliation finds, after checking its exit code."""
    answer = lakehouse(root, "reconcile", "--strict", "--json")
    assert answer.code == (2 if answer.data["imbalances"] else 0)
    return [(each["table"], each["partition"], each["file"], each["found"]) for each in answer.data["imbalances"]]


def test_a_lake_with_a_held_day_adds_up(own_lake):
    assert off(own_lake) == []
    assert "Everything adds up." in lakehouse(own_lake, "reconcile").out


def test_a_demo_with_superseded_copied_and_refused_files_adds_up(demo_lake):
    answer = lakehouse(demo_lake.root, "reconcile", "--strict", "--json")
    assert answer.data["imbalances"] == []
    assert answer.data["compared"]["days of silver.transactions"] == 7
    assert answer.code == 0


def test_a_row_gone_from_silver_is_named_with_its_file_and_missed_in_gold(own_lake):
    DeltaTable(own_lake / "silver" / "transactions").delete("invoice_no = '010001'")
    assert off(own_lake)[0] == (
        "silver.transactions",
        "2024-01-01",
        None,
        "silver.transactions has 2 rows, the row ledger says 3 published",
    )
    silver, *gold = computed(own_lake)
    assert silver["table"] == "silver.transactions"
    assert silver["file"] == "transactions/2024-01-01.csv"
    assert silver["found"].startswith("2 rows, computed again 3, ")
    assert ", amount 5.000, computed again 7.500; 1 missing; missing line_id=" in silver["found"]
    assert "(transactions/2024-01-01.csv record 2)" in silver["found"]
    direct = ("customer_days", "daily_sales_summary", "fact_sales", "sales_by_product", "sales_by_region")
    off_too = {(each["table"], each["partition"]) for each in gold}
    assert {(f"gold.{name}", "2024-01-01") for name in direct} <= off_too
    assert {partition for _, partition in off_too} == {"2024-01-01"}
    daily = next(each for each in gold if each["table"] == "gold.daily_sales_summary")
    assert "net_sales 7.500, computed again 5.000" in daily["found"]


def test_a_row_gone_from_quarantine_is_missed(own_lake):
    DeltaTable(own_lake / "silver" / "quarantine").delete("business_date = '2024-01-02'")
    assert off(own_lake) == [
        ("silver.transactions", "2024-01-02", None, "quarantine has 0 open rows, the row ledger says 1 rejected")
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


def computed(root):
    """Return the imbalances for which rows were compared one by one."""
    answer = lakehouse(root, "reconcile", "--strict", "--json")
    assert answer.code == 2
    return [each for each in answer.data["imbalances"] if each["difference"]]


def _is_first_row():
    import pyarrow.compute as pc

    return (pc.field("source_record") == 1) & (pc.field("business_date") == pa.scalar(dt.date(2024, 1, 1)))


def test_a_figure_changed_in_gold_is_named_with_key_and_column(own_lake):
    names = ("sales_by_product", "sales_by_region", "weekly_sales_summary", "monthly_sales_summary")
    figures = {f"gold.{name}": "net_sales" for name in names} | {"gold.daily_sales_summary": "customers"}
    tables = [table for table in find_tables() if table.full_name in figures]
    for table in tables:
        figure = figures[table.full_name]
        DeltaTable(own_lake / "gold" / table.name).update(updates={figure: f"{figure} + 1"})

    found = computed(own_lake)

    for table in tables:
        figure = figures[table.full_name]
        changed = [each for each in found if each["table"] == table.full_name]
        partitions = read(own_lake, table.full_name).column(table.partition_column)
        assert [each["partition"] for each in changed] == sorted({str(each) for each in partitions.to_pylist()})
        for each in changed:
            (example,) = each["difference"]["examples"]
            assert (each["difference"]["changed"], set(example["key"])) == (1, set(table.terms.policy.key))
            ((column, (here, due)),) = example["columns"].items()
            assert (column, Decimal(here) - Decimal(due)) == (figure, 1)
            assert f"{figure} is {here}, computed again {due}" in each["found"]
            money = f"{Decimal(here):,f}, computed again {Decimal(due):,f}; 1 changed"
            assert (f"net_sales {money}" in each["found"]) == (figure == "net_sales")


def test_a_version_of_a_customer_changed_behind_the_lakes_back_is_named(own_lake):
    DeltaTable(own_lake / "gold" / "dim_customers").update(updates={"city": "'Leeds'"}, predicate="customer_id = 17850")
    (found,) = computed(own_lake)
    assert (found["table"], found["partition"]) == ("gold.dim_customers", "2024-01-01")
    assert "1 changed; changed customer_id=17850 valid_from=2024-01-01" in found["found"]
    assert "city is Leeds, computed again null" in found["found"]


def test_a_version_of_a_customer_gone_is_missed_and_so_is_it_in_the_facts(own_lake):
    DeltaTable(own_lake / "gold" / "dim_customers").delete("customer_id = 17850")
    found = computed(own_lake)
    (dimension,) = [each for each in found if each["table"] == "gold.dim_customers"]
    facts = [each for each in found if each["table"] == "gold.fact_sales"]
    assert (dimension["partition"], dimension["difference"]["missing"]) == ("2024-01-01", 1)
    assert [each["partition"] for each in facts] == ["2024-01-01", "2024-01-02"]
    assert "customer_key is " in facts[0]["found"]
    assert "computed again UNKNOWN" in facts[0]["found"]


def test_a_fact_that_was_moved_to_another_customer_is_named_though_every_sum_is_right(own_lake):
    DeltaTable(own_lake / "gold" / "fact_sales").update(
        updates={"customer_key": "'UNKNOWN'"}, predicate="invoice_no = '020001'"
    )
    (found,) = computed(own_lake)
    assert (found["table"], found["partition"]) == ("gold.fact_sales", "2024-01-02")
    assert found["found"].startswith("2 rows, but not the same as computed again; 1 changed; changed line_id=")
    assert "customer_key is UNKNOWN, computed again " in found["found"]


def test_a_stock_level_changed_behind_the_lakes_back_is_named_and_no_later_day_is_computed_from_it(own_lake):
    columns = ("movement_id", "stock_code", "movement_type", "quantity", "moved_at")
    for day, *movement in (("2024-01-01", "M1", "A", "receipt", "10"), ("2024-01-02", "M2", "A", "sale", "-3")):
        line = dict(zip(columns, (*movement, f"{day} 10:00:00"), strict=True))
        file = own_lake / "landing" / "inventory" / f"{day}.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(csv_bytes([line], columns))
    assert lakehouse(own_lake, "run").code == 3  # the held day of transactions
    assert off(own_lake) == []
    DeltaTable(own_lake / "gold" / "inventory_levels").update(
        updates={"closing": "closing + 1"}, predicate="business_date = '2024-01-01'"
    )
    (found,) = [each for each in computed(own_lake) if each["table"] == "gold.inventory_levels"]
    assert found["partition"] == "2024-01-01"
    assert "1 changed; changed stock_code=A: closing is 11, computed again 10" in found["found"]


def test_an_amount_changed_in_silver_is_named_with_its_record(own_lake):
    DeltaTable(own_lake / "silver" / "transactions").update(
        updates={"amount": "amount + 1"}, predicate="invoice_no = '020001'"
    )
    silver = computed(own_lake)[0]
    assert (silver["table"], silver["partition"], silver["file"]) == (
        "silver.transactions",
        "2024-01-02",
        "transactions/2024-01-02.csv",
    )
    assert "amount 6.000, computed again 5.000; 1 changed; changed " in silver["found"]
    assert "(transactions/2024-01-02.csv record 2): amount is 3.500, computed again 2.500" in silver["found"]


def test_two_amounts_exchanged_within_a_day_are_found_though_every_sum_is_right(own_lake):
    DeltaTable(own_lake / "silver" / "transactions").update(
        updates={"customer_id": "customer_id + 1"}, predicate="invoice_no = '010000'"
    )
    (silver, *_) = computed(own_lake)
    assert silver["found"].startswith("3 rows, but not the same as computed again; 1 changed; ")
    assert "customer_id is 17851, computed again 17850" in silver["found"]


def test_a_row_too_many_in_silver_is_named(own_lake):
    row = read(own_lake, "silver.transactions").slice(0, 1)
    stranger = row.set_column(0, "line_id", pa.array(["stranger"]))
    write_deltalake(own_lake / "silver" / "transactions", stranger, mode="append")
    (silver, *_) = computed(own_lake)
    day = str(row.column("business_date")[0])
    assert (silver["table"], silver["partition"], silver["difference"]["extra"]) == ("silver.transactions", day, 1)
    assert "1 extra; extra line_id=stranger" in silver["found"]


def test_the_rows_of_a_file_gone_from_bronze_are_missed_and_the_file_is_named(own_lake):
    rewrite_without(own_lake / "bronze" / "transactions", "source_file = 'transactions/2024-01-02.csv'")
    found = off(own_lake)
    assert ("bronze.transactions", None, "transactions/2024-01-02.csv", "0 rows of batch 1, 4 due (ingested)") in found
    days = {(table, day) for table, day, _, _ in found}
    assert ("silver.transactions", "2024-01-02") in days


def test_a_value_changed_in_bronze_is_found_in_silver(own_lake):
    rewrite_without(own_lake / "bronze" / "transactions", None, updates={"Quantity": "'7'"})
    silver = computed(own_lake)[0]
    assert (silver["table"], silver["difference"]["missing"], silver["difference"]["extra"]) == (
        "silver.transactions",
        3,
        3,
    )


def test_a_file_that_is_not_in_the_lake_yet_is_named(own_lake):
    land(own_lake, "2024-01-04.csv", sales_of("2024-01-04", 1))
    assert [each[:3] for each in off(own_lake)] == [("system.landing_files", None, "transactions/2024-01-04.csv")]


def test_without_strict_an_imbalance_is_told_and_exits_0(own_lake):
    land(own_lake, "2024-01-04.csv", sales_of("2024-01-04", 1))
    told = lakehouse(own_lake, "reconcile")
    assert told.code == 0
    assert "1 imbalances." in told.out
    assert "transactions/2024-01-04.csv" in told.out


@pytest.mark.parametrize(
    "table",
    ["bronze.transactions", "silver.transactions", "gold.sales_by_product", "system.row_ledger"],
)
def test_a_data_file_gone_from_disk_is_named_and_the_rest_is_still_compared(own_lake, table):
    files = DeltaTable(own_lake / table.replace(".", "/")).file_uris()
    Path(files[0]).unlink()
    answer = lakehouse(own_lake, "reconcile", "--strict", "--json")
    assert answer.code == 2
    (gone,) = [each for each in answer.data["imbalances"] if each["table"] == table and each["file"]]
    assert files[0].endswith(gone["file"])
    assert "is gone from storage" in gone["found"]
    assert any(note.startswith(f"{table} cannot be read") for note in answer.data["notes"])
    assert answer.data["compared"]["partitions of gold.weekly_sales_summary, computed again"] == 1


def test_a_data_file_that_was_cut_is_named(own_lake):
    file = Path(DeltaTable(own_lake / "gold" / "sales_by_region").file_uris()[0])
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    (found,) = off(own_lake)
    assert found[0] == "gold.sales_by_region"
    assert found[3].startswith(f"data file has {len(whole) - 1:,} bytes, {len(whole):,} due; materialize the partition")


def test_a_landing_file_that_was_removed_is_noted_by_name(own_lake):
    (own_lake / "landing" / "transactions" / "2024-01-02.csv").unlink()
    answer = lakehouse(own_lake, "reconcile", "--strict", "--json")
    assert answer.code == 0
    assert answer.data["notes"][-1] == (
        "transactions/2024-01-02.csv is no longer in the landing zone; what it brought is in the lake"
    )


def test_a_landing_file_that_was_removed_and_whose_rows_are_gone_too_is_an_imbalance(own_lake):
    (own_lake / "landing" / "transactions" / "2024-01-02.csv").unlink()
    rewrite_without(own_lake / "bronze" / "transactions", "source_file = 'transactions/2024-01-02.csv'")
    assert (
        "bronze.transactions",
        None,
        "transactions/2024-01-02.csv",
        "0 rows of batch 1, 4 due (ingested); the file is no longer in the landing zone either",
    ) in off(own_lake)


@pytest.fixture
def lake_with_a_held_second_version(own_lake):
    """The small lake, where a worse version of the first day's file has landed: its last good version stays."""
    land(own_lake, "2024-01-01.csv", sales_of("2024-01-01", 30, Quantity="x"))
    assert lakehouse(own_lake, "run").code == 3
    assert read(own_lake, "silver.transactions").num_rows == 5
    return own_lake


def test_a_held_day_is_compared_with_what_was_last_published(lake_with_a_held_second_version):
    lake = lake_with_a_held_second_version
    assert off(lake) == []
    DeltaTable(lake / "silver" / "transactions").update(
        updates={"amount": "amount + 1"}, predicate="invoice_no = '010001'"
    )
    table, day, _, found = off(lake)[0]
    assert (table, day) == ("silver.transactions", "2024-01-01")
    assert found == "is held, and not what version 1 published: amount 8.500, published then 7.500"


def test_a_held_day_whose_last_version_is_vacuumed_is_noted(lake_with_a_held_second_version):
    lake = lake_with_a_held_second_version
    opened = DeltaTable(lake / "silver" / "transactions")
    opened.delete("invoice_no = '010001'")
    opened.vacuum(0, dry_run=False, enforce_retention_duration=False)
    answer = lakehouse(lake, "reconcile", "--strict", "--json")
    assert (
        "silver.transactions: version 1 is gone, so 1 held partitions are not compared with it" in answer.data["notes"]
    )


def test_a_row_ledger_that_balances_and_is_wrong_is_found(own_lake):
    ledger = own_lake / "system" / "row_ledger"
    lines = DeltaTable(ledger).to_pyarrow_table()
    (line,) = [
        each
        for each in lines.to_pylist()
        if (each["table_name"], str(each["business_date"])) == ("silver.transactions", "2024-01-02")
    ]
    line |= {"duplicate": 0, "superseded": 1, "recorded_at": line["recorded_at"] + dt.timedelta(seconds=1)}
    write_deltalake(ledger, pa.Table.from_pylist([line], schema=lines.schema), mode="append")
    assert [each[3] for each in off(own_lake) if each[0] == "silver.transactions"] == [
        "the row ledger says 0 duplicate, computed again 1",
        "the row ledger says 1 superseded, computed again 0",
    ]


def test_days_that_were_never_built_into_gold_are_named(own_lake):
    shutil.rmtree(own_lake / "gold" / "sales_by_region")
    found = [each for each in off(own_lake) if each[0] == "gold.sales_by_region"]
    assert {each[1] for each in found} == {"2024-01-01", "2024-01-02"}
    assert "0 rows, computed again 1" in found[0][3]


def test_what_is_computed_is_told_on_a_terminal_only(own_lake):
    assert lakehouse(own_lake, "reconcile", "--strict").err == ""
