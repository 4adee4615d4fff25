"""`lakehouse maintain`: what its commands read, print and leave with.

What they do is tested in ``tests/lakehouse/maintenance``.
"""

from __future__ import annotations

import datetime as dt
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from deltalake import DeltaTable
from filelock import FileLock

from tests.lakehouse.cli.conftest import Answer, lakehouse
from tests.thin_project import land, land_three_days, lines_of, write_thin_project


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return write_thin_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(autouse=True)
def in_project(project, monkeypatch) -> None:
    """Run every command in the thin project."""
    monkeypatch.chdir(project)


@pytest.fixture(scope="module")
def made_root(project, tmp_path_factory) -> Path:
    """A lake that took its files in three runs: small files, and versions to go back to."""
    root = tmp_path_factory.mktemp("busy") / "lake"
    land_three_days(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        assert lakehouse(root, "run").code == 3
        for number in (8, 9):
            land(root, "2024-01-01.csv", lines_of("2024-01-01", number))
            assert lakehouse(root, "run").code == 3
    return root


@pytest.fixture
def own_root(made_root, lake_root) -> Path:
    """A copy of it that a test may change."""
    shutil.copytree(made_root, lake_root)
    return lake_root


def maintain(root: Path, *arguments: str) -> Answer:
    return lakehouse(root, "maintain", *arguments)


def version(root: Path) -> int:
    return DeltaTable(root / "silver" / "transactions").version()


# Optimize and z-order


def test_every_table_is_optimized(own_root):
    tables = len([*own_root.glob("*/*/_delta_log")])
    done = maintain(own_root, "optimize", "--all", "--json").data
    assert (len(done["tables"]), done["failed"]) == (tables, {})
    rewritten = done["tables"]["bronze.transactions"]
    assert [*rewritten] == ["version", "partitions", "skipped", "files", "bytes"]
    assert rewritten["files"] == [3, 1]
    again = maintain(own_root, "optimize", "--all")
    assert again.out == f"{tables} tables left alone: no partition has more than one small file.\n"


def test_what_was_rewritten_is_shown_for_people(own_root):
    for partition, shown in (("2024-01-02", "1 table left alone"), ("business_date=2024-01-01", "3 → 1")):
        assert shown in maintain(own_root, "optimize", "bronze.transactions", "--partition", partition).out


def test_a_table_is_put_in_order_once(own_root):
    by = ["zorder", "silver.transactions", "--by", "customer_id, stock_code"]
    assert maintain(own_root, *by, "--json").data["tables"]["silver.transactions"]["partitions"] == 2
    shown = maintain(own_root, *by)
    assert shown.out == "1 table left alone: every partition is in the order of customer_id, stock_code.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["optimize"], "name the tables to optimize, or give --all"),
        (["optimize", "--all", "silver.transactions"], "name the tables to optimize, or give --all"),
        (["optimize", "silver.orders"], "silver.orders: no such table under"),
        (["zorder", "silver.transactions", "--by", ","], "--by names no column"),
        (["restore", "silver.transactions"], "give either --version or --as-of"),
        (["restore", "silver.transactions", "--version", "1", "--as-of", "2024-01-01"], "give either --version or"),
        (["restore", "silver.transactions", "--as-of", "yesterday"], "give a time like 2024-01-31T18:00"),
        (["restore", "silver.quarantine", "--version", "0", "--yes"], "silver.quarantine is not restored: it holds"),
        (["vacuum", "--retain-hours", "167"], "167 hours are less than 168, a week"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(made_root, arguments, sentence):
    refused = maintain(made_root, *arguments)
    assert (refused.code, refused.out) == (1, "")
    assert sentence in refused.err


def test_a_table_that_refuses_is_named_beside_what_was_done(own_root):
    first = own_root / "gold" / "sales_by_region" / "_delta_log" / f"{0:020}.json"
    first.write_text(
        first.read_text().replace(
            '"minReaderVersion":1,"minWriterVersion":2', '"minReaderVersion":2,"minWriterVersion":5'
        )
    )
    done = maintain(own_root, "optimize", "--all")
    assert done.code == 1
    assert "gold.sales_by_region uses Delta features that not every engine reads: columnMapping" in done.err
    assert "bronze.transactions" in done.out


def test_tables_are_not_changed_beside_a_run(own_root):
    with FileLock(own_root / "dagster" / ".drain.lock"):
        refused = maintain(own_root, "optimize", "--all")
    assert refused.code == 1
    assert "is at work on" in refused.err
    assert "launch the job optimize_tables or vacuum_tables" in refused.err


# Vacuum


def test_a_vacuum_only_counts_until_it_is_forced(own_root):
    maintain(own_root, "optimize", "--all")
    tables = len([*own_root.glob("*/*/_delta_log")])
    everything = {*own_root.rglob("*.parquet")}
    unsafe = ["vacuum", "--retain-hours", "0", "--unsafe"]
    assert maintain(own_root, "vacuum").out == f"Nothing to delete in {tables} tables.\n"
    assert "would be deleted. Nothing is deleted yet; --force does it." in maintain(own_root, *unsafe).out
    counted = maintain(own_root, *unsafe, "--json").data
    assert (counted["deleted"], {*own_root.rglob("*.parquet")}) == (False, everything)
    deleted = maintain(own_root, *unsafe, "--force")
    gone = everything - {*own_root.rglob("*.parquet")}
    assert deleted.out.splitlines()[-1].startswith(f"{len(gone)} files, ")
    assert len(gone) == sum(table["files"] for table in counted["tables"].values()) > 0
    refused = maintain(own_root, "restore", "silver.transactions", "--version", "1", "--yes")
    assert refused.code == 1
    assert "have been deleted by a vacuum; choose a later version" in refused.err


# History and describe


def test_versions_are_shown_with_what_made_them(made_root):
    commits = maintain(made_root, "history", "silver.transactions", "--json").data
    newest = commits[0]
    assert newest["at"].endswith("Z")
    assert newest["parameters"]["predicate"] == "business_date = '2024-01-01'::date"
    shown = maintain(made_root, "history", "silver.transactions", "--limit", "1").out
    assert f"run {newest['metadata']['run_id'][:8]}" in shown
    assert "where business_date = '2024-01-01'" in shown
    assert "CREATE" not in shown


def test_a_table_is_described(own_root):
    found = maintain(own_root, "describe", "bronze.transactions", "--json").data
    assert (found["rows"], found["files"], found["partition_columns"]) == (54, 5, ["business_date"])
    assert found["properties"]["delta.appendOnly"] == "true"
    assert {"name": "business_date", "type": "date32[day]", "nullable": True} in found["columns"]
    assert (found["optimized"], found["vacuumed"]) == (None, None)
    maintain(own_root, "optimize", "bronze.transactions")
    shown = maintain(own_root, "describe", "bronze.transactions").out
    assert "3 in 3 partitions" in shown
    assert "last optimized 20" in shown
    assert "last vacuumed  never" in shown


# Restore


def test_a_restore_is_shown_first_then_done_and_can_be_undone(own_root):
    newest = version(own_root)
    shown = maintain(own_root, "restore", "silver.transactions", "--version", "1", "--json").data
    assert shown["changes"] == [{"partition": [["business_date", "2024-01-01"]], "rows_before": 9, "rows_after": 3}]
    assert (shown["restored"], shown["newest"], version(own_root)) == (None, newest, newest)
    (follow,) = shown["rebuild"]
    assert (follow["table"], follow["first"], follow["last"]) == ("gold.sales_by_region", "2024-01-01", "2024-01-01")
    shown = maintain(own_root, "restore", "silver.transactions", "--version", "1").out
    assert f"Nothing is changed yet. silver.transactions is at version {newest}; --yes makes version 1" in shown
    done = maintain(own_root, "restore", "silver.transactions", "--version", "1", "--yes").out
    assert version(own_root) == newest + 1
    undo = f"restore silver.transactions --version {newest} --yes"
    assert undo in done
    maintain(own_root, *undo.split())
    assert DeltaTable(own_root / "silver" / "transactions").count() == 11


def test_a_version_is_named_by_its_time(made_root):
    at = dt.datetime.fromisoformat(maintain(made_root, "history", "silver.transactions", "--json").data[-2]["at"])
    moment = (at + dt.timedelta(milliseconds=1)).isoformat()
    shown = maintain(made_root, "restore", "silver.transactions", "--as-of", moment, "--json").data
    assert shown["version"] == 1


def test_what_follows_from_a_restored_table_is_computed_again_as_shown(own_root, project):
    lines = "SELECT sum(lines)::INT AS lines FROM gold.sales_by_region WHERE business_date = '2024-01-01'"
    restored = maintain(own_root, "restore", "silver.transactions", "--version", "1", "--yes", "--json").data
    assert lakehouse(own_root, "query", "--json", lines).data == [{"lines": 9}]
    (follow,) = restored["rebuild"]
    assert shlex.split(follow["command"])[-2:] == ["--partition", "2024-01-01"]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{project}:{Path(__file__).parents[3]}",
        "LAKEHOUSE_ROOT": str(own_root),
    }
    subprocess.run(["sh", "-c", follow["command"]], env=environment, check=True, capture_output=True, timeout=120)
    assert lakehouse(own_root, "query", "--json", lines).data == [{"lines": 3}]
