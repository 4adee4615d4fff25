"""Delta operations: optimize, vacuum, restore, and what a table says of itself.

Belongs here: what the operations of all engines share, which is everything but the rewriting and deleting itself.
Whether there is anything to do is decided from the log first, so that an operation without work makes no commit.
"""

from __future__ import annotations

import datetime as dt
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lakehouse.delta.commits import commits
from lakehouse.delta.data_files import (
    DataFile,
    by_partition,
    data_files,
    is_ordered,
    is_scattered,
    matches,
    present,
    put_in_order,
)
from lakehouse.delta.model import (
    Description,
    Partition,
    PartitionChange,
    Restoration,
    Rewritten,
    TableError,
    Vacuumed,
)
from lakehouse.delta.system_tables import QUARANTINE
from lakehouse.delta.tables import DeltaTables, is_clustered, keep_statistics, table_schema
from lakehouse.storage.files import table_uri

if TYPE_CHECKING:
    from deltalake import DeltaTable

WEEK_HOURS = 168
"""How long Delta keeps files out of use unless a table says otherwise."""
_RETENTION = "delta.deletedFileRetentionDuration"
_HOURS = {"hour": 1, "day": 24, "week": 168}
_IRREPLACEABLE = {
    "bronze": (
        "what was taken in once is never taken in again, so the rows of later files would be lost for good. To correct "
        "a day, land a corrected file under the same name"
    ),
    "system": (
        "files and audits are counted by it: files would be taken in twice, and nothing would add up. It never needs "
        "to be corrected by hand; `lakehouse reconcile` says whether anything is off"
    ),
    QUARANTINE.name: (
        "it holds what the newest audit of each day has rejected. To write a day of it again, materialize that day of "
        "its silver table"
    ),
}
"""Why some tables, or all of a layer, are never restored."""


