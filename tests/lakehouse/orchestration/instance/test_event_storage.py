"""The batched event log holds exactly what Dagster's own holds."""

from __future__ import annotations

import contextlib
import functools
import inspect
import multiprocessing
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from lakehouse.orchestration.instance.event_storage import BATCH_SIZE_VARIABLE, BatchedSqliteEventLogStorage
from lakehouse.orchestration.instance.events import one_batch
from tests.lakehouse.orchestration.instance.sample import (
    BATCHED,
    DAYS,
    SILVER,
    STOCK,
    evaluation,
    instance_in,
    materialize_range,
    one_by_one,
    orders_recording,
    rows,
    together,
)

VOLATILE = re.compile(
    r'"(?:timestamp|pid|duration_ms|log_key)": [^,}]+|pid: \d+|[\d.]+m?s\b'  # when and where
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # ids of log files
    r"|[0-9a-f]{64}"  # data versions, made from the run's id
)
"""What differs between two runs of the same code. Storage ids do not."""

TABLES = {
    "event_logs": "select id, dagster_event_type, step_key, asset_key, partition, event from event_logs order by id",
    "asset_keys": """select asset_key, last_materialization, last_run_id, asset_details, cached_status_data
        from asset_keys order by id""",
    "asset_event_tags": "select event_id, asset_key, key, value from asset_event_tags order by id",
    "asset_check_executions": """select asset_key, check_name, partition, execution_status, evaluation_event,
        evaluation_event_storage_id, materialization_event_storage_id from asset_check_executions order by id""",
}


def tables_in(home, instance):
    """Read the index and the log of each run, with what differs between two runs of the same code masked."""
    history = home / "history" / "runs"
    databases = {"index": history / "index.db"}
    names = {str(home): "home"}
    for number, run in enumerate(reversed(instance.get_runs())):
        databases[f"run {number}"] = history / f"{run.run_id}.db"
        names[run.run_id] = f"run {number}"
    mask = re.compile("|".join(map(re.escape, names)))

    def masked(value):
        return VOLATILE.sub("~", mask.sub(lambda found: names[found[0]], value)) if isinstance(value, str) else value

    return {
        (name, table): [tuple(map(masked, row)) for row in rows(path, query)]
        for name, path in databases.items()
        for table, query in TABLES.items()
    }


def what_is_stored(home, storage, record):
    """Two ranges, one good and one with held days, and a single day."""
    assets = orders_recording(record)
    with instance_in(home, storage) as instance:
        materialize_range(instance, assets, DAYS[20], DAYS[49])
        materialize_range(instance, assets, DAYS[0], DAYS[29])
        dg.materialize([assets[0]], instance=instance, partition_key=DAYS[3], raise_on_error=False)
        return tables_in(home, instance)


