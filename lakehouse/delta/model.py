"""The words of a Delta table: its layout, what happened to it, and the errors about it.

Belongs here: values without behaviour, which the rest of this room and the engines share.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakehouse.errors import LakehouseError

if TYPE_CHECKING:
    import pyarrow as pa

LAYERS = ("bronze", "silver", "gold")
SCHEMAS = (*LAYERS, "system")
"""What a table's full name begins with, and the folder of a root that it is in."""


class TableError(LakehouseError):
    """A table cannot be read or written as asked; the message names the table and what to do."""

    code = "table"


class ClusteredTableError(TableError):
    """A clustered table is to be used with an engine that does not write it."""

    def __init__(self, table: str) -> None:
        """Say so, and what to do."""
        super().__init__(
            f"{table} is clustered, and only Spark writes such a table: set LAKEHOUSE_ENGINE=spark, or declare it "
            "without cluster_by and, where it exists, write it again from its inputs"
        )


class MissingTableError(TableError):
    """A table has never been written."""

    code = "missing_table"


@dataclass(frozen=True)
class TableLayout:
    """How a Delta table is made when it is first written.

    Attributes:
        name: ``silver.transactions``.
        schema: columns, order and types; a write that cannot be cast to them without loss is refused.
        partition_by: partition columns on disk.
        properties: Delta table properties, such as ``delta.appendOnly``.
        description: what the table is, kept in the Delta metadata.
        statistics: columns that queries filter by. A file's least and greatest values of these alone are kept in the
            log, so that queries skip files; those of many columns make every commit of a large table dearer. Empty
            keeps those of the first 32 columns. Partition columns need none.
        cluster_by: columns by which an optimization brings rows of like values together in files, instead of
            partitions. Only Spark makes and writes such a table.

    Raises:
        TableError: a column is named that the schema does not have, or there are both partitions and clusters.
    """

    name: str
    schema: pa.Schema
    partition_by: tuple[str, ...]
    properties: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    statistics: tuple[str, ...] = ()
    cluster_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no table can be."""
        if unknown := {*self.partition_by, *self.statistics, *self.cluster_by} - {*self.schema.names}:
            raise TableError(f"{self.name} has no column {', '.join(sorted(unknown))} to lay it out by")
        if self.partition_by and self.cluster_by:
            raise TableError(f"{self.name} has partitions and clusters; a Delta table has either")


@dataclass(frozen=True)
class Token:
    """What makes a write happen once: an application and its ever-growing number (Delta's ``txn``)."""

    application: str
    number: int


@dataclass(frozen=True)
class Rewritten:
    """What an optimization came to; where nothing was rewritten there is no commit.

    Attributes:
        version: the table's newest version.
        partitions: how many were rewritten, and ``skipped`` how many had no need of it.
        files: before and after, of the partitions rewritten.
        bytes: the same.
    """

    version: int
    partitions: int = 0
    skipped: int = 0
    files: tuple[int, int] = (0, 0)
    bytes: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Vacuumed:
    """What a vacuum deleted, or would delete.

    Attributes:
        retain_hours: how long a file had to be out of use.
    """

    files: int
    bytes: int
    retain_hours: int


@dataclass(frozen=True)
class Commit:
    """One version of a table.

    Attributes:
        at: when it was committed, UTC.
        operation: Delta's name of it: ``WRITE``, ``MERGE``, ``OPTIMIZE`` ...
        metadata: what the writer kept with it, such as ``run_id``.
        parameters: of the operation, such as its ``predicate``, in the words of the library that committed.
        metrics: what it did, likewise.
        engine: that library.
    """

    version: int
    at: dt.datetime
    operation: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    engine: str = ""


Partition = tuple[tuple[str, str | None], ...]
"""The partition columns, in the table's order, and their values as the log has them: text, or None for null."""


@dataclass(frozen=True)
class PartitionChange:
    """What a restore does to a partition: how many rows it has, and will have; None where nobody counted them."""

    partition: Partition
    rows_before: int | None
    rows_after: int | None


@dataclass(frozen=True)
class Restoration:
    """What a restore would do.

    Attributes:
        version: the version to restore.
        newest: the version there is.
        changes: partitions that have other files in the two; after an optimization the rows may be the same.
        missing: how many files of the older version have been deleted; unless none, it cannot be restored.
    """

    table: str
    version: int
    newest: int
    changes: tuple[PartitionChange, ...]
    missing: int


@dataclass(frozen=True)
class Description:
    """A table as its log describes it.

    Attributes:
        features: reader and writer features beyond the versions of the protocol.
        optimized: the last time files were rewritten, and ``vacuumed`` the last time some were deleted, as far back as
            the log goes.
    """

    table: str
    location: str
    description: str
    version: int
    columns: pa.Schema
    partition_columns: tuple[str, ...]
    partitions: int
    files: int
    small_files: int
    bytes: int
    rows: int | None
    protocol: tuple[int, int]
    features: tuple[str, ...]
    properties: Mapping[str, str]
    created: dt.datetime
    optimized: Commit | None
    vacuumed: Commit | None
