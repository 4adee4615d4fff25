"""`lakehouse status`: tables from their logs, held days, and the landing zone."""

from __future__ import annotations

from lakehouse.ingestion.manifest import BatchManifest, ManifestFile
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


def test_new_and_changed_files_wait_and_untouched_or_rewritten_ones_do_not(own_lake):
    assert lakehouse(own_lake, "status", "--json").data["landing"]["pending"] == []
    land(own_lake, "2024-01-01.csv", sales_of("2024-01-01", 3))
    land(own_lake, "2024-01-02.csv", sales_of("2024-01-02", 9))
    land(own_lake, "2024-01-04.csv", sales_of("2024-01-04", 1))

    landing = lakehouse(own_lake, "status", "--json").data["landing"]

    assert landing["pending"] == ["transactions/2024-01-02.csv", "transactions/2024-01-04.csv"]
    assert landing["known"] == 2


def test_files_that_nobody_takes_are_told_with_what_to_do(own_lake):
    for misplaced in ("2024-01-05.csv", "stores/2024-01-05.csv", "transactions/1999-01-01.csv"):
        file = own_lake / "landing" / misplaced
        file.parent.mkdir(exist_ok=True)
        file.write_text("a\n1\n")
    why = {file["key"]: file["why"] for file in lakehouse(own_lake, "status", "--json").data["landing"]["unroutable"]}
    assert why.keys() == {
        "2024-01-05.csv",
        "stores/2024-01-05.csv",
        "transactions/1999-01-01.csv",
        "transactions/notes.txt",
    }
    assert "move it into one of clicks, customers, inventory, products, transactions" in why["2024-01-05.csv"]
    assert "no source is called stores" in why["stores/2024-01-05.csv"]
    assert "LAKEHOUSE_START_DATE" in why["transactions/1999-01-01.csv"]
    assert "yyyy-mm-dd" in why["transactions/notes.txt"]


def test_an_interrupted_ingestion_is_told(own_lake):
    ManifestFile(str(own_lake), "transactions").write("x", [BatchManifest(2, [], [])])
    assert lakehouse(own_lake, "status", "--json").data["landing"]["unfinished"] == ["transactions"]


def test_an_empty_lake_has_a_status(lake_root):
    empty = lakehouse(lake_root, "status")
    assert empty.code == 0
    assert "There are no tables" in empty.out
