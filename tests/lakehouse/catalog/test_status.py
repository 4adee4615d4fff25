"""What is in the lake, what is held, and what still lies in the landing zone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from lakehouse.ingestion.manifest import BatchManifest, ManifestFile
from tests.lakes import HELD, lake_at, land, sales_of


def test_every_table_is_described_by_its_log(sales):
    tables = {table.name: table for table in sales.status().tables}
    found = {name: (table.rows, table.partitions) for name, table in tables.items()}
    expected = {
        "bronze.transactions": (37, 3),
        "silver.transactions": (5, 2),
        "silver.quarantine": (26, 2),
        "gold.daily_sales_summary": (2, 2),
        "gold.monthly_sales_summary": (1, 1),
        "gold.dim_customers": (2, None),
        "system.landing_files": (3, None),
    }
    assert expected.items() <= found.items()
    silver = tables["silver.transactions"]
    assert (silver.newest_partition, silver.held, silver.quarantined) == (dt.date(2024, 1, 2), 1, 26)
    assert silver.delta_version == sales.catalog.open("silver.transactions").version()
    assert dt.timedelta() < dt.datetime.now(tz=dt.UTC) - silver.last_commit < dt.timedelta(hours=1)


def test_a_held_day_is_there_with_its_reason(sales):
    (held,) = sales.status().held
    assert (held.table, str(held.business_date)) == ("silver.transactions", HELD)
    assert "25 of 30 rows are rejected" in held.reason


def test_new_and_changed_files_wait_and_untouched_or_rewritten_ones_do_not(own_sales):
    assert own_sales.status().landing.pending == []
    land(own_sales, "2024-01-01.csv", sales_of("2024-01-01", 3))
    land(own_sales, "2024-01-02.csv", sales_of("2024-01-02", 9))
    land(own_sales, "2024-01-04.csv", sales_of("2024-01-04", 1))

    landing = own_sales.status().landing

    assert landing.pending == ["transactions/2024-01-02.csv", "transactions/2024-01-04.csv"]
    assert landing.known == 2


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("2024-01-05.csv", "move it into one of clicks, customers, inventory, products, transactions"),
        ("stores/2024-01-05.csv", "no source is called stores"),
        ("transactions/1999-01-01.csv", "LAKEHOUSE_START_DATE"),
        ("transactions/notes.txt", "yyyy-mm-dd"),
    ],
)
def test_a_file_that_nobody_takes_says_what_to_do(lake_root, key, why):
    lake = lake_at(lake_root, ("gold.fact_sales",))
    file = Path(lake.settings.landing, key)
    file.parent.mkdir(parents=True)
    file.write_text("a\n1\n")
    (found,) = lake.status().landing.unroutable
    assert found.key == key
    assert why in found.why


def test_an_interrupted_ingestion_is_unfinished(own_sales):
    ManifestFile(own_sales.settings.root, "transactions").write("x", [BatchManifest(2, [], [])])
    assert own_sales.status().landing.unfinished == ["transactions"]


def test_a_column_whose_values_cannot_be_read_is_drift(sales):
    (column,) = sales.status().drift
    assert (column.source, column.files) == ("transactions", [f"transactions/{HELD}.csv"])
    assert column.sentence.startswith("most values of column Quantity cannot be read")


def test_an_empty_lake_has_a_status(lake_root):
    status = lake_at(lake_root).status()
    assert (status.tables, status.held, status.drift, status.landing.known) == ([], [], [], 0)
