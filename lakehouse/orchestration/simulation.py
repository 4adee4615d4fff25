"""A simulation of a run: made on a copy of the lake, and what it changed there.

Belongs here: the copy, the landing zone it is shown, and comparing the copy's tables after the run with those before.
The run is the one that ``local_runner`` makes of the lake itself: same scan, same conditions, same tables.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.catalog.ledger_views import NEWEST_LINES, HeldDay, held_days
from lakehouse.catalog.reader import Catalog
from lakehouse.delta.clone import clone
from lakehouse.delta.commits import log_actions
from lakehouse.delta.system_tables import LEDGER
from lakehouse.errors import RequestError
from lakehouse.ingestion.calendar_start import hold_first_day
from lakehouse.landing.zone import open_landing, route
from lakehouse.orchestration.instance.home import copy_home
from lakehouse.planning.affected import in_order
from lakehouse.planning.landing_changes import NewFile, lay_out
from lakehouse.storage.files import table_uri

if TYPE_CHECKING:
    from lakehouse.orchestration.local_runner import LocalRunner
    from lakehouse.orchestration.runner import Progress, RunReport
    from lakehouse.settings import Settings
    from lakehouse.tables.declarations import Table

_FILES = "system.landing_files"
_SAYS_WHEN = ("ingestion_timestamp", "first_seen", "closed_at")
"""Columns that say when something was done: they differ with every run, and no row is another one for them."""
_CHANGES = """
    WITH before AS (SELECT {columns} FROM (FROM was UNION ALL BY NAME FROM now WHERE false) WHERE {where}),
    after AS (SELECT {columns} FROM now WHERE {where}),
    gone AS (FROM before EXCEPT ALL FROM after),
    come AS (FROM after EXCEPT ALL FROM before),
    by_key AS (
        SELECT {partition} AS partition, count(*) FILTER (is_new) AS come, count(*) FILTER (NOT is_new) AS gone
        FROM (SELECT *, true AS is_new FROM come UNION ALL SELECT *, false AS is_new FROM gone)
        GROUP BY {partition}, {key}
    ),
    changes AS (
        SELECT partition, sum(come - least(come, gone)) AS added, sum(gone - least(come, gone)) AS removed,
            sum(least(come, gone)) AS changed
        FROM by_key GROUP BY partition
    ),
    counted AS (SELECT {partition} AS partition, count(*) AS rows FROM after GROUP BY {partition})
    SELECT partition, coalesce(rows, 0)::BIGINT AS rows, coalesce(added, 0)::BIGINT AS added,
        coalesce(removed, 0)::BIGINT AS removed, coalesce(changed, 0)::BIGINT AS changed, added IS NOT NULL AS differs
    FROM changes FULL JOIN counted USING (partition)
