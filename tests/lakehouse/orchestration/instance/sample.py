"""Two tables over 60 days and runs of them, small enough to compare row by row what Dagster stored."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from lakehouse.orchestration.instance.events import (
    latest_materializations,
    record_check_evaluations,
    record_materializations,
)

DAILY = dg.DailyPartitionsDefinition(start_date="2011-01-01", end_date="2011-03-02")
DAYS: Sequence[str] = DAILY.get_partition_keys()
SILVER = dg.AssetKey(["silver", "orders"])
GOLD = dg.AssetKey(["gold", "sales"])
STOCK = ("dagster._core.storage.event_log", "SqliteEventLogStorage")
BATCHED = ("lakehouse.orchestration.instance.event_storage", "BatchedSqliteEventLogStorage")

HELD_DAYS = {"2011-01-07", "2011-01-12"}


class Nowhere(dg.IOManager):
    """Stores nothing: these tests are about events."""

    def handle_output(self, context, obj):
        """Forget the output."""

    def load_input(self, context):
        """Give nothing."""


def orders_recording(record):
    """Build silver and gold; ``record(context, verdicts)`` says how silver stores its verdict on each day."""

    @dg.asset(
        key=SILVER,
        partitions_def=DAILY,
        backfill_policy=dg.BackfillPolicy.single_run(),
        output_required=False,
        check_specs=[dg.AssetCheckSpec("contract", asset=SILVER, blocking=True, partitions_def=DAILY)],
    )
    def orders(context):
        verdicts = {day: day not in HELD_DAYS for day in context.partition_keys}
        if all(verdicts.values()):
            yield dg.Output(1, metadata={"rows": 1})
        record(context, verdicts)
        yield dg.AssetCheckResult(check_name="contract", passed=all(verdicts.values()))

    @dg.asset(
        key=GOLD,
        ins={"orders": dg.AssetIn(SILVER)},
        partitions_def=DAILY,
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=dg.AutomationCondition.any_deps_updated()
        & dg.AutomationCondition.all_deps_blocking_checks_passed(),
    )
    def sales(orders):  # noqa: ARG001  # it stands for the days loaded
        return 1

    return [orders, sales]


def evaluation(instance, day, passed):
    """The verdict on one day, aimed at the day's latest materialization."""
    return dg.AssetCheckEvaluation(
        asset_key=SILVER,
        check_name="contract",
        passed=passed,
        partition=day,
        blocking=True,
        metadata={"rejected": 0 if passed else 12},
        target_materialization_data=latest_materializations(instance, SILVER, [day]).get(day),
    )


def good_days(verdicts):
    """What a range with held days still publishes: nothing when all are good, the step's output says it then."""
    if all(verdicts.values()):
        return []
    return [
        dg.AssetMaterialization(SILVER, partition=day, tags={"why": "good"}) for day, good in verdicts.items() if good
    ]


def one_by_one(context, verdicts):
    """Record as Dagster's documentation does."""
    for materialization in good_days(verdicts):
        context.log_event(materialization)
    for day, passed in verdicts.items():
        context.log_event(evaluation(context.instance, day, passed))


def together(context, verdicts):
    """Record as this project does."""
    record_materializations(context, good_days(verdicts))
    record_check_evaluations(context, [evaluation(context.instance, day, good) for day, good in verdicts.items()])


@cache
def fresh_home():
    """A home with empty databases, to copy: Dagster needs half a second to make one."""
    home = tempfile.TemporaryDirectory()
    dg.DagsterInstance.from_config(home.name).dispose()
    return home


@contextmanager
def instance_in(home: Path, storage=BATCHED):
    """A Dagster home with one kind of event log storage."""
    if not (home / "history").exists():
        shutil.copytree(fresh_home().name, home, dirs_exist_ok=True)
    module, name = storage
    config = {
        "event_log_storage": {"module": module, "class": name, "config": {"base_dir": str(home / "history" / "runs")}},
        "telemetry": {"enabled": False},
    }
    (home / "dagster.yaml").write_text(yaml.safe_dump(config))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def materialize_range(instance, assets, first, last):
    """Run all tables for the days from ``first`` to ``last`` at once."""
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.materialize(
        assets, instance=instance, resources={"io_manager": Nowhere()}, tags=tags, raise_on_error=False
    )


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    """Ask a SQLite file."""
    with sqlite3.connect(database) as connection:
        return connection.execute(query).fetchall()
