"""The embedded engine: DataFrames on Sail (Rust, in this process), Delta commits by delta-rs.

Belongs here: everything that works around Sail. It silently ignores many reader and writer options, so it is never
asked to read landing files or to write; it computes, and its result streams as Arrow into delta-rs.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any, TypeGuard

from lakehouse.delta.commits import commit_properties, has_happened
from lakehouse.delta.compaction import rewrite
from lakehouse.delta.maintenance import DeltaOperations
from lakehouse.delta.model import TableError
from lakehouse.delta.schema_enforcement import conform, refuse_repeated_keys, with_gone
from lakehouse.delta.tables import after_commit, table_schema
from lakehouse.engines.connect_mode import switch_on
from lakehouse.engines.sail_checkpoints import CheckpointsOnDemand
from lakehouse.storage.files import prepare_environment, table_uri

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa
    from deltalake import DeltaTable
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.delta.data_files import DataFile
    from lakehouse.delta.model import Partition, TableLayout, Token
    from lakehouse.delta.predicates import Predicate
    from lakehouse.engines.base import Batches, Gate, Part, R, T

_MEMORY_SHARE = 0.6
_PURGED_AFTER_MS = 50
"""At once costs more than the query itself, where it asks for small pieces of memory again and again."""
_M_ARENA_MAX, _ARENAS = -8, 2
"""The C library's own: as many as eight for each core would each keep what their threads no longer use."""
_ROWS_OF_A_GROUP = 1 << 17
"""Of a Parquet file: its writer and every later reader hold one in memory. The default is eight times as many."""
_IDENTITY_ONLY = ("grpc.compression_enabled_algorithms_bitset", 1)
"""gRPC offers gzip, and Sail would then compress every result batch: ten times slower than the query itself."""
_STARTING = threading.Lock()


@functools.cache
def _give_memory_back() -> None:
    """Have the allocators in this process return what they free soon, not after a while.

    Sail, delta-rs and Arrow take turns, and each would keep the peak of its turn (docs/decisions/0008). The first two
    read the environment when they are loaded; Arrow shall take its memory from the C library.
    """
    import ctypes

    import pyarrow as pa

    os.environ.setdefault("MIMALLOC_PURGE_DELAY", str(_PURGED_AFTER_MS))
    decay = ",".join(f"{pages}_decay_ms:{_PURGED_AFTER_MS}" for pages in ("dirty", "muzzy"))
    os.environ.setdefault("_RJEM_MALLOC_CONF", decay)
    pa.set_memory_pool(pa.system_memory_pool())
    if "MALLOC_ARENA_MAX" not in os.environ:
        with contextlib.suppress(AttributeError):  # not glibc
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def _start() -> tuple[Any, SparkSession, CheckpointsOnDemand]:
    """Return this process's server, its session and its checkpoints; whichever thread comes first starts them."""
    with _STARTING:  # a cache alone lets every thread that comes early start a server of its own
        return _started()