"""


@dataclass(frozen=True)
class PartitionChange:
    """A partition of a table that gets a new version.

    Attributes:
        rows: how many rows it has then.
        added: rows of new keys, ``removed`` of keys that are gone, ``changed`` of keys whose rows differ.
    """

    partition: dt.date
    rows: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0


@dataclass
class Simulation:
    """What a run comes to.

    Attributes:
        tables: the partitions that get new versions, by table, each table after those that it is made from.
        held: the days that the run judges and holds.
        report: the runs, and what fails.
    """

    report: RunReport
    held: list[HeldDay]
    tables: dict[str, list[PartitionChange]] = field(default_factory=dict)


def simulate(
    runner: LocalRunner,
    *,
    files: Sequence[NewFile] = (),
    partitions: Mapping[str, Collection[str]] | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Simulation:
    """Make the next run on a copy of the lake, and return what it changes there. The lake is only read.

    Args:
        runner: what runs the lake itself.
        files: landing files to take in, and none of the others that wait; without any, all that wait.
        partitions: partition keys by table to compute again instead.
        progress: told of each run before it starts, and of what tables log.
        should_stop: asked before and after each run.

    Raises:
        RequestError: the Dagster home cannot be copied.
        SettingsError: the lake was made with another first day.
    """
    settings = runner.settings
    if Catalog(settings.root).names():
        hold_first_day(settings.root, settings.start_date)
    with tempfile.TemporaryDirectory(prefix="lakehouse-plan-", ignore_cleanup_errors=True) as scratch:
        copy = replace(runner, settings=_copied(settings, Path(scratch), files))
        before = clone(settings.root, Path(copy.settings.root))
        if partitions is None:
            report = copy.run(progress=progress, should_stop=should_stop)
        else:
            report = copy.backfill(partitions, progress=progress, should_stop=should_stop)
        report.errors = [
            replace(each, message=each.message.replace(copy.settings.root, settings.root)) for each in report.errors
        ]
        lake = Catalog(copy.settings.root)
        result = Simulation(report, _held(lake, report))
        there = {*lake.names()}
        for table in in_order(runner.tables):
            if table.full_name in there and (changes := _changes(lake, table, before.get(table.full_name))):
                result.tables[table.full_name] = changes
        return result


def _copied(settings: Settings, scratch: Path, files: Sequence[NewFile]) -> Settings:
    """Return the settings of the copy, whose Dagster home and landing zone are made."""
    landing = settings.landing
    if files:
        landing = str(scratch / "landing")
        _lay_out(settings, scratch / "landing", files)
    engine = settings.engine if settings.spark_url.startswith("local") else "sail"  # a cluster does not see this disk
    copy = settings.model_copy(update={"root": str(scratch / "lake"), "landing": landing, "engine": engine})
    try:
        copy_home(settings.dagster_home, copy.dagster_home)
    except FileNotFoundError as error:
        raise RequestError(f"{error}; a plan needs a copy of it, so plan where Dagster keeps it in its home") from None
    return copy


def _lay_out(settings: Settings, folder: Path, files: Sequence[NewFile]) -> None:
    """Make a landing zone of some files, and of the others of their landing dates that the lake has taken in."""
    landing, lake = open_landing(settings.landing), Catalog(settings.root)
    registered = lake.read(_FILES, ["source_file", "etag"]).to_pylist() if _FILES in lake.names() else []
    taken = {(row["source_file"], row["etag"]) for row in registered}
    paths = {file.key: file.path for file in files}
    for where in {route(file.key) for file in files}:
        source = where.source if where else ""
        for found in landing.objects(f"{source}/"):
            if route(found.key) == where and (found.key, found.etag) in taken:
                paths.setdefault(found.key, None)
    for key, path in paths.items():
        lay_out(landing, settings.landing, key, folder, path)


def _held(lake: Catalog, report: RunReport) -> list[HeldDay]:
    """Return the days that some runs have judged and held."""
    if LEDGER.name not in lake.names():
        return []
    runs = [run.run_id for run in report.runs]
    judged = lake.rows(
        f"SELECT table_name, business_date FROM ({NEWEST_LINES}) WHERE list_contains(?, run_id)",  # noqa: S608 - a constant
        [runs],
    )
    places = {(row["table_name"], row["business_date"]) for row in judged}
    return [day for day in held_days(lake) if (day.table, day.business_date) in places]


def _changes(lake: Catalog, table: Table, before: int | None) -> list[PartitionChange]:
    """Return the partitions of a table that have changed since one of its versions; None is before the first."""
    from lakehouse.tables.declarations import ContractTable

    now = lake.open(table.full_name)
    if now.version() == before:
        return []
    is_partitioned = table.partition_column in now.metadata().partition_columns
    written = _written(lake, table, -1 if before is None else before, now.version()) if is_partitioned else []
    if is_partitioned and not written:
        return []
    columns = [name for name in now.to_pyarrow_dataset().schema.names if name not in _SAYS_WHEN]
    key = table.terms.policy.key if isinstance(table, ContractTable) else columns
    connection = lake.connect("")
    connection.register("now", now.to_pyarrow_dataset())
    was = now if before is None else Catalog(lake.root, version=before).open(table.full_name)
    connection.register("all_before", was.to_pyarrow_dataset())
    connection.execute(f"CREATE VIEW was AS FROM all_before WHERE {before is not None}")
    partition = f'"{table.partition_column}"'
    listed = ", ".join(f"DATE '{day}'" for day in written)
    sql = _CHANGES.format(
        columns=", ".join(f'"{name}"' for name in columns),
        key=", ".join(f'"{name}"' for name in key),
        partition=partition,
        where=f"{partition} IN ({listed})" if is_partitioned else "true",
    )
    changes = {day: PartitionChange(day) for day in written}
    for day, *counts, differs in connection.execute(sql).fetchall():
        if is_partitioned or differs:
            changes[day] = PartitionChange(day, *counts)
    return [changes[day] for day in sorted(changes)]


def _written(lake: Catalog, table: Table, before: int, now: int) -> list[dt.date]:
    """Return the partitions whose files some commits have added or removed."""
    location = table_uri(lake.root, table.full_name)
    found = set()
    for version in range(before + 1, now + 1):
        for action in log_actions(location, version):
            for kind in ("add", "remove"):
                if kind in action and action[kind].get("dataChange", True):
                    found.add(action[kind]["partitionValues"][table.partition_column])
    return sorted(dt.date.fromisoformat(day) for day in found)
