"""The whole line in a test: the real definitions over a temporary lake, an instance, and what they request and run.

Belongs here: driving assets, conditions and sensors as Dagster does. What lands belongs in ``scenario``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from bench.drained import with_inputs
from lakehouse.orchestration.asset_factory import AUDIT, asset_key
from lakehouse.orchestration.instance.events import latest_materializations
from lakehouse.orchestration.runner import RunReport, run_until_idle
from lakehouse.settings import Settings
from lakehouse.storage.files import table_uri
from lakehouse.tables.declarations import BronzeTable
from lakehouse_assets.definitions import build_defs, find_tables
from resources.lakehouse import Lakehouse
from tests.scenario import START, csv_bytes, day, drop, sale

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


THIN = (
    "gold.daily_sales_summary",
    "gold.sales_by_product",
    "gold.sales_by_region",
    "gold.weekly_sales_summary",
    "gold.monthly_sales_summary",
    "silver.quarantine",
)
"""Gold tables by day, week and month, with all that they are made from: what most tests of the line are about."""


@dataclass
class Line:
    """The lakehouse's definitions, an ephemeral instance, and the landing folder they look at."""

    landing: Path
    start: dt.date = START
    tables: Sequence[str] = THIN
    instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)
    cursor: Any = None

    def __post_init__(self) -> None:
        """Build the definitions."""
        settings = Settings(root=str(self.landing.parent), landing=str(self.landing), start_date=self.start)
        tables = with_inputs(self.tables)
        self.defs = build_defs(settings, tables)
        self.settings = settings
        self.lakehouse = Lakehouse.of(settings)
        self.sources = [table.source for table in tables if isinstance(table, BronzeTable)]

    def land(self, number: int, *lines: dict[str, str], name: str = "") -> None:
        """Drop a file of invoice lines for the n-th of March 2011; three good lines if none are given."""
        drop(self.landing, f"transactions/{day(number)}{name}.csv", csv_bytes(lines or good_lines(number)))

    def run(self, first: int, last: int | None = None, job: str = "transactions") -> dg.ExecuteInProcessResult:
        """Run a source's job for the n-th of March 2011, or for a range of days."""
        return self.execute(self.defs.resolve_job_def(job), str(day(first)), str(day(last or first)))

    def materialize(self, table: str, first: str, last: str | None = None) -> dg.ExecuteInProcessResult:
        """Run one table for a partition or a range."""
        job = self.defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={asset_key(table)})
        return self.execute(job, first, last or first)

    def execute(self, job: dg.JobDefinition, first: str, last: str) -> dg.ExecuteInProcessResult:
        """Run a job in this process."""
        span = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        return job.execute_in_process(
            instance=self.instance,
            run_config=_QUIET,
            raise_on_error=False,
            partition_key=first if first == last else None,
            tags={} if first == last else span,
        )

    def drain(self) -> RunReport:
        """Bring what has landed to gold, and see that no run failed but by a closed gate."""
        drained = run_until_idle(self.defs, self.settings, self.sources, self.instance)
        assert drained.errors == []
        return drained

    def tick(self) -> dict[str, list[str]]:
        """Evaluate every automation condition at two ticks and return what is requested, by table."""
        keys = self.defs.resolve_asset_graph().get_all_asset_keys()
        requested: dict[str, set[str]] = {}
        for _ in range(2):  # a partition is requested at the second tick it is due
            found = dg.evaluate_automation_conditions(self.defs, self.instance, cursor=self.cursor)
            self.cursor = found.cursor
            for key in keys:
                requested.setdefault(".".join(key.path), set()).update(found.get_requested_partitions(key))
        return {table: sorted(days) for table, days in sorted(requested.items()) if days}

    def report(self, tables: str | Sequence[str], *partitions: str) -> None:
        """Report partitions as materialized, and as having passed their audit, by a run that does nothing else."""
        names = [tables] if isinstance(tables, str) else tables
        self._say([dg.AssetMaterialization(asset_key(name), partition=day) for name in names for day in partitions])
        self.audit([name for name in names if not name.startswith("bronze.")], *partitions, passed=True)

    def audit(self, tables: str | Sequence[str], *partitions: str, passed: bool) -> None:
        """Report the audit's verdict on partitions, by a run that does nothing else."""
        keys = [asset_key(name) for name in ([tables] if isinstance(tables, str) else tables)]
        newest = {key: latest_materializations(self.instance, key, partitions) for key in keys}
        self._say(
            [
                dg.AssetCheckEvaluation(
                    asset_key=key,
                    check_name=AUDIT,
                    passed=passed,
                    partition=partition,
                    blocking=True,
                    metadata={},
                    target_materialization_data=newest[key].get(partition),
                )
                for key in keys
                for partition in partitions
            ]
        )

    def _say(self, events: Sequence[Any]) -> None:
        if not events:
            return

        @dg.op(out={})
        def say(context):
            for event in events:
                context.log_event(event)

        @dg.job
        def saying():
            say()

        saying.execute_in_process(instance=self.instance, run_config=_QUIET)

    def materialized(self, table: str) -> list[str]:
        """Return the partitions of a table that have been materialized."""
        return sorted(self.instance.get_materialized_partitions(asset_key(table)))

    def checks(self, table: str, check: str = AUDIT) -> list[tuple[str | None, bool]]:
        """Return every verdict of a check in the order of recording, with its partition."""
        key = dg.AssetCheckKey(asset_key(table), check)
        records = self.instance.event_log_storage.get_asset_check_execution_history(key, limit=1000)
        verdicts = [record.event.dagster_event.asset_check_evaluation_data for record in records if record.event]
        return [(verdict.partition, verdict.passed) for verdict in reversed(verdicts)]

    def files(self, table: str) -> dict[str, list[str]]:
        """Return a table's data files as its log has them now, by partition; empty where it was never written."""
        from deltalake import DeltaTable

        uri = table_uri(str(self.landing.parent), table)
        if not DeltaTable.is_deltatable(uri):
            return {}
        found: dict[str, list[str]] = {}
        for name in sorted(DeltaTable(uri).file_uris()):
            partition, _, _ = name.removeprefix(uri + "/").rpartition("/")
            found.setdefault(partition, []).append(name)
        return found

    def versions(self) -> dict[str, int | None]:
        """Return the newest version of every table."""
        names = [table.full_name for table in find_tables()]
        tables = [*names, "silver.quarantine", "system.row_ledger", "system.landing_files"]
        return {table: self.lakehouse.engine.version(table) for table in tables}


def good_lines(number: int, count: int = 3) -> list[dict[str, str]]:
    """Return good invoice lines of the n-th of March 2011."""
    return [sale(f"{number:02}{place:04}", at=f"{day(number)} 08:26:00") for place in range(count)]


def bad_lines(number: int, count: int = 3) -> list[dict[str, str]]:
    """Return invoice lines of the n-th of March 2011 that are all rejected."""
    return [{**line, "Quantity": "six"} for line in good_lines(number, count)]


def days(numbers: Iterable[int]) -> list[str]:
    """Return partition keys of March 2011."""
    return [str(day(number)) for number in numbers]
