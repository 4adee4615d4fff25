"""A lake that version 0.1.0 has made, with its Dagster home, is one that today's code works on.

`tests/fixtures/README.md` says what the lake holds and how it was made. `lake_of_0_1_0.json` has what 0.1.0 answered.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import AssetKey, DagsterInstance

from tests.contents import content_hashes
from tests.lakehouse.cli.conftest import lakehouse
from tests.scenario import csv_bytes, drop, sale

FIXTURES = Path(__file__).parents[1] / "fixtures"
ANSWERS = json.loads((FIXTURES / "lake_of_0_1_0.json").read_text(encoding="utf-8"))
MADE_IN = "/tmp/lakehouse_0_1_0"  # noqa: S108 - nothing is there; the old home's settings name it
DAILY = "SELECT business_date, lines, net_sales FROM gold.daily_sales_summary ORDER BY 1"


def unpacked(folder: Path) -> Path:
    """Put the lake into a folder, beside an empty landing zone: its landing files have been cleared away."""
    with tarfile.open(FIXTURES / "lake_of_0_1_0.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    lake = folder / "lake"
    (lake / "landing").mkdir()
    return lake


@pytest.fixture(scope="module")
def old_lake(tmp_path_factory) -> Path:
    """The lake, for questions that leave it as it is."""
    return unpacked(tmp_path_factory.mktemp("old"))


@pytest.fixture
def own_lake(tmp_path) -> Path:
    """The lake, for a test that changes it."""
    return unpacked(tmp_path / "own")


def asked(lake: Path, *arguments: str, code: int = 0) -> Any:
    """Return a command's JSON, after checking its exit code."""
    answer = lakehouse(lake, *arguments, "--json")
    assert answer.code == code, answer.out + answer.err
    return answer.data


def sorted_lists(value: Any) -> Any:
    """Return JSON with its lists sorted: the order of rows is no part of an answer."""
    if isinstance(value, dict):
        return {name: sorted_lists(item) for name, item in value.items()}
    if isinstance(value, list):
        return sorted((sorted_lists(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def settings_of(home: Path) -> dict[str, Any]:
    """Return what a Dagster home is set to."""
    return yaml.safe_load((home / "dagster.yaml").read_text(encoding="utf-8"))


def test_its_status_names_the_same_tables_versions_and_held_days(old_lake):
    status = asked(old_lake, "status")

    assert {name: status[name] for name in ("tables", "held", "drift")} == {
        name: ANSWERS["status"][name] for name in ("tables", "held", "drift")
    }
    assert [(day["table"], day["business_date"]) for day in status["held"]] == [("silver.transactions", "2024-01-03")]
    assert (status["landing"]["pending"], status["landing"]["unfinished"]) == ([], [])
    assert status["landing"]["gone"] == ANSWERS["status"]["landing"]["gone"]


def test_its_tables_hold_the_same_rows_now_and_at_an_older_version(old_lake):
    assert content_hashes(str(old_lake)) == ANSWERS["contents"]
    assert asked(old_lake, "query", DAILY, "--version", "1") == ANSWERS["daily_sales_at_version_1"]
    assert asked(old_lake, "query", DAILY) != ANSWERS["daily_sales_at_version_1"]


def test_its_rejected_rows_keep_their_ids_and_what_was_decided_about_them(old_lake):
    rows = asked(old_lake, "quarantine", "show", "--status", "all", "--limit", "100")

    assert {row["id"]: [row["status"], row["closed_by"], row["closed_why"]] for row in rows} == ANSWERS["quarantine"]
    statuses = [status for status, _, _ in ANSWERS["quarantine"].values()]
    assert {"open", "replayed", "discarded"} == {*statuses}


def test_nothing_is_planned_while_nothing_has_landed(old_lake):
    plan = asked(old_lake, "plan")

    assert (plan["tables"], plan["total"]["partitions"], plan["errors"]) == ([], 0, [])


def test_a_row_of_gold_leads_to_the_same_records_and_they_come_to_it(old_lake):
    key = ("--key", "week_start=2024-01-01")

    traced = asked(old_lake, "trace", "gold.weekly_sales_summary", *key, "--verify")

    assert traced["verified"]
    assert sorted_lists(traced) == sorted_lists(ANSWERS["trace"])


def test_every_table_adds_up_when_it_is_computed_from_what_lies_below(old_lake):
    found = asked(old_lake, "reconcile", "--strict")

    assert (found["balanced"], found["imbalances"], found["damaged"]) == (True, [], [])
    assert sorted(found["compared"].values()) == sorted(ANSWERS["reconcile"]["compared"].values())


def test_a_table_of_gold_goes_back_to_an_older_version_and_forth(own_lake):
    before = asked(own_lake, "query", DAILY)
    restore = ("maintain", "restore", "gold.daily_sales_summary", "--yes")

    told = asked(own_lake, *restore, "--version", "1")
    then = asked(own_lake, "query", DAILY)
    asked(own_lake, *restore, "--version", str(told["newest"]))

    assert then == ANSWERS["daily_sales_at_version_1"]
    assert asked(own_lake, "query", DAILY) == before


def test_a_corrected_file_and_a_new_day_reach_gold_and_files_that_were_moved_along_are_not_taken_twice(own_lake):
    landing = (own_lake / "landing").resolve()
    landing.rmdir()
    (own_lake.parent / "landing").rename(landing)
    for day in ("2024-01-03", "2024-01-04"):
        drop(landing, f"transactions/{day}.csv", csv_bytes([sale(f"9{day[-2:]}", f"{day} 09:00:00")]))

    done = asked(own_lake, "run")

    assert (done["errors"], done["held"]) == ([], [])
    before = {row["business_date"]: row for row in ANSWERS["daily_sales"]}
    after = {row["business_date"]: row for row in asked(own_lake, "query", DAILY)}
    assert after.keys() - before.keys() == {"2024-01-03", "2024-01-04"}
    assert {day: after[day] for day in before} == before
    week = asked(own_lake, "query", "SELECT lines FROM gold.weekly_sales_summary")
    assert week == [{"lines": sum(row["lines"] for row in after.values())}]
    assert MADE_IN not in json.dumps(settings_of(own_lake / "dagster"))


def test_a_persons_dagster_yaml_that_names_the_old_event_storage_still_loads(own_lake):
    home = own_lake / "dagster"
    settings = settings_of(home)
    assert settings["event_log_storage"]["module"] == "instance.event_storage"
    settings["event_log_storage"]["config"]["base_dir"] = str(home / "history" / "runs")
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    with DagsterInstance.from_config(str(home)) as instance:
        assert type(instance.event_log_storage).__name__ == "BatchedSqliteEventLogStorage"
        assert instance.get_runs_count() == ANSWERS["runs"]
        days = instance.get_materialized_partitions(AssetKey(["gold", "daily_sales_summary"]))
    assert days == {row["business_date"] for row in ANSWERS["daily_sales"]}
