"""What Dagster's event log costs in a range run that does no other work: its own SQLite storage against ours.

Runs eight empty tables over 305 days in one run, four of them with a check whose verdict is recorded for each day. CPU
seconds are the steadier figure on a shared machine.

    python -m bench.event_storage [--days 305] [--json]
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from lakehouse.orchestration.instance.event_storage import BATCH_SIZE_VARIABLE
from lakehouse.orchestration.instance.events import latest_materializations, record_check_evaluations

TABLES = 8
CHECKED = 4
Record = Callable[[Any, list[dg.AssetCheckEvaluation]], None]


def one_by_one(context: Any, evaluations: list[dg.AssetCheckEvaluation]) -> None:
    """Record as Dagster's public interface does."""
    for evaluation in evaluations:
        context.log_event(evaluation)


WAYS: dict[str, tuple[str, str, str, Record]] = {
    "stock": ("dagster._core.storage.event_log", "SqliteEventLogStorage", "0", one_by_one),
    "batched": (
        "lakehouse.orchestration.instance.event_storage",
        "BatchedSqliteEventLogStorage",
        "1000",
        record_check_evaluations,
    ),
}


def table(number: int, days: dg.PartitionsDefinition, record: Record) -> dg.AssetsDefinition:
    """Make an empty table that waits for the one before it; the first ones have a check."""
    key = dg.AssetKey(f"table_{number}")
    checks = [dg.AssetCheckSpec("contract", asset=key, blocking=True, partitions_def=days)] if number < CHECKED else []

    @dg.asset(
        key=key,
        deps=[dg.AssetKey(f"table_{number - 1}")] if number else [],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=checks,
    )
    def empty(context) -> Iterator[Any]:  # type: ignore[no-untyped-def]  # noqa: ANN001  # Dagster reads annotations
        yield dg.MaterializeResult()
        if checks:
            latest = latest_materializations(context.instance, key, context.partition_keys)
            evaluations = [
                dg.AssetCheckEvaluation(
                    asset_key=key,
                    check_name="contract",
                    passed=True,
                    partition=day,
                    blocking=True,
                    target_materialization_data=latest[day],
                )
                for day in context.partition_keys
            ]
            record(context, evaluations)
            yield dg.AssetCheckResult(check_name="contract", passed=True)

    return empty


def measure(way: str, number_of_days: int) -> dict[str, float]:
    """Time one run of all tables in a fresh Dagster home."""
    module, storage, batch_size, record = WAYS[way]
    os.environ[BATCH_SIZE_VARIABLE] = batch_size
    days = dg.StaticPartitionsDefinition([f"{day:05}" for day in range(number_of_days)])
    keys = days.get_partition_keys()
    tables = [table(number, days, record) for number in range(TABLES)]
    with tempfile.TemporaryDirectory() as home:
        events = {"module": module, "class": storage, "config": {"base_dir": f"{home}/history/runs"}}
        Path(home, "dagster.yaml").write_text(json.dumps({"event_log_storage": events}), encoding="utf-8")
        with dg.DagsterInstance.from_config(home) as instance:
            wall, cpu = time.perf_counter(), time.process_time()
            dg.materialize(
                tables,
                instance=instance,
                tags={"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]},
            )
            return {
                "wall_seconds": round(time.perf_counter() - wall, 2),
                "cpu_seconds": round(time.process_time() - cpu, 2),
            }


def main() -> None:
    """Measure both storages and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=305)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    figures = {way: measure(way, arguments.days) for way in WAYS}
    if arguments.json:
        json.dump({"days": arguments.days, "tables": TABLES, "checked_tables": CHECKED, **figures}, sys.stdout)
        print()
        return
    for way, figure in figures.items():
        print(f"{way:8} {figure['wall_seconds']:7.2f} s wall {figure['cpu_seconds']:7.2f} s CPU")


if __name__ == "__main__":
    main()
