"""The maintenance jobs: they do what they say, wait for writers, and leave alone what needs nothing."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import dagster as dg
import pytest
from deltalake import DeltaTable

from lakehouse.delta.data_files import by_partition, data_files
from lakehouse.delta.system_tables import FILES
from lakehouse.ingestion.bronze_rows import bronze_layout
from lakehouse.ingestion.file_registry import known_files, register
from lakehouse.orchestration.asset_factory import asset_key
from lakehouse.orchestration.instance.home import open_instance
from tests.frames import NOW, bronze_table
from tests.line import THIN, Line, good_lines, with_inputs
from tests.processes import wait_for
from tests.scenario import TRANSACTIONS, day, rows, sale

TABLES = [
    *[table.full_name for table in with_inputs(THIN)],
    "system.landing_files",
    "system.row_ledger",
    "system.decisions",
]


@pytest.fixture
def line(landing_root, tmp_path) -> Line:
    """The real definitions over an empty lake, and an instance with the real settings, pools among them."""
    with open_instance(tmp_path / "home") as instance:
        yield Line(landing_root, instance=instance)


def run(line: Line, job: str) -> dg.ExecuteInProcessResult:
    """Run a job in this process, as its schedule does in another."""
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return line.defs.resolve_job_def(job).execute_in_process(
        instance=line.instance, run_config=quiet, raise_on_error=False
    )


def told(line: Line, result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """What a run said of each table."""
    records = line.instance.all_logs(result.run_id)
    said = [record.user_message.partition(": ") for record in records if record.dagster_event is None]
    return {table: message for table, _, message in said}


def operations(line: Line, table: str) -> list[str]:
    return [commit.operation for commit in line.lakehouse.engine.history(table)]


def scatter(line: Line, batches: int) -> None:
    """Give bronze and the registry as many files as there are batches, as ingestions would, on 28 landing dates."""
    engine = line.lakehouse.engine
    for number in range(1, batches + 1):
        file = {
            "data_source": "transactions",
            "source_file": f"transactions/{number}.csv",
            "source_version": str(number),
            "etag": str(number),
            "landing_date": day(1 + number % 28),
            "batch_id": number,
            "outcome": "ingested",
            "business_dates": [day(1)],
            "ingested_at": NOW,
        }
        register(engine, "transactions", number, [file])
        if number <= 2:
            engine.append(bronze_layout(TRANSACTIONS), bronze_table(TRANSACTIONS, [sale(str(number))]))


def test_every_table_is_looked_after_in_the_pool_of_its_writer(line):
    for job in ("optimize_tables", "vacuum_tables"):
        nodes = line.defs.resolve_job_def(job).graph.node_defs
        assert {node.tags["table"]: node.pools for node in nodes} == {
            table: {table.replace(".", "_")} for table in TABLES
        }
    for table in TABLES:
        if not table.startswith("system.") and table != "silver.quarantine":
            pools = line.defs.resolve_assets_def(asset_key(table)).node_def.pools
            assert pools == {table.replace(".", "_")}


def test_tables_are_optimized_every_night_and_vacuumed_on_sundays_when_that_is_switched_on(line):
    schedules = {schedule.name: schedule for schedule in line.defs.schedules}
    assert {name: (each.cron_schedule, each.default_status.value) for name, each in schedules.items()} == {
        "optimize_tables": ("30 2 * * *", "RUNNING"),
        "vacuum_tables": ("30 3 * * 0", "STOPPED"),
    }
    assert {schedule.job.name for schedule in schedules.values()} == set(schedules)


def test_a_lake_without_tables_is_left_without(line):
    for job in ("optimize_tables", "vacuum_tables"):
        result = run(line, job)
        assert result.success
        assert told(line, result) == dict.fromkeys(TABLES, "has never been written")


def test_a_night_makes_few_files_of_many_and_the_next_has_nothing_to_do(line):
    for number in (3, 4):
        line.land(1, *good_lines(1, number))
        line.land(2, *good_lines(2, number))
        line.drain()
    before = rows(line.lakehouse.engine, "gold.daily_sales_summary", "business_date", "lines")

    night = run(line, "optimize_tables")

    assert night.success
    assert told(line, night)["bronze.transactions"] == "4 files of 2 partitions are 2 now"
    assert told(line, night)["gold.daily_sales_summary"] == "nothing to do"
    assert line.lakehouse.engine.history("bronze.transactions", 1)[0].metadata == {"run_id": night.run_id}
    assert {len(files) for files in line.files("bronze.transactions").values()} == {1}
    (shown,) = [
        event.step_output_data.metadata
        for event in night.filter_events(lambda event: event.event_type_value == "STEP_OUTPUT")
        if event.step_key == "optimize__bronze_transactions"
    ]
    assert (shown["files_before"].value, shown["files_after"].value) == (4, 2)

    versions = line.versions()
    next_night = run(line, "optimize_tables")

    assert next_night.success
    assert line.versions() == versions
    assert set(told(line, next_night).values()) == {"nothing to do", "has never been written"}
    assert line.drain().runs == [], "nothing is new, and nothing is built again"
    assert line.versions() == versions
    assert rows(line.lakehouse.engine, "gold.daily_sales_summary", "business_date", "lines") == before


def test_a_weekend_deletes_what_has_been_out_of_use_for_a_week(line):
    line.land(1)
    line.run(1)
    left = line.landing.parent / "silver" / "transactions" / f"business_date={day(1)}" / "part-left.parquet"
    fresh = left.with_name("part-fresh.parquet")
    for file in (left, fresh):
        file.write_bytes(b"rows")
    old = time.time() - 169 * 3600
    os.utime(left, (old, old))
    before = line.versions()

    weekend = run(line, "vacuum_tables")

    assert weekend.success
    assert told(line, weekend)["silver.transactions"] == "1 files of 4 bytes are deleted"
    assert (left.exists(), fresh.exists()) == (False, True)
    assert operations(line, "silver.transactions")[:2] == ["VACUUM END", "VACUUM START"]
    changed = {table for table, version in line.versions().items() if version != before[table]}
    assert changed == {"silver.transactions"}


def test_a_table_waits_for_its_writer_and_the_others_do_not(landing_root, tmp_path):
    # Two threads would share the one connection of an ephemeral instance, and end each other's transactions.
    line = Line(landing_root, instance=dg.DagsterInstance.local_temp(str(tmp_path)))
    scatter(line, 2)
    storage = line.instance.event_log_storage
    storage.set_concurrency_slots("bronze_transactions", 1)
    assert storage.claim_concurrency_slot("bronze_transactions", "some writer", "bronze__transactions").is_claimed
    done: list[dg.ExecuteInProcessResult] = []
    night = threading.Thread(target=lambda: done.append(run(line, "optimize_tables")))
    night.start()
    wait_for("the registry to be optimized", lambda: "OPTIMIZE" in operations(line, FILES.name))
    # A slot that is freed at the very moment somebody begins to wait for it can be missed by Dagster.
    wait_for("bronze to wait", lambda: storage.get_concurrency_info("bronze_transactions").pending_step_count)
    time.sleep(1)
    assert night.is_alive()
    assert "OPTIMIZE" not in operations(line, "bronze.transactions")

    storage.free_concurrency_slot_for_step("some writer", "bronze__transactions")

    night.join(180)
    assert done[0].success
    assert operations(line, "bronze.transactions")[0] == "OPTIMIZE"


def test_a_table_that_fails_does_not_keep_the_others_from_it(line):
    scatter(line, 2)
    newest = line.lakehouse.engine.version("bronze.transactions")
    log = line.landing.parent / "bronze" / "transactions" / "_delta_log"
    mapped = {"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}}
    (log / f"{newest + 1:020}.json").write_text(json.dumps(mapped))
    result = run(line, "optimize_tables")
    assert not result.success
    failed = result.filter_events(lambda event: event.is_step_failure)
    assert [event.step_key for event in failed] == ["optimize__bronze_transactions"]
    assert operations(line, FILES.name)[0] == "OPTIMIZE"


def test_the_registry_is_as_quick_to_read_as_if_its_files_had_come_at_once(line):
    """It grows by a file with every batch, and each look into it would open all of them."""
    engine = line.lakehouse.engine
    scatter(line, 150)

    def look() -> tuple[set[str], float]:
        begun = time.process_time()
        known = known_files(engine, "transactions", [day(3)])
        return set(known.newest), time.process_time() - begun

    found, _ = look()
    slow = min(look()[1] for _ in range(5))
    assert run(line, "optimize_tables").success
    registry = DeltaTable(Path(line.lakehouse.root) / "system" / "landing_files")
    assert [len(files) for files in by_partition(data_files(registry)).values()] == [1]
    checkpoint = Path(line.lakehouse.root) / "system" / "landing_files" / "_delta_log" / "_last_checkpoint"
    assert json.loads(checkpoint.read_text())["version"] == registry.version()
    assert look()[0] == found == {f"transactions/{number}.csv" for number in range(2, 151, 28)}
    assert min(look()[1] for _ in range(5)) < slow
    assert engine.last_token(FILES.name, "transactions") == 150