class DeltaOperations(DeltaTables, ABC):
    """The Delta operations of an engine."""

    def optimize(
        self,
        table: str,
        partitions: Sequence[Mapping[str, str | None]] | None = None,
        *,
        zorder: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> Rewritten:
        """Rewrite the partitions that have many small files or, with columns, are not in that order."""
        opened = self._written(table)
        _refuse_columns(table, opened, partitions, zorder)
        groups = by_partition(data_files(opened))
        chosen = {partition: files for partition, files in groups.items() if matches(partition, partitions)}
        if is_clustered(opened):
            needed = chosen  # Spark knows what is not in its cluster yet
        elif zorder:
            location = table_uri(self.root, table)
            ordered = put_in_order(location, commits(location, int(opened.version())), zorder)
            needed = {partition: files for partition, files in chosen.items() if not is_ordered(files, ordered)}
        else:
            needed = {partition: files for partition, files in chosen.items() if is_scattered(files)}
        if not needed:
            return Rewritten(int(opened.version()), skipped=len(chosen))
        keep_statistics(opened, zorder)  # without them no query would skip a file for the order
        version = self._rewrite(table, opened, needed, zorder, metadata)
        if version is None:
            return Rewritten(int(opened.version()), skipped=len(chosen))
        self._at(table, version).create_checkpoint()  # which spares readers the log of all that was rewritten
        return self._rewritten(table, version, len(chosen))

    def vacuum(
        self,
        table: str,
        *,
        retain_hours: int | None = None,
        dry_run: bool = False,
        unsafe: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> Vacuumed:
        """Delete the files that no version needs any more, and those of writes that never came to a commit."""
        opened = self._written(table)
        own = _own_retention(opened)
        hours = own if retain_hours is None else retain_hours
        if hours < own and not unsafe:
            raise TableError(
                f"{table} keeps files out of use for {own} hours; to delete those of {hours} hours is unsafe: whoever "
                "reads an older version, or writes at this moment, may find files gone"
            )
        stale = opened.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True)
        # It lists what was deleted before, and the checksums that Hadoop puts beside files on a disk.
        sizes = present(table_uri(self.root, table), [path for path in stale if "/." not in f"/{path}"])
        if sizes and not dry_run:
            self._delete_stale(table, hours, metadata)
        return Vacuumed(len(sizes), sum(sizes.values()), hours)

    def restore(self, table: str, point: int | dt.datetime, *, metadata: Mapping[str, str] | None = None) -> int:
        """Make an older version, by number or time, the table's newest."""
        plan = self.restoration(table, point)
        if plan.missing:
            raise TableError(
                f"{table} cannot be restored to version {plan.version}: {plan.missing} of its files have been deleted "
                "by a vacuum; choose a later version"
            )
        return self._restore(table, plan.version, metadata)

    def restoration(self, table: str, point: int | dt.datetime) -> Restoration:
        """Return what a restore would do.

        Raises:
            TableError: there is no such version, it is the newest, or others count on what the table holds.
        """
        opened = self._written(table)
        _refuse_irreplaceable(table, opened)
        older = self._at(table, point)
        if older.version() == opened.version():
            raise TableError(f"{table} is at version {opened.version()} already; there is nothing to restore")
        before, after = by_partition(data_files(opened)), by_partition(data_files(older))
        changes = [
            PartitionChange(partition, _rows(before.get(partition, [])), _rows(after.get(partition, [])))
            for partition in {**before, **after}
            if {file.path for file in before.get(partition, [])} != {file.path for file in after.get(partition, [])}
        ]
        active = {file.path for files in before.values() for file in files}
        returning = {file.path for files in after.values() for file in files} - active
        there = present(table_uri(self.root, table), returning) if returning else {}
        return Restoration(
            table, int(older.version()), int(opened.version()), tuple(changes), len(returning) - len(there)
        )

    def describe(self, table: str) -> Description:
        """Return what a table's log says of it."""
        opened = self._written(table)
        groups = by_partition(data_files(opened))
        files = [file for group in groups.values() for file in group]
        about, protocol, past = opened.metadata(), opened.protocol(), self.history(table)
        return Description(
            table=table,
            location=table_uri(self.root, table),
            description=about.description or "",
            version=int(opened.version()),
            columns=table_schema(opened),
            partition_columns=tuple(about.partition_columns),
            partitions=len(groups),
            files=len(files),
            small_files=sum(len(group) for group in groups.values() if is_scattered(group)),
            bytes=sum(file.size_bytes for file in files),
            rows=_rows(files),
            protocol=(protocol.min_reader_version, protocol.min_writer_version),
            features=tuple(sorted({*(protocol.reader_features or ()), *(protocol.writer_features or ())})),
            properties=dict(about.configuration),
            created=dt.datetime.fromtimestamp(about.created_time / 1000, tz=dt.UTC),
            optimized=next((commit for commit in past if commit.operation == "OPTIMIZE"), None),
            vacuumed=next((commit for commit in past if commit.operation == "VACUUM END"), None),
        )

    def _rewritten(self, table: str, version: int, considered: int) -> Rewritten:
        """Return what the commit of an optimization did, as the log has it."""
        files = {file.path: file for file in data_files(self._at(table, version))}
        earlier = {file.path: file for file in data_files(self._at(table, version - 1))}
        removed = [file for path, file in earlier.items() if path not in files]
        added = [file for path, file in files.items() if path not in earlier]
        partitions = len({file.partition for file in removed})
        return Rewritten(
            version,
            partitions,
            considered - partitions,
            (len(removed), len(added)),
            (sum(file.size_bytes for file in removed), sum(file.size_bytes for file in added)),
        )

    @abstractmethod
    def _rewrite(
        self,
        table: str,
        opened: DeltaTable,
        files: Mapping[Partition, Sequence[DataFile]],
        zorder: Sequence[str],
        metadata: Mapping[str, str] | None,
    ) -> int | None:
        """Rewrite some partitions; return the version, or None where the engine found nothing to do."""

    @abstractmethod
    def _delete_stale(self, table: str, hours: int, metadata: Mapping[str, str] | None) -> None:
        """Delete the files that have been out of use for some hours."""

    @abstractmethod
    def _restore(self, table: str, version: int, metadata: Mapping[str, str] | None) -> int:
        """Make an older version the newest, and return the new one."""


def _refuse_irreplaceable(table: str, opened: DeltaTable) -> None:
    """Refuse to go back to an older version of what other tables count on."""
    reason = _IRREPLACEABLE.get(table) or _IRREPLACEABLE.get(table.partition(".")[0])
    if reason is None and opened.metadata().configuration.get("delta.appendOnly") == "true":
        reason = "it only grows (delta.appendOnly): what was committed to it counts as taken in for good"
    if reason is not None:
        raise TableError(f"{table} is not restored: {reason}")


def _refuse_columns(
    table: str, opened: DeltaTable, partitions: Sequence[Mapping[str, str | None]] | None, zorder: Sequence[str]
) -> None:
    own = opened.metadata().partition_columns
    if zorder and is_clustered(opened):
        raise TableError(f"{table} is clustered and has an order of its own; optimize it without one")
    if strangers := sorted({name for selection in partitions or () for name in selection} - {*own}):
        raise TableError(f"{table} is partitioned by {', '.join(own) or 'nothing'}, not by {', '.join(strangers)}")
    names = [field.name for field in opened.schema().fields]
    if unknown := [name for name in zorder if name not in names or name in own]:
        raise TableError(
            f"{table} cannot be put in the order of {', '.join(unknown)}; choose among its columns that are no "
            f"partitions: {', '.join(name for name in names if name not in own)}"
        )


def _own_retention(opened: DeltaTable) -> int:
    """Return for how many hours a table keeps files that are out of use."""
    given = opened.metadata().configuration.get(_RETENTION)
    if given is None:
        return WEEK_HOURS
    found = re.fullmatch(r"(?:interval )?(\d+) (hour|day|week)s?", given.strip().lower())
    if found is None:
        raise TableError(f"{_RETENTION} is {given!r}; say it in whole hours, days or weeks, such as 'interval 7 days'")
    return int(found[1]) * _HOURS[found[2]]


def _rows(files: Sequence[DataFile]) -> int | None:
    counts = [file.rows for file in files]
    return None if None in counts else sum(count for count in counts if count is not None)