@pytest.fixture(scope="module")
def stored_by_stock(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(BATCH_SIZE_VARIABLE, "0")
        return what_is_stored(tmp_path_factory.mktemp("stock"), STOCK, one_by_one)


@pytest.mark.parametrize("batch_size", ["1000", "7", "0"])
def test_batches_store_the_rows_that_dagster_stores(batch_size, stored_by_stock, tmp_path, monkeypatch):
    monkeypatch.setenv(BATCH_SIZE_VARIABLE, batch_size)

    stored = what_is_stored(tmp_path, BATCHED, together)

    assert stored.keys() == stored_by_stock.keys()
    for table, expected in stored_by_stock.items():
        assert stored[table] == expected, table
    assert len(stored["index", "asset_check_executions"]) >= 60


def test_both_copies_of_a_batch_are_stored_or_neither_is(tmp_path, monkeypatch):
    with instance_in(tmp_path) as instance:
        monkeypatch.setattr(instance.event_log_storage, "_store_asset_event", failing)
        with pytest.raises(OSError, match="the disk is full"):
            report_together(instance, DAYS[:2])

        monkeypatch.undo()
        report_together(instance, DAYS[:1])
    assert rows(tmp_path / "history" / "runs" / "index.db", "select count(*) from event_logs") == [(1,)]
    assert rows(tmp_path / "history" / "runs" / ".db", "select count(*) from event_logs") == [(1,)]


def report_together(instance, days):
    """Report days of silver in one batch."""
    with one_batch(instance):
        for day in days:
            instance.report_runless_asset_event(dg.AssetMaterialization(SILVER, partition=day))


def failing(*_):
    """Fail as a full disk would."""
    raise OSError("the disk is full")


def test_events_reported_before_an_error_are_stored(tmp_path):
    with instance_in(tmp_path) as instance:
        with pytest.raises(ValueError, match="expected"):
            report_together(instance, interrupted(DAYS[0]))

        assert instance.get_materialized_partitions(SILVER) == {DAYS[0]}


def test_automation_is_told_one_time_for_all_that_a_run_says_of_an_asset(tmp_path):
    with instance_in(tmp_path) as instance:
        assets = orders_recording(together)
        materialize_range(instance, assets, DAYS[20], DAYS[49])
        materialize_range(instance, assets, DAYS[50], DAYS[52])
        own = instance.fetch_materializations(SILVER, limit=100).records
        told = instance.get_asset_event_summary_records(dg.DagsterEventType.ASSET_MATERIALIZATION, asset_key=SILVER)
    last = {record.run_id: max(each.timestamp for each in own if each.run_id == record.run_id) for record in own}
    assert len({record.timestamp for record in own}) > len(last) == 2
    assert {record.storage_id: record.timestamp for record in told} == pytest.approx(
        {record.storage_id: last[record.run_id] for record in own}, rel=0, abs=1e-5
    )


def test_the_ui_turns_the_pages_of_a_batch(tmp_path):
    with instance_in(tmp_path) as instance:
        report_together(instance, DAYS[:7])
        first = instance.fetch_materializations(SILVER, limit=4)
        rest = dg.AssetRecordsFilter(SILVER, before_timestamp=min(record.timestamp for record in first.records))
        second = instance.fetch_materializations(rest, cursor=first.cursor, limit=4)
    seen = [record.partition_key for record in [*first.records, *second.records]]
    assert seen == [*reversed(DAYS[:7])]


def interrupted(day):
    """Give one day, and fail when asked for the next."""
    yield day
    raise ValueError("expected")


def report_days(home: Path, days) -> None:
    """Report days of silver in batches of five, as a process of its own."""
    with instance_in(home) as instance:
        for start in range(0, len(days), 5):
            report_together(instance, days[start : start + 5])
            with one_batch(instance):
                for day in days[start : start + 5]:
                    instance.report_runless_asset_event(evaluation(instance, day, passed=True))


def test_processes_that_write_at_once_lose_nothing(tmp_path):
    with instance_in(tmp_path):
        pass
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=report_days, args=(tmp_path, DAYS[part::4])) for part in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert [writer.exitcode for writer in writers] == [0, 0, 0, 0]
    index = tmp_path / "history" / "runs" / "index.db"
    assert rows(index, "select count(*), count(distinct partition) from event_logs") == [(120, 60)]
    assert rows(index, "select count(*), count(distinct partition) from asset_check_executions") == [(60, 60)]
    assert rows(tmp_path / "history" / "runs" / ".db", "select count(*) from event_logs") == [(120,)]


def test_threads_that_write_at_once_keep_their_batches_apart(tmp_path):
    with instance_in(tmp_path) as instance, ThreadPoolExecutor(4) as threads:
        list(threads.map(functools.partial(report_together, instance), [DAYS[part::4] for part in range(4)]))
        assert instance.get_materialized_partitions(SILVER) == set(DAYS)


def test_parent_and_forked_child_both_go_on_writing(tmp_path):
    with instance_in(tmp_path) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(SILVER, partition=DAYS[0]))

        child = multiprocessing.get_context("fork").Process(target=report_in_child, args=(instance, tmp_path))
        child.start()
        instance.report_runless_asset_event(dg.AssetMaterialization(SILVER, partition=DAYS[2]))
        child.join(30)
        instance.report_runless_asset_event(dg.AssetMaterialization(SILVER, partition=DAYS[3]))

        assert child.exitcode == 0
        assert instance.get_materialized_partitions(SILVER) == set(DAYS[:4])
    index = tmp_path / "history" / "runs" / "index.db"
    assert rows(index, "pragma integrity_check") == [("ok",)]


