"""The strict comparison: whatever is tampered with is named by table, partition, key, column and record."""

from __future__ import annotations

import datetime as dt
import shutil
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from tests.lakehouse.reconciliation.test_compare import change_bronze
from tests.lakes import land, run, sales_of, table_at, tamper


def off(lake):
    """Return what a strict reconciliation finds."""
    return [(each.table, str(each.partition), each.found) for each in lake.reconcile(strict=True).discrepancies]


def computed(lake):
    """Return the discrepancies for which rows were compared one by one."""
    return [each for each in lake.reconcile(strict=True).discrepancies if each.difference]


def test_a_lake_with_a_held_day_adds_up_and_each_table_is_announced(sales):
    told = []
    found = sales.reconcile(strict=True, progress=told.append)
    assert found.discrepancies == []
    assert found.compared["partitions of silver.transactions, computed again"] == 3
    assert told[0].startswith("computing silver.")
    assert told[-1].startswith("computing gold.")


def test_a_row_gone_from_silver_is_named_with_its_file_and_missed_in_gold(own_sales):
    table_at(own_sales, "silver.transactions").delete("invoice_no = '010001'")
    silver, *gold = computed(own_sales)
    assert (silver.table, silver.file) == ("silver.transactions", "transactions/2024-01-01.csv")
    assert silver.found.startswith("2 rows, computed again 3, ")
    assert ", amount 5.000, computed again 7.500; 1 missing; missing line_id=" in silver.found
    assert "(transactions/2024-01-01.csv record 2)" in silver.found
    names = ("customer_days", "daily_sales_summary", "sales_by_product", "sales_by_region")
    assert {(each.table, str(each.partition)) for each in gold} == {(f"gold.{name}", "2024-01-01") for name in names}
    daily = next(each for each in gold if each.table == "gold.daily_sales_summary")
    assert "net_sales 7.500, computed again 5.000" in daily.found


def test_a_figure_changed_in_gold_is_named_with_key_and_column(own_sales):
    names = ("sales_by_product", "sales_by_region", "weekly_sales_summary", "monthly_sales_summary")
    figures = {f"gold.{name}": "net_sales" for name in names} | {"gold.daily_sales_summary": "customers"}
    for name, figure in figures.items():
        tamper(own_sales, name, {figure: f"{figure} + 1"})

    found = computed(own_sales)

    for name, figure in figures.items():
        table = own_sales.table(name)
        changed = [each for each in found if each.table == name]
        partitions = table_at(own_sales, name).to_pyarrow_table().column(table.partition_column)
        assert [each.partition for each in changed] == sorted({*partitions.to_pylist()})
        for each in changed:
            (example,) = each.difference.examples
            assert (each.difference.changed, set(example.key)) == (1, set(table.terms.policy.key))
            ((column, (actual, expected)),) = example.columns.items()
            assert (column, actual - expected) == (figure, 1)
            assert f"{figure} is {actual}, computed again {expected}" in each.found
            money = f"net_sales {actual:,f}, computed again {expected:,f}; 1 changed" if figure == "net_sales" else ""
            assert money in each.found


def test_a_version_of_a_customer_changed_behind_the_lakes_back_is_named(own_sales):
    tamper(own_sales, "gold.dim_customers", {"city": "'Leeds'"}, "customer_id = 17850")
    (found,) = computed(own_sales)
    assert (found.table, str(found.partition)) == ("gold.dim_customers", "2024-01-01")
    assert "1 changed; changed customer_id=17850 valid_from=2024-01-01" in found.found
    assert "city is Leeds, computed again null" in found.found


def test_a_version_of_a_customer_gone_is_missed_and_so_is_it_in_the_facts(own_facts):
    table_at(own_facts, "gold.dim_customers").delete("customer_id = 17850")
    found = computed(own_facts)
    (dimension,) = [each for each in found if each.table == "gold.dim_customers"]
    facts = [each for each in found if each.table == "gold.fact_sales"]
    assert (str(dimension.partition), dimension.difference.missing) == ("2024-01-01", 1)
    assert [str(each.partition) for each in facts] == ["2024-01-01", "2024-01-02"]
    assert "customer_key is " in facts[0].found
    assert "computed again UNKNOWN" in facts[0].found


def test_a_fact_that_was_moved_to_another_customer_is_named_though_every_sum_is_right(own_facts):
    tamper(own_facts, "gold.fact_sales", {"customer_key": "'UNKNOWN'"}, "invoice_no = '020001'")
    (found,) = computed(own_facts)
    assert (found.table, str(found.partition)) == ("gold.fact_sales", "2024-01-02")
    assert found.found.startswith("2 rows, but not the same as computed again; 1 changed; changed line_id=")
    assert "customer_key is UNKNOWN, computed again " in found.found


def test_a_stock_level_changed_behind_the_lakes_back_is_named_and_no_later_day_is_computed_from_it(own_facts):
    tamper(own_facts, "gold.inventory_levels", {"closing": "closing + 1"}, "business_date = '2024-01-01'")
    (found,) = [each for each in computed(own_facts) if each.table == "gold.inventory_levels"]
    assert str(found.partition) == "2024-01-01"
    assert "1 changed; changed stock_code=A: closing is 11, computed again 10" in found.found


