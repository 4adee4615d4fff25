"""Maintenance by table name: which tables are meant, what is refused, and what has to follow a restore."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import pytest
from deltalake import DeltaTable, write_deltalake
from filelock import FileLock

from lakehouse.delta.model import TableError
from lakehouse.errors import BusyError, LakehouseError
from lakehouse.project import Lakehouse
from tests.thin_project import land, land_three_days, lines_of, thin_lakehouse

FIRST = dt.date(2024, 1, 1)
SILVER = "silver.transactions"


@pytest.fixture(scope="module")
def made_root(tmp_path_factory) -> Path:
    """A lake that took its files in three runs: small files, and versions to go back to."""
    root = tmp_path_factory.mktemp("busy") / "lake"
    land_three_days(root)
    lake = thin_lakehouse(root)
    assert lake.run().errors == []
    for number in (8, 9):
        land(root, "2024-01-01.csv", lines_of("2024-01-01", number))
        assert lake.run().errors == []
    return root


@pytest.fixture
def made(made_root) -> Lakehouse:
    """The lakehouse, for tests that only read."""
    return thin_lakehouse(made_root)


@pytest.fixture
def lake(made_root, lake_root) -> Lakehouse:
    """A copy that a test may change."""
    shutil.copytree(made_root, lake_root)
    return thin_lakehouse(lake_root)


def lines(lake) -> dict[str, int]:
    """The lines of each day in silver."""
    found = lake.query(
        "SELECT business_date::VARCHAR AS day, count(*) AS n FROM silver.transactions GROUP BY ALL"
    ).to_pylist()
    return {row["day"]: row["n"] for row in found}


def message(refused) -> str:
    """The sentence of an error, with its hint."""
    return f"{refused.value}; {refused.value.hint}"


def test_every_table_is_optimized_and_nothing_is_taken_in_twice(lake, lake_root):
    before = lines(lake)
    done = lake.maintenance.optimize().done
    assert {*done} == {*lake.catalog.names()}
    assert done["system.landing_files"].files == done["bronze.transactions"].files == (3, 1)
    assert done["gold.sales_by_region"].partitions == 0
    bronze = DeltaTable(lake_root / "bronze" / "transactions")
    assert bronze.history(1)[0]["command"] == "maintain optimize"
    assert {each.partitions for each in lake.maintenance.optimize().done.values()} == {0}
    received = bronze.count()
    lake.run()
    assert (lines(lake), DeltaTable(lake_root / "bronze" / "transactions").count()) == (before, received)


@pytest.mark.parametrize(("partition", "rewritten"), [("2024-01-02", 0), ("business_date=2024-01-01", 1)])
def test_one_partition_of_one_table_is_optimized(lake, partition, rewritten):
    done = lake.maintenance.optimize(["bronze.transactions"], [partition]).done
    assert {name: each.partitions for name, each in done.items()} == {"bronze.transactions": rewritten}


def test_a_table_is_put_in_order_once(lake):
    before = lines(lake)
    by = ["customer_id", "stock_code"]
    assert lake.maintenance.optimize([SILVER], zorder=by).done[SILVER].partitions == 2
    assert lake.maintenance.optimize([SILVER], zorder=by).done[SILVER].partitions == 0
    assert lines(lake) == before


def test_a_table_that_refuses_does_not_keep_the_others_from_it(lake, lake_root):
    mapped = lake_root / "gold" / "mapped"
    write_deltalake(mapped, DeltaTable(lake_root / "silver" / "transactions").to_pyarrow_table())
    log = mapped / "_delta_log" / f"{0:020}.json"
    protocol = {"minReaderVersion": 2, "minWriterVersion": 5}
    rest = [line for line in log.read_text().splitlines() if not line.startswith('{"protocol"')]
    log.write_text("\n".join([json.dumps({"protocol": protocol}), *rest]))
    found = lake.maintenance.optimize()
    assert "uses Delta features that not every engine reads: columnMapping" in found.failed["gold.mapped"]
    assert found.done["bronze.transactions"].partitions == 1
    with pytest.raises(TableError, match="columnMapping"):
        lake.maintenance.optimize(["gold.mapped"])


def test_a_vacuum_only_counts_unless_it_is_told_to_delete(lake, lake_root):
    lake.maintenance.optimize()
    everything = {*lake_root.rglob("*.parquet")}
    assert {each.files for each in lake.maintenance.vacuum().done.values()} == {0}
    counted = lake.maintenance.vacuum(retain_hours=0, unsafe=True).done
    assert {*lake_root.rglob("*.parquet")} == everything
    before = lines(lake)
    lake.maintenance.vacuum(retain_hours=0, unsafe=True, dry_run=False)
    gone = everything - {*lake_root.rglob("*.parquet")}
    assert (len(gone), lines(lake)) == (sum(each.files for each in counted.values()), before)
    assert gone
    with pytest.raises(TableError, match="have been deleted by a vacuum; choose a later version"):
        lake.maintenance.restore(SILVER, 1)


@pytest.mark.parametrize(("hours", "unsafe"), [(167, False), (-1, True)])
def test_a_short_retention_is_refused(made, hours, unsafe):
    with pytest.raises(LakehouseError, match=r"167 hours are less than 168, a week|cannot be kept for -1 hours"):
        made.maintenance.vacuum(retain_hours=hours, unsafe=unsafe)


def test_a_restore_is_planned_then_done_and_can_be_undone(lake):
    newest = lake.engine.version(SILVER)
    plan = lake.maintenance.restore_plan(SILVER, 1)
    (change,) = plan.restoration.changes
    assert (dict(change.partition), change.rows_before, change.rows_after) == ({"business_date": "2024-01-01"}, 9, 3)
    assert [(each.table, each.first, each.last) for each in plan.rebuilds] == [("gold.sales_by_region", FIRST, FIRST)]
    assert lake.engine.version(SILVER) == newest
    assert lake.maintenance.restore(SILVER, 1) == newest + 1
    assert lines(lake) == {"2024-01-01": 3, "2024-01-02": 2}
    lake.maintenance.restore(SILVER, newest)
    assert lines(lake) == {"2024-01-01": 9, "2024-01-02": 2}


def test_a_version_is_named_by_its_time(made):
    at = made.maintenance.history(SILVER)[-2].at
    assert made.maintenance.restore_plan(SILVER, at + dt.timedelta(milliseconds=1)).restoration.version == 1


@pytest.mark.parametrize("table", ["bronze.transactions", "system.landing_files", "silver.quarantine"])
def test_tables_that_others_count_on_are_not_restored(made, table):
    newest = made.engine.version(table)
    for restore in (made.maintenance.restore, made.maintenance.restore_plan, made.engine.restore):
        with pytest.raises(TableError, match=f"{table} is not restored: "):
            restore(table, 0)
    assert made.engine.version(table) == newest


def test_a_table_is_described(made):
    found = made.maintenance.describe("bronze.transactions")
    assert (found.rows, found.files, found.small_files) == (54, 5, 3)
    assert (found.partition_columns, found.optimized) == (("business_date",), None)


def test_versions_are_listed_newest_first(made):
    commits = made.maintenance.history(SILVER)
    assert [(commit.version, commit.operation) for commit in commits][-2:] == [(1, "WRITE"), (0, "CREATE TABLE")]
    assert made.maintenance.history(SILVER, 1) == commits[:1]


@pytest.mark.parametrize(
    ("operation", "sentence"),
    [
        (lambda all_: all_.optimize(["silver.orders"]), "silver.orders: no such table under"),
        (lambda all_: all_.vacuum(["silver.orders"]), "tables: bronze.transactions, silver.quarantine"),
        (lambda all_: all_.describe("silver.orders"), "silver.orders: no such table under"),
        (
            lambda all_: all_.optimize(["silver.quarantine"], ["2024-01-01"]),
            "2024-01-01 names no partition of silver.quarantine, which is partitioned by table_name, business_date",
        ),
        (lambda all_: all_.optimize([SILVER], zorder=["colour"]), "cannot be put in the order of colour"),
        (lambda all_: all_.restore_plan(SILVER, 99), "silver.transactions has no version 99; its newest is"),
    ],
)
def test_what_cannot_be_done_is_refused(made, operation, sentence):
    with pytest.raises(LakehouseError) as refused:
        operation(made.maintenance)
    assert sentence in message(refused)


def test_a_lake_without_tables_is_not_made(tmp_path):
    with pytest.raises(LakehouseError, match="there are no tables"):
        thin_lakehouse(tmp_path / "none").maintenance.optimize()
    assert not (tmp_path / "none").exists()


def test_tables_are_not_changed_beside_a_run(lake, lake_root):
    maintenance = lake.maintenance
    with FileLock(lake_root / "dagster" / ".drain.lock"):
        for operation in (
            maintenance.optimize,
            lambda: maintenance.vacuum(dry_run=False),
            lambda: maintenance.restore(SILVER, 1),
        ):
            with pytest.raises(BusyError) as refused:
                operation()
            assert "launch the job optimize_tables or vacuum_tables" in refused.value.hint
        assert maintenance.vacuum().failed == {}
