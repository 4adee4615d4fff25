"""`lakehouse maintain`: what is done, what is only told, and what is refused."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, write_deltalake
from filelock import FileLock

from lakehouse_assets.definitions import find_tables
from tests.lakehouse.cli.conftest import lakehouse, land, sales_of

REPOSITORY = Path(__file__).parents[3]
LINES = "SELECT business_date, count(*) AS lines FROM silver.transactions GROUP BY ALL ORDER BY ALL"


def lines(root) -> dict[str, int]:
    """The lines of each day in silver."""
    return {row["business_date"]: row["lines"] for row in lakehouse(root, "query", "--json", LINES).data}


def balance(root) -> dict[str, Any]:
    """What a reconciliation says, but for the number of data files."""
    found = lakehouse(root, "reconcile", "--json").data
    return {**found, "compared": {name: count for name, count in found["compared"].items() if name != "data files"}}


def version(root, table: str = "silver/transactions") -> int:
    return DeltaTable(root / table).version()


def tables(root) -> int:
    """How many tables there are on disk."""
    return len([*root.glob("*/*/_delta_log")])


def files(root) -> set[Path]:
    """Every data file of the lake that is on disk."""
    return set(root.rglob("*.parquet"))


@pytest.fixture(scope="module")
def made_lake(small_lake, tmp_path_factory) -> Path:
    """A lake that took its files in three drains: small files, and versions to go back to."""
    root = tmp_path_factory.mktemp("busy") / "lake"
    shutil.copytree(small_lake.root, root)
    for number in (8, 9):
        land(root, "2024-01-01.csv", sales_of("2024-01-01", number))
        assert lakehouse(root, "run").code == 3
    return root


@pytest.fixture
def busy_lake(made_lake, lake_root) -> Path:
    """A copy of it that a test may change."""
    shutil.copytree(made_lake, lake_root)
    return lake_root


# Optimize


def test_every_table_is_optimized_and_says_the_same(busy_lake):
    before = balance(busy_lake)
    done = lakehouse(busy_lake, "maintain", "optimize", "--all", "--json").data

    rewritten = {name: result["files"] for name, result in done["tables"].items() if result["partitions"]}
    assert rewritten["system.landing_files"] == [3, 1]
    assert rewritten["bronze.transactions"] == [3, 1]
    assert "system.row_ledger" in rewritten
    assert done["tables"]["gold.daily_sales_summary"]["partitions"] == 0
    assert balance(busy_lake) == before
    assert DeltaTable(busy_lake / "bronze" / "transactions").history(1)[0]["command"] == "maintain optimize"

    again = lakehouse(busy_lake, "maintain", "optimize", "--all")

    assert again.out == f"{tables(busy_lake)} tables left alone: no partition has more than one small file.\n"
    received = DeltaTable(busy_lake / "bronze" / "transactions").count()
    lakehouse(busy_lake, "run")
    assert DeltaTable(busy_lake / "bronze" / "transactions").count() == received, "nothing is taken in twice"


def test_one_partition_of_one_table_is_optimized(busy_lake):
    for given, partitions in (("2024-01-02", 0), ("business_date=2024-01-01", 1)):
        done = lakehouse(busy_lake, "maintain", "optimize", "bronze.transactions", "--partition", given, "--json").data
        assert done["tables"]["bronze.transactions"]["partitions"] == partitions


def test_what_was_rewritten_is_shown_for_people(busy_lake):
    shown = lakehouse(busy_lake, "maintain", "optimize", "bronze.transactions", "gold.sales_by_region")
    assert "3 → 1" in shown.out
    assert "1 table left alone" in shown.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["optimize"], "name the tables to optimize, or give --all"),
        (["optimize", "--all", "silver.transactions"], "name the tables to optimize, or give --all"),
        (["optimize", "silver.orders"], "silver.orders: no such table under"),
        (["optimize", "silver.quarantine", "--partition", "2024-01-01"], "partitioned by table_name, business_date"),
        (["zorder", "silver.transactions", "--by", "colour"], "cannot be put in the order of colour; choose among"),
        (["zorder", "silver.transactions", "--by", ","], "--by names no column"),
        (["restore", "silver.transactions"], "give either --version or --as-of"),
        (["restore", "silver.transactions", "--version", "1", "--as-of", "2024-01-01"], "give either --version or"),
        (["restore", "silver.transactions", "--as-of", "yesterday"], "give a time like 2024-01-31T18:00"),
        (["restore", "silver.transactions", "--version", "99"], "silver.transactions has no version 99; its newest is"),
        (["describe", "silver.orders"], "Tables: bronze.transactions, "),
        (["vacuum", "--retain-hours", "167"], "is less than 168, a week"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(ask, arguments, told):
    refused = ask("maintain", *arguments)
    assert refused.code == 1
    assert told in refused.err
    assert refused.out == ""


def test_a_table_that_refuses_does_not_keep_the_others_from_it(busy_lake):
    mapped = busy_lake / "gold" / "mapped"
    write_deltalake(mapped, DeltaTable(busy_lake / "silver" / "transactions").to_pyarrow_table())
    log = mapped / "_delta_log" / f"{0:020}.json"
    protocol = {"minReaderVersion": 2, "minWriterVersion": 5}
    rest = [line for line in log.read_text().splitlines() if not line.startswith('{"protocol"')]
    log.write_text("\n".join([json.dumps({"protocol": protocol}), *rest]))

    done = lakehouse(busy_lake, "maintain", "optimize", "--all")

    assert done.code == 1
    assert "gold.mapped uses Delta features that not every engine reads: columnMapping" in done.err
    assert "bronze.transactions" in done.out


def test_a_lake_without_tables_is_not_made(tmp_path):
    refused = lakehouse(tmp_path / "none", "maintain", "optimize", "--all")
    assert refused.code == 1
    assert "there are no tables" in refused.err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["optimize", "--all"],
        ["zorder", "silver.transactions", "--by", "kind"],
        ["vacuum", "--force"],
        ["restore", "silver.transactions", "--version", "0", "--yes"],
    ],
)
def test_tables_are_not_changed_beside_a_drain(own_lake, arguments):
    with FileLock(own_lake / "dagster" / ".drain.lock"):
        refused = lakehouse(own_lake, "maintain", *arguments)
    assert refused.code == 1
    assert "is at work on" in refused.err
    assert "launch the job optimize_tables or vacuum_tables" in refused.err


# Z-order


def test_a_table_is_put_in_order_once(own_lake):
    by = ["zorder", "silver.transactions", "--by", "customer_id, stock_code"]
    before = lines(own_lake)
    assert lakehouse(own_lake, "maintain", *by, "--json").data["tables"]["silver.transactions"]["partitions"] == 2
    shown = lakehouse(own_lake, "maintain", *by)
    assert shown.out == "1 table left alone: every partition is in the order of customer_id, stock_code.\n"
    assert lines(own_lake) == before


# Vacuum


def test_a_vacuum_only_counts_until_it_is_forced(busy_lake):
    lakehouse(busy_lake, "maintain", "optimize", "--all")
    everything = files(busy_lake)
    unsafe = ["vacuum", "--retain-hours", "0", "--unsafe"]

    assert lakehouse(busy_lake, "maintain", "vacuum").out == f"Nothing to delete in {tables(busy_lake)} tables.\n"
    counted = lakehouse(busy_lake, "maintain", *unsafe)
    told = lakehouse(busy_lake, "maintain", *unsafe, "--json").data

    stale = sum(table["files"] for table in told["tables"].values())
    size = sum(table["bytes"] for table in told["tables"].values())
    assert "Nothing is deleted yet; --force does it." in counted.out
    assert (told["deleted"], files(busy_lake)) == (False, everything)

    before = lines(busy_lake)
    deleted = lakehouse(busy_lake, "maintain", *unsafe, "--force")

    gone = everything - files(busy_lake)
    assert f"{len(gone)} files, " in deleted.out
    assert (len(gone), lines(busy_lake)) == (stale, before)
    assert size > 0
    refused = lakehouse(busy_lake, "maintain", "restore", "silver.transactions", "--version", "1", "--yes")
    assert refused.code == 1
    assert "have been deleted by a vacuum; choose a later version" in refused.err


# Looking


def test_versions_are_shown_with_what_made_them(busy_lake):
    commits = lakehouse(busy_lake, "maintain", "history", "silver.transactions", "--json").data
    assert [(commit["version"], commit["operation"]) for commit in commits][-2:] == [(1, "WRITE"), (0, "CREATE TABLE")]
    newest = commits[0]
    assert newest["at"].endswith("Z")
    assert newest["parameters"]["predicate"] == "business_date = '2024-01-01'::date"
    shown = lakehouse(busy_lake, "maintain", "history", "silver.transactions", "--limit", "1").out
    assert f"run {newest['metadata']['run_id'][:8]}" in shown
    assert "where business_date = '2024-01-01'" in shown
    assert "CREATE" not in shown


def test_a_table_is_described(busy_lake):
    found = lakehouse(busy_lake, "maintain", "describe", "bronze.transactions", "--json").data
    assert (found["rows"], found["files"], found["small_files"], found["partition_columns"]) == (
        54,
        5,
        3,
        ["business_date"],
    )
    assert found["properties"]["delta.appendOnly"] == "true"
    assert {"name": "business_date", "type": "date32[day]", "nullable": True} in found["columns"]
    assert (found["optimized"], found["vacuumed"]) == (None, None)
    lakehouse(busy_lake, "maintain", "optimize", "bronze.transactions")
    shown = lakehouse(busy_lake, "maintain", "describe", "bronze.transactions").out
    assert "3 in 3 partitions" in shown
    assert "last optimized 20" in shown
    assert "last vacuumed  never" in shown


# Restore


def test_a_restore_is_told_first_then_done_and_can_be_undone(busy_lake):
    newest = version(busy_lake)
    plan = lakehouse(busy_lake, "maintain", "restore", "silver.transactions", "--version", "1", "--json").data
    assert plan["changes"] == [{"partition": [["business_date", "2024-01-01"]], "rows_before": 9, "rows_after": 3}]
    assert (plan["restored"], plan["newest"], version(busy_lake)) == (None, newest, newest)
    assert {each["table"] for each in plan["rebuild"]} == {
        table.full_name
        for table in find_tables()
        if "silver.transactions" in getattr(table, "inputs", {}).values() and table.layer == "gold"
    }
    told = lakehouse(busy_lake, "maintain", "restore", "silver.transactions", "--version", "1").out
    assert f"Nothing is changed yet. silver.transactions is at version {newest}; --yes makes version 1" in told

    done = lakehouse(busy_lake, "maintain", "restore", "silver.transactions", "--version", "1", "--yes").out

    assert lines(busy_lake) == {"2024-01-01": 3, "2024-01-02": 2}
    undo = f"restore silver.transactions --version {newest} --yes"
    assert undo in done
    lakehouse(busy_lake, "maintain", *undo.split())
    assert lines(busy_lake) == {"2024-01-01": 9, "2024-01-02": 2}


def test_a_version_is_named_by_its_time(busy_lake):
    at = DeltaTable(busy_lake / "silver" / "transactions").history()[-2]["timestamp"] / 1000
    moment = lakehouse(busy_lake, "query", "--json", f"SELECT to_timestamp({at + 0.001})::VARCHAR AS at").data[0]["at"]
    plan = lakehouse(busy_lake, "maintain", "restore", "silver.transactions", "--as-of", moment, "--json").data
    assert plan["version"] == 1


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("bronze.transactions", "never taken in again"),
        ("system.landing_files", "files would be taken in twice"),
        ("system.row_ledger", "nothing would add up"),
        ("silver.quarantine", "what the newest audit of each day has rejected"),
    ],
)
def test_tables_that_others_count_on_are_not_restored(own_lake, table, why):
    before = version(own_lake, table.replace(".", "/"))
    refused = lakehouse(own_lake, "maintain", "restore", table, "--version", "0", "--yes")
    assert refused.code == 1
    assert f"{table} is not restored: " in refused.err
    assert why in refused.err
    assert version(own_lake, table.replace(".", "/")) == before


def test_what_follows_from_a_restored_table_is_made_anew_as_told(busy_lake):
    daily = "SELECT lines FROM gold.daily_sales_summary WHERE business_date = '2024-01-01'"
    weekly = "SELECT lines FROM gold.weekly_sales_summary"
    restored = lakehouse(
        busy_lake, "maintain", "restore", "silver.transactions", "--version", "1", "--yes", "--json"
    ).data
    assert lakehouse(busy_lake, "query", "--json", daily).data == [{"lines": 9}]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = next(each["command"] for each in restored["rebuild"] if each["table"] == "gold.daily_sales_summary")
    assert shlex.split(command)[-2:] == ["--partition", "2024-01-01"]
    subprocess.run(
        ["sh", "-c", command],
        cwd=REPOSITORY,
        env={**environment, "LAKEHOUSE_ROOT": str(busy_lake)},
        check=True,
        capture_output=True,
        timeout=120,
    )
    assert lakehouse(busy_lake, "query", "--json", daily).data == [{"lines": 3}]
    assert lakehouse(busy_lake, "query", "--json", weekly).data == [{"lines": 11}]
    lakehouse(busy_lake, "run")
    assert lakehouse(busy_lake, "query", "--json", weekly).data == [{"lines": 5}]