def test_an_amount_changed_in_silver_is_named_with_its_record(own_sales):
    tamper(own_sales, "silver.transactions", {"amount": "amount + 1"}, "invoice_no = '020001'")
    silver = computed(own_sales)[0]
    file = "transactions/2024-01-02.csv"
    assert (silver.table, str(silver.partition), silver.file) == ("silver.transactions", "2024-01-02", file)
    assert "amount 6.000, computed again 5.000; 1 changed; changed " in silver.found
    assert f"({file} record 2): amount is 3.500, computed again 2.500" in silver.found


def test_a_customer_exchanged_within_a_day_is_found_though_every_sum_is_right(own_sales):
    tamper(own_sales, "silver.transactions", {"customer_id": "customer_id + 1"}, "invoice_no = '010000'")
    (silver, *_) = computed(own_sales)
    assert silver.found.startswith("3 rows, but not the same as computed again; 1 changed; ")
    assert "customer_id is 17851, computed again 17850" in silver.found


def test_a_row_too_many_in_silver_is_named(own_sales):
    opened = table_at(own_sales, "silver.transactions")
    row = opened.to_pyarrow_table().slice(0, 1)
    write_deltalake(opened, row.set_column(0, "line_id", pa.array(["stranger"])), mode="append")
    (silver, *_) = computed(own_sales)
    (day,) = row.column("business_date").to_pylist()
    assert (silver.table, silver.partition, silver.difference.extra) == ("silver.transactions", day, 1)
    assert "1 extra; extra line_id=stranger" in silver.found


def test_a_value_changed_in_bronze_is_found_in_silver(own_sales):
    change_bronze(own_sales, updates={"Quantity": "'7'"})
    silver = computed(own_sales)[0]
    assert (silver.table, silver.difference.missing, silver.difference.extra) == ("silver.transactions", 3, 3)


@pytest.fixture
def lake_with_a_held_second_version(own_sales):
    """A lake where a worse version of the first day's file has landed: its last good version stays."""
    land(own_sales, "2024-01-01.csv", sales_of("2024-01-01", 30, Quantity="x"))
    run(own_sales)
    assert table_at(own_sales, "silver.transactions").to_pyarrow_table().num_rows == 5
    return own_sales


def test_a_held_day_is_compared_with_what_was_last_published_of_it(lake_with_a_held_second_version):
    lake = lake_with_a_held_second_version
    assert off(lake) == []
    tamper(lake, "silver.transactions", {"amount": "amount + 1"}, "invoice_no = '010001'")
    sentence = "is held, and not what version 1 published: amount 8.500, published then 7.500"
    assert off(lake)[0] == ("silver.transactions", "2024-01-01", sentence)


def test_a_held_day_whose_last_version_is_vacuumed_is_noted(lake_with_a_held_second_version):
    lake = lake_with_a_held_second_version
    opened = table_at(lake, "silver.transactions")
    opened.delete("invoice_no = '010001'")
    opened.vacuum(0, dry_run=False, enforce_retention_duration=False)
    note = "silver.transactions: version 1 is gone, so 1 held partitions are not compared with it"
    assert note in lake.reconcile(strict=True).notes


def test_a_row_ledger_that_balances_and_is_wrong_is_found(own_sales):
    opened = table_at(own_sales, "system.row_ledger")
    lines = opened.to_pyarrow_table()
    day = ("silver.transactions", "2024-01-02")
    (line,) = [each for each in lines.to_pylist() if (each["table_name"], str(each["business_date"])) == day]
    line |= {"duplicate": 0, "superseded": 1, "recorded_at": line["recorded_at"] + dt.timedelta(seconds=1)}
    write_deltalake(opened, pa.Table.from_pylist([line], schema=lines.schema), mode="append")
    assert off(own_sales) == [
        (*day, "the row ledger says 0 duplicate, computed again 1"),
        (*day, "the row ledger says 1 superseded, computed again 0"),
    ]


def test_days_that_were_never_built_into_gold_are_named(own_sales):
    shutil.rmtree(Path(own_sales.settings.root, "gold", "sales_by_region"))
    found = [each for each in off(own_sales) if each[0] == "gold.sales_by_region"]
    assert {day for _, day, _ in found} == {"2024-01-01", "2024-01-02"}
    assert "0 rows, computed again 1" in found[0][2]


def test_stale_figures_are_decimals_and_dates_and_no_text(own_sales):
    tamper(own_sales, "gold.sales_by_region", {"net_sales": "net_sales + 1"}, "business_date = '2024-01-01'")
    (found,) = computed(own_sales)
    (example,) = found.difference.examples
    assert example.key == {"business_date": dt.date(2024, 1, 1), "country": "United Kingdom"}
    assert example.columns == {"net_sales": (Decimal("8.500"), Decimal("7.500"))}
