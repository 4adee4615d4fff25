"""The embedded engine: DataFrames on Sail (Rust, in this process), Delta commits by delta-rs.

Belongs here: everything that works around Sail. It silently ignores many reader and writer options, so it is never
asked to read landing files or to write; it computes, and its result streams as Arrow into delta-rs.
"""

from __future__ import annotations

import functools
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.engine import MissingTableError, TableError
from resources.storage import is_local, table_uri

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow as pa
    from deltalake import DeltaTable
    from pyspark.sql import DataFrame, SparkSession

    from resources.engine import Batches, Sift, TableLayout, Token
    from resources.predicates import Predicate

_MEMORY_SHARE = 0.6
_IDENTITY_ONLY = ("grpc.compression_enabled_algorithms_bitset", 1)
"""gRPC offers gzip, and Sail would then compress every result batch: ten times slower than the query itself."""
_KNOWN_READER_FEATURES = {"timestampNtz", "deletionVectors"}
_KNOWN_WRITER_FEATURES = {
    "appendOnly",
    "invariants",
    "checkConstraints",
    "changeDataFeed",
    "generatedColumns",
    "timestampNtz",
    "deletionVectors",
}


@functools.cache
def _give_memory_back() -> None:
    """Have three allocators in one process return what they free at once, not after a while.

    Sail, delta-rs and Arrow take turns, and each would keep the peak of its turn: 800 MB instead of 1,200 for days of a
    million rows, for a tenth more CPU. The first two read the environment when they are loaded.
    """
    import pyarrow as pa

    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "0")
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")
    pa.set_memory_pool(pa.system_memory_pool())


