"""Delta tables as their logs have them: found, made, widened, and what they say of themselves.

Belongs here: everything that needs a table's log and none of its rows. delta-rs does it for every engine, in
milliseconds and without a session, so that tables are alike whichever engine fills them. How rows are read and
committed is the engines' matter.

A table's version 0 is its creation, without rows; it counts as written from its first commit on.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.delta.commits import commit_nothing, commit_properties, commits
from lakehouse.delta.model import ClusteredTableError, Commit, MissingTableError, TableError
from lakehouse.storage.files import delta_options, identity_of, is_local, table_uri

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from deltalake import DeltaTable, PostCommitHookProperties

    from lakehouse.delta.model import TableLayout, Token

_READER_FEATURES = {"timestampNtz"}
_WRITER_FEATURES = {
    "appendOnly",
    "invariants",
    "checkConstraints",
    "changeDataFeed",
    "generatedColumns",
    "timestampNtz",
}
"""What both engines read and write alike (docs/decisions/0012); others are refused when a table is opened."""
_CLUSTERING_FEATURES = {"clustering", "domainMetadata"}
"""What a clustered table has besides; only Spark writes one."""
_CHECKPOINT_INTERVAL = "delta.checkpointInterval"
_COMMITS_A_CHECKPOINT = 10
"""As Spark has it. Opening a table replays the commits since its last checkpoint, and delta-rs would let 100 pass."""
_STATISTICS_COLUMNS = "delta.dataSkippingStatsColumns"
_EXPIRED_LOG_CLEANUP = "delta.enableExpiredLogCleanup"


class DeltaTables:
    """The tables under a root: the half of an engine that needs only their logs.

    Attributes:
        writes_clusters: whether the engine writes clustered tables.
    """

    writes_clusters = False

    def __init__(self, root: str) -> None:
        """Take the lake's root; nothing is opened yet."""
        self.root = root
        self._options = delta_options(root)
        # Whoever takes a table out has it alone until it is kept again. One that is looked at is shared and must not be
        # changed: writes take theirs by `_ready`, and maintenance opens its own by `_written`.
        self._seen: dict[str, tuple[DeltaTable, str]] = {}

    def version(self, table: str) -> int | None:
        """Return the table's newest version, or None where it was never written."""
        opened = self._look_at(table)
        return None if opened is None or not is_written(opened) else int(opened.version())

    def columns(self, table: str) -> tuple[str, ...]:
        """Return the names of a table's columns; none if it was never written."""
        opened = self._look_at(table)
        return () if opened is None or not is_written(opened) else tuple(each.name for each in opened.schema().fields)

    def dates(self, table: str, column: str) -> list[dt.date]:
        """Return the dates by which a table is partitioned that have rows, sorted; none if it was never written."""
        opened = self._look_at(table)
        values = set() if opened is None else {partition.get(column) for partition in opened.partitions()}
        return sorted(dt.date.fromisoformat(str(value)) for value in values if value is not None)

    def row_counts(self, table: str, column: str) -> dict[dt.date, int]:
        """Return how many rows a table has of each date by which it is partitioned; none if it was never written."""
        import pyarrow as pa

        opened = self._look_at(table)
        files = pa.table(opened.get_add_actions(flatten=True)) if opened is not None else pa.table({})
        wanted = [f"partition.{column}", "num_records"]
        if not set(wanted) <= set(files.column_names):
            return {}
        counted = files.select(wanted).group_by(wanted[0]).aggregate([("num_records", "sum")])
        return {
            row[wanted[0]]: row["num_records_sum"] or 0 for row in counted.to_pylist() if row[wanted[0]] is not None
        }

    def last_token(self, table: str, application: str) -> int | None:
        """Return the highest number that an application has committed to a table."""
        opened = self._look_at(table)
        return None if opened is None else opened.transaction_version(application)

    def history(self, table: str, limit: int | None = None) -> list[Commit]:
        """Return a table's commits, newest first.

        Raises:
            MissingTableError: the table was never written.
        """
        return commits(table_uri(self.root, table), int(self._at(table, None).version()), limit)

    def _open(self, table: str) -> DeltaTable | None:
        """Open a table at its newest version."""
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        try:
            opened = DeltaTable(table_uri(self.root, table), storage_options=self._options)
        except TableNotFoundError:
            return None
        self._refuse_unknown(table, opened)
        return opened

    def _look_at(self, table: str) -> DeltaTable | None:
        """Return a table as it is now, to be looked at and nothing else: others get the same object."""
        opened = self._taken(table)
        if opened is not None:
            self._keep(table, opened)
        return opened

    def _taken(self, table: str) -> DeltaTable | None:
        """Return a table as it is now, for the caller alone, who may write to it, until it is given to ``_keep``.

        One that was kept is told of new commits, if there are any, as long as its own newest commit is the one that it
        was kept at. To open a table reads its whole log, and costs more the more files it has.
        """
        from deltalake.exceptions import DeltaError

        opened, identity = self._seen.pop(table, (None, None))
        if opened is None or self._commit_identity(table, opened.version()) != identity:
            return self._open(table)
        if self._commit_identity(table, opened.version() + 1) is not None:
            try:
                opened.update_incremental()
            except DeltaError:  # the log was put in order meanwhile
                return self._open(table)
            self._refuse_unknown(table, opened)
        return opened

    def _keep(self, table: str, opened: DeltaTable) -> None:
        """Keep a table that is at one of its versions for whoever wants it next."""
        identity = self._commit_identity(table, opened.version())
        if identity is not None:
            self._seen[table] = opened, identity

    def _commit_identity(self, table: str, version: int) -> str | None:
        return identity_of(f"{table_uri(self.root, table)}/_delta_log/{version:020}.json")

    def _refuse_unknown(self, table: str, opened: DeltaTable) -> None:
        """Refuse a table that some engine does not read or write.

        Raises:
            ClusteredTableError: it has clusters, and this engine does not write them.
            TableError: it uses other features.
        """
        protocol = opened.protocol()
        unknown = ({*(protocol.reader_features or ())} - _READER_FEATURES) | (
            {*(protocol.writer_features or ())} - _WRITER_FEATURES
        )
        if protocol.min_reader_version == _COLUMN_MAPPING:
            unknown.add("columnMapping")
        if is_clustered(opened):
            if not self.writes_clusters:
                raise ClusteredTableError(table)
            unknown -= _CLUSTERING_FEATURES
        if unknown:
            raise TableError(
                f"{table} uses Delta features that not every engine reads: {', '.join(sorted(unknown))}; "
                "rewrite the table without them"
            )

    def _written(self, table: str) -> DeltaTable:
        """Open a table that was written, to write to it."""
        return self._needed(table, self._open(table))

    def _needed(self, table: str, opened: DeltaTable | None) -> DeltaTable:
        if opened is None or not is_written(opened):
            raise MissingTableError(
                f"{table} has never been written (no Delta table at {table_uri(self.root, table)}); "
                "materialize it first, or check LAKEHOUSE_ROOT"
            )
        return opened

    def _at(self, table: str, point: int | dt.datetime | None) -> DeltaTable:
        """Return a written table, to be looked at, at an older version, by number or by time; None is the newest."""
        from deltalake.exceptions import DeltaError

        if point is None:
            return self._needed(table, self._look_at(table))
        opened = self._written(table)
        newest = opened.version()
        try:
            opened.load_as_version(point)
        except (DeltaError, OverflowError) as error:
            raise TableError(f"{table} has no version {point}; its newest is {newest}") from error
        if not isinstance(point, int):
            # Delta gives its first version for a time before it, as if the table had been there.
            first = min(commit["timestamp"] for commit in opened.history()) / 1000
            if point.timestamp() < first:
                raise TableError(f"{table} has no version of {point}; its first was written later")
        return opened

    def _ready(self, layout: TableLayout) -> DeltaTable:
        """Open a table to write to: made where it is missing, widened where the layout has new columns.

        Raises:
            ClusteredTableError: the layout has clusters, and this engine does not write them.
        """
        if layout.cluster_by and not self.writes_clusters:
            raise ClusteredTableError(layout.name)
        opened = self._taken(layout.name) or self._created(layout)
        return self._widened(layout, opened)

    def _created(self, layout: TableLayout) -> DeltaTable:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        uri = table_uri(self.root, layout.name)
        if is_local(uri):
            Path(uri).mkdir(parents=True, exist_ok=True)
        try:
            return DeltaTable.create(
                uri,
                layout.schema,
                partition_by=list(layout.partition_by),
                name=layout.name,
                description=layout.description or None,
                configuration=properties_of(layout),
                storage_options=self._options,
            )
        except DeltaError:
            opened = self._open(layout.name)  # another writer may have made it at this moment
            if opened is None:
                raise
            return opened

    def _commit_no_rows(
        self, table: str, opened: DeltaTable, *, token: Token | None = None, metadata: Mapping[str, str] | None = None
    ) -> int:
        """Commit that nothing was to be written: the table counts as written, and a token as used."""
        import pyarrow as pa
        from deltalake import write_deltalake

        if is_clustered(opened):
            return commit_nothing(opened, table_uri(self.root, table), token, metadata)
        nothing = pa.RecordBatchReader.from_batches(table_schema(opened), iter([]))
        write_deltalake(
            opened,
            nothing,
            mode="append",
            commit_properties=commit_properties(metadata, token),
            post_commithook_properties=after_commit(opened),
        )
        return int(opened.version())

    def _widened(self, layout: TableLayout, opened: DeltaTable) -> DeltaTable:
        """Add the layout's new columns, which are null in the rows there are.

        Raises:
            TableError: a column has another type, or one the layout lacks must not be null.
        """
        import pyarrow as pa
        from deltalake.exceptions import DeltaError

        there = pa.schema(opened.schema().to_arrow())
        _refuse_other_types(layout, there)
        new = [column.with_nullable(True) for column in layout.schema if column.name not in there.names]  # noqa: FBT003
        if not new:
            return opened
        try:
            self._add_columns(layout.name, opened, pa.schema(new))
        except (DeltaError, TableError):
            again = self._open(layout.name)
            if again is None or not set(layout.schema.names) <= set(pa.schema(again.schema().to_arrow()).names):
                raise
            return again
        return opened

    def _add_columns(self, table: str, opened: DeltaTable, columns: pa.Schema) -> None:  # noqa: ARG002 - Spark needs it
        from deltalake import Field, Schema

        fields: list[Field] = list(Schema.from_arrow(columns).fields)
        opened.alter.add_columns(fields)