def report_in_child(instance, home):
    """Write through the inherited instance, which must have brought no open file along."""
    assert open_databases(home) == []
    instance.report_runless_asset_event(dg.AssetMaterialization(SILVER, partition=DAYS[1]))


def open_databases(home: Path) -> list[str]:
    """List the databases of a home that this process holds open."""
    held = set()
    for descriptor in Path("/dev/fd").iterdir():
        with contextlib.suppress(OSError):
            held.add(os.fstat(int(descriptor.name))[1:3])
    return sorted(path.name for path in home.rglob("*.db") if path.stat()[1:3] in held)


def test_the_index_and_one_run_stay_open_however_many_runs_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("lakehouse.orchestration.instance.event_storage.RUN_ENGINES_KEPT", 3)
    with instance_in(tmp_path) as instance:
        storage = instance.event_log_storage
        storage.all_asset_keys()
        for number in range(5):
            storage.get_logs_for_run(f"run-{number}")

        assert open_databases(tmp_path) == ["index.db", "run-4.db"]
        assert len(storage._run_engines) == 3  # noqa: SLF001

        instance.dispose()
        assert open_databases(tmp_path) == []


def test_a_run_can_be_followed_while_it_goes_on(tmp_path):
    """The UI watches a run's file; a connection kept open leaves it as it is until the run ends."""
    seen: Queue[str] = Queue()

    @dg.asset
    def patient(context):
        for step in ("first", "second"):
            time.sleep(0.5)  # what the file's creation set off has been seen by now
            context.log.info(step)
            while seen.get(timeout=10) != step:
                pass

    def on_event(event, _cursor):
        seen.put(event.user_message)

    with instance_in(tmp_path) as instance, dg.DagsterInstance.from_config(str(tmp_path)) as ui:
        run_id = "11111111-2222-3333-4444-555555555555"
        ui.watch_event_logs(run_id, None, on_event)
        job = dg.Definitions([patient]).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance, raise_on_error=False, run_id=run_id)

    assert result.success


def test_settings_name_the_subclass_and_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv(BATCH_SIZE_VARIABLE, raising=False)
    with instance_in(tmp_path) as instance:
        assert type(instance.event_log_storage) is BatchedSqliteEventLogStorage
        assert os.environ[BATCH_SIZE_VARIABLE] == "1000"


def test_the_person_who_sets_a_batch_size_gets_it(tmp_path, monkeypatch):
    monkeypatch.setenv(BATCH_SIZE_VARIABLE, "0")
    with instance_in(tmp_path):
        assert os.environ[BATCH_SIZE_VARIABLE] == "0"


def test_wiping_leaves_a_storage_that_works(tmp_path):
    with instance_in(tmp_path) as instance:
        dg.materialize([orders_recording(together)[0]], instance=instance, partition_key=DAYS[1])
        instance.wipe()
        assert not instance.get_materialized_partitions(SILVER)

        dg.materialize([orders_recording(together)[0]], instance=instance, partition_key=DAYS[2])
        assert instance.get_materialized_partitions(SILVER) == {DAYS[2]}


def test_dagster_still_has_the_private_parts_in_use():
    """When this fails after an upgrade, read dagster's ``sqlite_event_log.py`` again before trusting the storage."""
    signatures = {
        name: list(inspect.signature(getattr(SqliteEventLogStorage, name)).parameters)
        for name in (
            "_connect",
            "_event_to_row",
            "_initdb",
            "_store_asset_event",
            "_store_asset_event_tags",
            "store_asset_check_event",
            "conn_string_for_shard",
            "from_config_value",
            "has_table",
        )
    }

    assert dg.__version__.startswith("1.13.")
    assert signatures == {
        "_connect": ["self", "shard"],
        "_event_to_row": ["self", "event"],
        "_initdb": ["self", "engine", "for_index_shard"],
        "_store_asset_event": ["self", "conn", "event", "event_id"],
        "_store_asset_event_tags": ["self", "conn", "events", "event_ids"],
        "store_asset_check_event": ["self", "event", "event_id"],
        "conn_string_for_shard": ["self", "shard_name"],
        "from_config_value": ["inst_data", "config_value"],
        "has_table": ["self", "table_name"],
    }
