"""`lakehouse status`: tables from their logs, held days, and the landing zone."""

from __future__ import annotations

from tests.lakehouse.cli.conftest import lakehouse, land, sales_of


def test_every_table_is_told_with_rows_partitions_and_version(ask):
    tables = {table["name"]: table for table in ask("status", "--json").data["tables"]}
    found = {name: (table["rows"], table["partitions"]) for name, table in tables.items()}
    expected = {
        "bronze.transactions": (37, 3),
        "silver.transactions": (5, 2),
        "silver.quarantine": (26, 2),
        "gold.daily_sales_summary": (2, 2),
        "gold.weekly_sales_summary": (1, 1),
        "gold.monthly_sales_summary": (1, 1),
        "gold.sales_by_region": (2, 2),
        "gold.sales_by_product": (2, 2),
        "gold.fact_sales": (5, 2),
        "gold.dim_customers": (2, None),
        "system.landing_files": (3, None),
    }
    assert expected.items() <= found.items()
    silver = tables["silver.transactions"]
    assert silver["newest_partition"] == "2024-01-02"
    assert (silver["held"], silver["quarantined"]) == (1, 26)
    assert silver["last_commit"].endswith("Z")


def test_held_days_are_told_with_their_reason(ask):
    (held,) = ask("status", "--json").data["held"]
    assert held["business_date"] == "2024-01-03"
    assert "mostly quantity:readable 25" in held["reason"]
    assert "25 of 30 rows are rejected" in ask("status").out


def test_an_empty_lake_has_a_status(lake_root):
    empty = lakehouse(lake_root, "status")
    assert empty.code == 0
    assert "There are no tables" in empty.out


def test_what_waits_and_what_nobody_takes_is_told(own_lake):
    land(own_lake, "2024-01-04.csv", sales_of("2024-01-04", 1))
    told = lakehouse(own_lake, "status").out
    assert "1 file to take in by `lakehouse run`: transactions/2024-01-04.csv" in told
    assert "nobody takes transactions/notes.txt: name it <yyyy-mm-dd>" in told
    landing = lakehouse(own_lake, "status", "--json").data["landing"]
    assert landing.keys() == {"pending", "unroutable", "known", "gone", "unfinished"}
    assert (landing["pending"], landing["known"]) == (["transactions/2024-01-04.csv"], 3)
    assert [file.keys() for file in landing["unroutable"]] == [{"key", "why"}]