_COLUMN_MAPPING = 2
"""The reader version of column mapping alone: delta-rs would read every column as null."""


def after_commit(opened: DeltaTable) -> PostCommitHookProperties:
    """Return what delta-rs does after a commit: it looks for commits to clean up only where it makes a checkpoint.

    It would look after each, which costs more than the commit once the log has a thousand files.
    """
    from deltalake import PostCommitHookProperties

    properties = opened.metadata().configuration
    interval = int(properties.get(_CHECKPOINT_INTERVAL, 100))
    cleans = (opened.version() + 1) % interval == 0 and properties.get(_EXPIRED_LOG_CLEANUP, "true") == "true"
    return PostCommitHookProperties(cleanup_expired_logs=cleans)


def is_clustered(opened: DeltaTable) -> bool:
    """Whether a table is laid out by clusters."""
    return "clustering" in (opened.protocol().writer_features or ())


def is_written(opened: DeltaTable) -> bool:
    """Whether a table has had a commit after its creation."""
    return bool(opened.version() > 0 or opened.file_uris())


def table_schema(opened: DeltaTable) -> pa.Schema:
    """Return a table's columns in Arrow's types, the way layouts give them: no views, no large texts."""
    import pyarrow as pa

    return pa.schema([column.with_type(_plain(column.type)) for column in pa.schema(opened.schema().to_arrow())])