@functools.cache
def _start() -> tuple[Any, SparkSession]:
    """Start Sail in this process, once; the server lives as long as the process and must stay referenced."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    scratch = tempfile.mkdtemp(prefix="lakehouse-sail-")
    memory = int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * _MEMORY_SHARE)
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    for name, value in {
        "SAIL_SPARK__SESSION_TIMEOUT_SECS": str(7 * 24 * 3600),  # the default drops a session idle for 15 minutes
        "SAIL_RUNTIME__STACK_SIZE": str(64 << 20),  # deep plans overflow the default and kill the process
        "SAIL_RUNTIME__MEMORY_POOL__TYPE": "fair",  # without a pool nothing spills and the kernel ends the process
        "SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE": str(memory),
        "RUST_LOG": "error",
        "SAIL_EXECUTION__CHECKPOINT__PATH": f"file://{scratch}",
    }.items():
        os.environ.setdefault(name, value)
    from pysail.spark import SparkConnectServer
    from pyspark.sql.connect.client import DefaultChannelBuilder
    from pyspark.sql.connect.client.retries import DefaultPolicy
    from pyspark.sql.connect.session import SparkSession as ConnectSession

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    channel = DefaultChannelBuilder(f"sc://localhost:{server.listening_address[1]}", [_IDENTITY_ONLY])
    session = ConnectSession.builder.channelBuilder(channel).create()
    # A dead server (Ctrl-C stops it) must fail in a second, not after minutes of retries.
    session.client.set_retry_policies([DefaultPolicy(max_retries=5, initial_backoff=50, max_backoff=1000)])
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return server, session


class SailEngine:
    """Sail for DataFrames, delta-rs for commits."""

    name = "sail"

    def __init__(self, root: str) -> None:
        """Take the lake's root; nothing is started or opened yet."""
        _give_memory_back()
        self._root = root

    def session(self) -> SparkSession:
        """Return this process's session."""
        return _start()[1]

    def version(self, table: str) -> int | None:
        """Return the table's newest version, or None where it does not exist."""
        opened = self._open(table)
        return None if opened is None else opened.version()

    def last_token(self, table: str, application: str) -> int | None:
        """Return the highest number that an application has committed to a table."""
        opened = self._open(table)
        return None if opened is None else opened.transaction_version(application)

    def read(
        self,
        table: str,
        where: Predicate | None = None,
        *,
        version: int | None = None,
        as_of: dt.datetime | None = None,
    ) -> DataFrame:
        """Return a table's rows, lazily, at its newest version or an older one."""
        opened = self._open(table)
        if opened is None:
            raise MissingTableError(
                f"{table} has never been written (no Delta table at {table_uri(self._root, table)}); "
                "materialize it first, or check LAKEHOUSE_ROOT"
            )
        _go_back(opened, table, as_of if version is None else version)
        reader = self.session().read.format("delta").option("versionAsOf", opened.version())
        frame = reader.load(table_uri(self._root, table))
        return frame if where is None else frame.where(where.column())

    def collect(self, frame: DataFrame) -> pa.Table:
        """Run a frame and return its result."""
        return frame.toArrow()

    def publish(
        self,
        layout: TableLayout,
        frame: DataFrame | pa.Table,
        where: Predicate,
        *,
        sift: Sift | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> int:
        """Replace the predicate's rows by the frame's in one commit."""
        batches = _stream(frame)
        opened = self._open(layout.name)
        return self._write(layout, opened, sift(batches) if sift else batches, predicate=where.sql, metadata=metadata)

    def append(
        self,
        layout: TableLayout,
        batches: Batches,
        *,
        token: Token | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> int | None:
        """Append rows in one commit; with a token, once."""
        opened = self._open(layout.name)
        if token is not None and _has_happened(opened, token):
            return None
        try:
            # The write starts from the very version that was looked at: whoever uses the token later is a conflict.
            return self._write(layout, opened, batches, token=token, metadata=metadata)
        except TableError:
            if token is not None and _has_happened(self._open(layout.name), token):
                return None
            raise

    def _open(self, table: str) -> DeltaTable | None:
        from deltalake import DeltaTable

        uri = table_uri(self._root, table)
        if not DeltaTable.is_deltatable(uri):
            return None
        opened = DeltaTable(uri)
        protocol = opened.protocol()
        unknown = ({*(protocol.reader_features or ())} - _KNOWN_READER_FEATURES) | (
            {*(protocol.writer_features or ())} - _KNOWN_WRITER_FEATURES
        )
        if unknown:
            raise TableError(
                f"{table} uses Delta features that not every engine reads: {', '.join(sorted(unknown))}; "
                "rewrite the table without them"
            )
        return opened

    def _write(
        self,
        layout: TableLayout,
        opened: DeltaTable | None,
        batches: Batches,
        *,
        predicate: str | None = None,
        token: Token | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> int:
        import pyarrow as pa
        from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
        from deltalake.exceptions import DeltaError

        uri = table_uri(self._root, layout.name)
        commit = CommitProperties(
            custom_metadata=dict(metadata or {}),
            app_transactions=[Transaction(token.application, token.number)] if token else None,
        )
        source = _Source(_fitted(layout, batches))
        first_write = {
            "partition_by": list(layout.partition_by),
            "name": layout.name,
            "description": layout.description or None,
            "configuration": dict(layout.properties),
        }
        if is_local(uri):
            Path(uri).mkdir(parents=True, exist_ok=True)
        try:
            write_deltalake(
                opened or uri,
                pa.RecordBatchReader.from_batches(layout.schema, source),
                mode="overwrite" if predicate else "append",
                predicate=predicate,
                commit_properties=commit,
                **({} if opened else first_write),
            )
        except DeltaError as error:
            if source.error is not None:
                raise source.error from error
            raise TableError(f"{layout.name}: the write was refused and nothing is committed: {error}") from error
        return int((opened or DeltaTable(uri)).version())


def _go_back(opened: DeltaTable, table: str, point: int | dt.datetime | None) -> None:
    """Load an older version, by number or by time; None stays at the newest."""
    from deltalake.exceptions import DeltaError

    if point is None:
        return
    try:
        opened.load_as_version(point)
    except (DeltaError, OverflowError) as error:
        raise TableError(f"{table} has no version {point}; its newest is {opened.version()}") from error
    if not isinstance(point, int):
        # Delta gives its first version for a time before it, as if the table had been there.
        first = min(commit["timestamp"] for commit in opened.history()) / 1000
        if point.timestamp() < first:
            raise TableError(f"{table} has no version of {point}; its first was written later")


def _has_happened(opened: DeltaTable | None, token: Token) -> bool:
    last = None if opened is None else opened.transaction_version(token.application)
    return last is not None and last >= token.number


class _Source:
    """A stream of batches that remembers what it raised: delta-rs reports it only as text."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._batches
        except GeneratorExit:  # the writer has given up, for a reason of its own
            raise
        except BaseException as error:  # an interrupt, too, must not end up as a refused write
            self.error = error
            raise


def _stream(frame: DataFrame | pa.Table) -> Iterator[pa.RecordBatch]:
    """Stream a frame's result in bounded memory (the client's own iterator: an internal name, held by a test)."""
    import pyarrow as pa

    if isinstance(frame, pa.Table):
        yield from frame.to_batches()
        return
    client = frame.sparkSession.client
    for item in client.to_table_as_iterator(frame._plan.to_proto(client), {}):  # noqa: SLF001 - no public stream
        if isinstance(item, pa.Table):
            yield from item.to_batches()


def _fitted(layout: TableLayout, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Bring batches to the table's columns, order and types, without loss."""
    import pyarrow as pa

    names = layout.schema.names
    for batch in batches:
        missing = [name for name in names if name not in batch.schema.names]
        unknown = [name for name in batch.schema.names if name not in names]
        if missing or unknown:
            raise TableError(f"{layout.name}: missing columns {missing}, undeclared columns {unknown}")
        columns = []
        for column in layout.schema:
            values = batch.column(column.name)
            try:
                columns.append(_cast(values, column.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise TableError(
                    f"{layout.name}: column {column.name} is {values.type} and does not fit {column.type}: {error}"
                ) from error
        yield pa.record_batch(columns, schema=layout.schema)


def _cast(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Cast within a kind of types, where Arrow refuses what it cannot keep.

    Between kinds it parses, rounds and cuts without a word: a double becomes a decimal, a timestamp a date.
    """
    import pyarrow as pa

    if values.type == wanted:
        return values
    if not pa.types.is_null(values.type) and _kind(values.type) != _kind(wanted):
        raise pa.ArrowInvalid("the types are of different kinds; cast the column in the transform")
    return values.cast(wanted, safe=True)


def _kind(type_: pa.DataType) -> object:
    """Return what types that hold the same values have in common."""
    from pyarrow import types

    if types.is_dictionary(type_):
        return _kind(type_.value_type)
    kinds = (types.is_integer, types.is_decimal, types.is_timestamp)
    texts = (types.is_string, types.is_large_string, types.is_string_view)
    if any(is_text(type_) for is_text in texts):
        return "text"
    return next((kind for kind in kinds if kind(type_)), type_.id)
