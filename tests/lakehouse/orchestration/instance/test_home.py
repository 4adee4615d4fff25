"""A prepared home is one that Dagster's own commands can use."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterInstance

from lakehouse.orchestration.instance.event_storage import BatchedSqliteEventLogStorage
from lakehouse.orchestration.instance.home import TEMPLATE, copy_home, open_instance, prepare_home

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("name", ["home", 'a "quoted" näme', "deep/down"])
def test_an_instance_keeps_everything_inside_its_home(name, tmp_path):
    home = tmp_path / name

    with open_instance(home) as instance:
        assert isinstance(instance.event_log_storage, BatchedSqliteEventLogStorage)
        assert instance.event_log_storage.path_for_shard("index") == str(home / "history" / "runs" / "index.db")
        assert Path(instance.storage_directory()).is_relative_to(home)
        assert instance.get_runs_count() == 0
    assert {path.name for path in tmp_path.iterdir()} == {Path(name).parts[0]}


def test_the_settings_reach_dagster(tmp_path):
    with open_instance(tmp_path) as instance:
        concurrency = instance.get_concurrency_config()

        assert instance.run_coordinator.dequeue_interval_seconds == 1
        assert concurrency.pool_config.default_pool_limit == 1
        assert concurrency.pool_config.pool_granularity.value == "op"
        assert concurrency.run_queue_config.max_concurrent_runs == 4
        assert concurrency.run_queue_config.tag_concurrency_limits == [
            {"key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
        ]
        assert (instance.run_retries_enabled, instance.run_retries_max_retries) == (True, 2)
        assert not instance.run_retries_retry_on_asset_or_op_failure
        assert instance.run_monitoring_enabled
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled


def test_preparing_again_changes_nothing(tmp_path):
    prepare_home(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.yaml")}

    prepare_home(tmp_path)

    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.yaml")} == before


def test_settings_of_an_older_version_are_brought_up_to_date(tmp_path, monkeypatch):
    older = tmp_path / "older.yaml"
    older.write_text("telemetry: {enabled: true}\n")
    with monkeypatch.context() as patch:
        patch.setattr("lakehouse.orchestration.instance.home.TEMPLATE", older)
        prepare_home(tmp_path / "home")

    prepare_home(tmp_path / "home")

    with open_instance(tmp_path / "home") as instance:
        assert not instance.telemetry_enabled


def test_settings_that_a_person_wrote_or_edited_stay(tmp_path):
    prepare_home(tmp_path / "edited")
    edited = tmp_path / "edited" / "dagster.yaml"
    edited.write_text(edited.read_text().replace("max_concurrent_runs: 4", "max_concurrent_runs: 2"))
    written = tmp_path / "written" / "dagster.yaml"
    written.parent.mkdir()
    written.write_text("telemetry: {enabled: false}\n")

    prepare_home(edited.parent)
    prepare_home(written.parent)

    assert "max_concurrent_runs: 2" in edited.read_text()
    assert written.read_text() == "telemetry: {enabled: false}\n"


def test_a_moved_home_keeps_its_runs_to_itself(tmp_path):
    prepare_home(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")

    with open_instance(tmp_path / "new") as instance:
        assert instance.get_runs_count() == 0
    assert not (tmp_path / "old").exists()


def test_a_copied_home_knows_what_the_other_knows_and_tells_it_nothing(tmp_path):
    home, copy = tmp_path / "home", tmp_path / "copy"
    with open_instance(home) as instance:
        instance.report_runless_asset_event(AssetMaterialization("orders", partition="2024-01-01"))
        instance.daemon_cursor_storage.set_cursor_values({"cursor": "here"})

    copy_home(home, copy)

    with open_instance(copy) as copied:
        assert copied.get_materialized_partitions(AssetKey("orders")) == {"2024-01-01"}
        assert copied.daemon_cursor_storage.get_cursor_values({"cursor"}) == {"cursor": "here"}
        copied.report_runless_asset_event(AssetMaterialization("orders", partition="2024-01-02"))
    with open_instance(home) as instance:
        assert instance.get_materialized_partitions(AssetKey("orders")) == {"2024-01-01"}


def test_a_home_that_was_never_used_is_copied_as_one_and_one_without_databases_is_refused(tmp_path):
    copy_home(tmp_path / "none", tmp_path / "copy")
    with open_instance(tmp_path / "copy") as copied:
        assert copied.get_runs_count() == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "dagster.yaml").write_text("storage: {postgres: {}}\n")
    with pytest.raises(FileNotFoundError, match="keeps its history in no database of its own"):
        copy_home(elsewhere, tmp_path / "other")


def test_processes_may_prepare_the_same_fresh_home_at_once(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=prepare_home, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.get_runs_count() == 0


TABLES = """
import os, pathlib
import dagster as dg

@dg.asset
def told(context):
    storage = type(context.instance.event_log_storage).__name__
    pathlib.Path("told").write_text(storage + " " + os.environ.get("DAGSTER_EVENT_BATCH_SIZE", "0"))
"""


@pytest.mark.parametrize(
    ("home", "told"), [("home", "BatchedSqliteEventLogStorage 1000"), (None, "SqliteEventLogStorage 0")]
)
def test_dagsters_own_commands_work_with_the_home_and_without_one(home, told, tmp_path):
    (tmp_path / "tables.py").write_text(TABLES)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for variable in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE"):
        environment.pop(variable, None)
    if home:
        prepare_home(tmp_path / home)
        environment["DAGSTER_HOME"] = str(tmp_path / home)

    command = [sys.executable, "-m", "dagster", "asset", "materialize", "--select", "told", "-f", "tables.py"]
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)

    assert (tmp_path / "told").read_text() == told


def test_there_is_one_template_and_it_is_beside_the_code():
    assert TEMPLATE.parent == ROOT / "lakehouse" / "orchestration" / "instance"
    assert not (ROOT / "dagster.yaml").exists(), "dagster dev reads this file when DAGSTER_HOME is not set"