@functools.cache
def _started() -> tuple[Any, SparkSession, CheckpointsOnDemand]:
    """Start Sail in this process; the server lives as long as the process and must stay referenced."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    scratch = tempfile.mkdtemp(prefix="lakehouse-sail-")
    memory = int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * _MEMORY_SHARE)
    switch_on()
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
    from pyspark.sql.connect.session import SparkSession as ConnectSession

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    channel = DefaultChannelBuilder(f"sc://localhost:{server.listening_address[1]}", [_IDENTITY_ONLY])
    session = ConnectSession.builder.channelBuilder(channel).create()
    # Results must stay reattachable: only then does Sail say that one is complete, and a query that panics does not end
    # like one that is done. Nothing is tried again: a dead server (Ctrl-C stops it) is dead at once.
    checkpoints = CheckpointsOnDemand()
    session.client.set_retry_policies([checkpoints.retry_policy()])
    session.conf.set("spark.sql.session.timeZone", "UTC")
    # PySpark would note where each expression was made, for messages that Sail does not write: eight times their cost.
    session.conf.set("spark.python.sql.dataFrameDebugging.enabled", "false")
    return server, session, checkpoints


class SailEngine(DeltaOperations):
    """Sail for DataFrames, delta-rs for commits."""

    name = "sail"
    is_local = True
    batch_bytes = 128 << 20

    def __init__(self, root: str) -> None:
        """Take the lake's root; nothing is started or opened yet."""
        _give_memory_back()
        prepare_environment(root)
        super().__init__(root)

    def session(self) -> SparkSession:
        """Return this process's session."""
        return _start()[1]

    def read(
        self,
        table: str,
        where: Predicate | None = None,
        *,
        version: int | None = None,
        as_of: dt.datetime | None = None,
    ) -> DataFrame:
        """Return a table's rows, lazily, at its newest version or an older one."""
        pinned = int(self._at(table, as_of if version is None else version).version())
        location = table_uri(self.root, table)
        _, session, checkpoints = _start()
        checkpoints.pin(location, self._options, pinned)
        frame = session.read.format("delta").option("versionAsOf", pinned).load(location)
        return frame if where is None else frame.where(where.column())

    def collect(self, frame: DataFrame) -> pa.Table:
        """Run a frame and return its result."""
        return _answered(frame.toArrow)

    def measured(self) -> AbstractContextManager[dict[str, float]]:
        """Know nothing: what runs in this process is in the process's own figures."""
        return contextlib.nullcontext({})

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Apply a function to items, one by one as they are asked for, in this process."""
        return map(work, items)

    def publish(
        self,
        layout: TableLayout,
        frame: DataFrame | pa.Table,
        where: Predicate,
        *,
        gate: Gate | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> int:
        """Replace the predicate's rows by the frame's in one commit."""
        batches = _stream(frame)
        opened = self._ready(layout)
        version = _write(
            layout, opened, gate.stream(batches) if gate else batches, predicate=where.sql, metadata=metadata
        )
        self._keep(layout.name, opened)
        return version

    def append(
        self,
        layout: TableLayout,
        rows: pa.Table | Sequence[Part],
        *,
        token: Token | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> int | None:
        """Append rows in one commit; with a token, once."""
        opened = self._ready(layout)
        if token is not None and has_happened(opened, token):
            self._keep(layout.name, opened)
            return None
        batches = _stream(rows) if _is_table(rows) else itertools.chain.from_iterable(part() for part in rows)
        try:
            # The write starts from the very version that was looked at: whoever uses the token later is a conflict.
            version = _write(layout, opened, batches, token=token, metadata=metadata)
        except TableError:
            if token is not None and has_happened(self._look_at(layout.name), token):
                return None
            raise
        self._keep(layout.name, opened)
        return version

    def merge(
        self,
        layout: TableLayout,
        frame: DataFrame | pa.Table,
        key: Sequence[str],
        *,
        gone: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> int:
        """Replace the rows that have a row's key, add the others and take away those gone, in one commit."""
        import pyarrow as pa
        from deltalake.exceptions import DeltaError

        opened = self._ready(layout)
        given, schema = with_gone(layout, table_schema(opened), gone)
        rows = pa.Table.from_batches(conform(given, schema, _stream(frame)), schema)
        refuse_repeated_keys(layout.name, rows, key)
        same = " AND ".join(f'(target."{name}" IS NOT DISTINCT FROM source."{name}")' for name in key)
        try:
            merger = opened.merge(
                rows,
                same,
                "source",
                "target",
                commit_properties=commit_properties(metadata),
                post_commithook_properties=after_commit(opened),
            )
            if gone is None:
                merger = merger.when_matched_update_all().when_not_matched_insert_all()
            else:
                taken, stays = f'source."{gone}" IS TRUE', f'source."{gone}" IS NOT TRUE'
                merger = merger.when_matched_delete(taken).when_matched_update_all(except_cols=[gone])
                merger = merger.when_not_matched_insert_all(stays, except_cols=[gone])
            merger.execute()
        except DeltaError as error:
            raise _refused(layout, error) from error
        self._keep(layout.name, opened)
        return int(opened.version())

    def _rewrite(
        self,
        table: str,
        opened: DeltaTable,  # noqa: ARG002 - Spark looks at it; here it is opened again before the commit
        files: Mapping[Partition, Sequence[DataFile]],
        zorder: Sequence[str],
        metadata: Mapping[str, str] | None,
    ) -> int:
        location = table_uri(self.root, table)
        return rewrite(lambda: self._written(table), location, self._options, files, zorder, metadata)

    def _delete_stale(self, table: str, hours: int, metadata: Mapping[str, str] | None) -> None:
        opened = self._written(table)
        opened.vacuum(
            hours,
            dry_run=False,
            enforce_retention_duration=False,
            full=True,
            commit_properties=commit_properties(metadata),
        )

    def _restore(self, table: str, version: int, metadata: Mapping[str, str] | None) -> int:
        from deltalake.exceptions import DeltaError

        opened = self._written(table)
        try:
            opened.restore(version, commit_properties=commit_properties(metadata))
        except DeltaError as error:
            raise TableError(f"{table}: the restore was refused and nothing is committed: {error}") from error
        return int(opened.version())


def _write(
    layout: TableLayout,
    opened: DeltaTable,
    batches: Batches,
    *,
    predicate: str | None = None,
    token: Token | None = None,
    metadata: Mapping[str, str] | None = None,
) -> int:
    import pyarrow as pa
    from deltalake import WriterProperties, write_deltalake
    from deltalake.exceptions import DeltaError

    schema = table_schema(opened)
    source = _Source(conform(layout, schema, batches))
    try:
        write_deltalake(
            opened,
            pa.RecordBatchReader.from_batches(schema, source),
            mode="overwrite" if predicate else "append",
            predicate=predicate,
            writer_properties=WriterProperties(max_row_group_size=_ROWS_OF_A_GROUP),
            commit_properties=commit_properties(metadata, token),
            post_commithook_properties=after_commit(opened),
        )
    except DeltaError as error:
        if source.error is not None:
            raise source.error from error
        raise _refused(layout, error) from error
    return int(opened.version())


def _refused(layout: TableLayout, error: Exception) -> TableError:
    return TableError(f"{layout.name}: the write was refused and nothing is committed: {error}")


def _is_table(rows: object) -> TypeGuard[pa.Table]:
    import pyarrow as pa

    return isinstance(rows, pa.Table)


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

    def begun() -> tuple[Any, Iterator[Any]]:
        items = client.to_table_as_iterator(frame._plan.to_proto(client), {})  # noqa: SLF001 - no public stream
        return next(items), items

    first, items = _answered(begun)
    for item in itertools.chain([first], items):
        if isinstance(item, pa.Table):
            yield from item.to_batches()


def _answered(ask: Callable[[], T]) -> T:
    """Ask Sail, and again as long as versions that it did not find get their checkpoints.

    Sail finds its versions before it computes the first row, so that no row comes twice.
    """
    checkpoints = _start()[2]
    while True:
        made = checkpoints.made
        try:
            return ask()
        except Exception:
            if checkpoints.made == made:
                raise