def properties_of(layout: TableLayout) -> dict[str, str]:
    """Return the properties of a new table."""
    wanted = dict.fromkeys([*layout.statistics, *layout.cluster_by] if layout.statistics else [])
    kept = [name for name in wanted if name not in layout.partition_by]
    statistics = {_STATISTICS_COLUMNS: _listed(kept)} if kept else {}
    return {_CHECKPOINT_INTERVAL: str(_COMMITS_A_CHECKPOINT), **statistics, **layout.properties}


def keep_statistics(opened: DeltaTable, columns: Sequence[str]) -> None:
    """Have a table keep statistics of some columns from now on; one that names none keeps those of its first."""
    named = opened.metadata().configuration.get(_STATISTICS_COLUMNS)
    if named is None:
        return
    kept = [quoted or plain.strip() for quoted, plain in re.findall(r"`([^`]+)`|([^,`]+)", named)]
    if new := [name for name in columns if name not in kept]:
        opened.alter.set_table_properties({_STATISTICS_COLUMNS: _listed([*kept, *new])})


def _listed(columns: Sequence[str]) -> str:
    return ",".join(f"`{name}`" for name in columns)


def _refuse_other_types(layout: TableLayout, there: pa.Schema) -> None:
    for column in there:
        if column.name not in layout.schema.names:
            if not column.nullable:
                raise TableError(f"{layout.name}: the table's column {column.name} must not be null and is not written")
            continue
        declared = layout.schema.field(column.name)
        if _plain(declared.type) != _plain(column.type):
            raise TableError(
                f"{layout.name}: column {column.name} is {_plain(column.type)} in the table and declared as "
                f"{declared.type}; a column's type does not change, give the new one another name"
            )


def _plain(type_: pa.DataType) -> pa.DataType:
    """Return the type that Delta keeps: one kind of text, microseconds, lists of plain types."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_large_string(type_) or types.is_string_view(type_):
        return pa.string()
    if types.is_large_binary(type_) or types.is_binary_view(type_):
        return pa.binary()
    if types.is_timestamp(type_):
        return pa.timestamp("us", tz="UTC" if type_.tz else None)
    if types.is_list(type_) or types.is_large_list(type_) or types.is_list_view(type_):
        return pa.list_(_plain(type_.value_type))
    if types.is_struct(type_):
        return pa.struct([inner.with_type(_plain(inner.type)) for inner in type_.fields])
    return type_
