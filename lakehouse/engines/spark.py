"""The distributed engine: Spark for DataFrames and, with delta-spark, for commits.

Belongs here: how the port's writes are said in Spark, over a classic session and over Spark Connect alike (no
``DeltaTable`` API, no RDDs). How a session comes to be is ``spark_session``'s matter; tables are found, made and
widened by ``delta.tables``, so that they do not depend on the engine.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import threading
import uuid
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lakehouse.delta.commits import commits, has_happened
from lakehouse.delta.data_files import SMALL_BYTES, TARGET_BYTES
from lakehouse.delta.maintenance import DeltaOperations
from lakehouse.delta.model import TableError
from lakehouse.delta.schema_enforcement import conform, conform_frame, repeated_keys, with_gone
from lakehouse.delta.tables import is_clustered, properties_of, table_schema
from lakehouse.engines.spark_metrics import measured
from lakehouse.engines.spark_session import open_session, spark_path
from lakehouse.storage.files import table_uri

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from deltalake import DeltaTable
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.delta.data_files import DataFile
    from lakehouse.delta.model import Partition, TableLayout, Token
    from lakehouse.delta.predicates import Predicate
    from lakehouse.engines.base import Batches, Gate, Part, R, T

_WRITE_ID = "write_id"
"""In the metadata of every commit, so that a writer finds its own version among those of others."""
_MOST_TASKS = 200
_USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
_FILE_SIZES = {
    "spark.databricks.delta.optimize.minFileSize": str(SMALL_BYTES),
    "spark.databricks.delta.optimize.maxFileSize": str(TARGET_BYTES),
}
_ANY_RETENTION = {"spark.databricks.delta.retentionDurationCheck.enabled": "false"}
"""Whether it is long enough has been decided before."""
_STATEMENTS = threading.Lock()
"""A statement takes its metadata from the session's settings, one at a time."""


class SparkEngine(DeltaOperations):
    """Spark for DataFrames, delta-spark for commits."""

    name = "spark"
    is_local = False
    writes_clusters = True
    batch_bytes = 4 << 30

    def __init__(self, root: str, url: str) -> None:
        """Take the lake's root and where Spark is; nothing is started or opened yet.

        Args:
            root: the lake's root.
            url: ``local[*]``, ``spark://host:port``, ``sc://host:port`` or ``databricks``.
        """
        super().__init__(root)
        self.url = url

    def session(self) -> SparkSession:
        """Return this process's session."""
        return open_session(self.root, self.url)

    def read(
        self,
        table: str,
        where: Predicate | None = None,
        *,
        version: int | None = None,
        as_of: dt.datetime | None = None,
    ) -> DataFrame:
        """Return a table's rows, lazily, at its newest version or an older one."""
        opened = self._at(table, as_of if version is None else version)
        reader = self.session().read.format("delta").option("versionAsOf", opened.version())
        frame = reader.load(self._path(table))
        return frame if where is None else frame.where(where.column())

    def collect(self, frame: DataFrame) -> pa.Table:
        """Run a frame and return its result."""
        return frame.toArrow()

    @contextlib.contextmanager
    def measured(self) -> Iterator[dict[str, float]]:
        """Measure a block's tasks by Spark's event log, where it is on this machine."""
        figures: dict[str, float] = {}
        with measured(self.session()) as cost:
            yield figures
        if cost.metrics is not None:
            figures |= {f"spark/{name}": value for name, value in asdict(cost.metrics).items()}

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Apply a function to items on the executors."""
        if not items:
            return
        from pyspark import cloudpickle

        tasks = [(place, cloudpickle.dumps((work, item))) for place, item in enumerate(items)]
        frame = self._spread(tasks, "place long, task binary").mapInArrow(_run_tasks, "place long, result binary")
        for row in sorted(self.collect(frame).to_pylist(), key=lambda row: row["place"]):
            result, error = pickle.loads(row["result"])  # noqa: S301 - our own executors' answer
            if error is not None:
                raise error
            yield result

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
        opened = self._ready(layout)
        given = self._framed(layout, frame, fit=gate is None)
        with _kept(given) if gate else contextlib.nullcontext(given) as kept:
            rows = gate.frame(kept, self.collect) if gate else kept
            # Spark's SQL knows backslashes in texts; the predicate's does not.
            replaced = where.sql.replace("\\", "\\\\")
            version = self._commit(layout, opened, rows, "overwrite", metadata, replaceWhere=replaced)
        # Delta makes no commit of nothing where there was nothing.
        return self._commit_no_rows(layout.name, self._ready(layout), metadata=metadata) if version is None else version

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
            return None
        once = {} if token is None else {"txnAppId": token.application, "txnVersion": str(token.number)}
        frame = self._framed(layout, rows)
        try:
            version = self._commit(layout, opened, frame, "append", metadata, **once)
            if version is None and (token is None or not has_happened(opened := self._ready(layout), token)):
                return self._commit_no_rows(layout.name, opened, token=token, metadata=metadata)
        except TableError:
            if token is not None and has_happened(self._look_at(layout.name), token):
                return None
            raise
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
        from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

        opened = self._ready(layout)
        given, schema = with_gone(layout, table_schema(opened), gone)
        with _kept(conform_frame(given, schema, self._framed(given, frame))) as rows:
            repeated = rows.groupBy(*key).agg(F.count(F.lit(1)).alias("rows")).where("rows > 1").drop("rows").limit(3)
            if (some := self.collect(repeated)).num_rows:
                raise repeated_keys(layout.name, key, some)
            source = f"lakehouse_{uuid.uuid4().hex}"
            rows.createOrReplaceTempView(source)
            same = " AND ".join(f"target.`{name}` <=> source.`{name}`" for name in key)
            taken = "" if gone is None else f"WHEN MATCHED AND source.`{gone}` IS TRUE THEN DELETE"
            stays = "" if gone is None else f" AND source.`{gone}` IS NOT TRUE"
            statement = (
                f"MERGE INTO delta.`{self._path(layout.name)}` AS target USING {source} AS source ON {same} "
                f"{taken} WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED{stays} THEN INSERT *"
            )
            try:
                write_id = self._execute(layout.name, statement, metadata)
            finally:
                self.session().catalog.dropTempView(source)
        return self._own_version(layout.name, write_id, int(opened.version()))

    def _created(self, layout: TableLayout) -> DeltaTable:
        if not layout.cluster_by:
            return super()._created(layout)
        properties = ", ".join(f"{_literal(name)} = {_literal(value)}" for name, value in properties_of(layout).items())
        self._execute(
            layout.name,
            f"CREATE TABLE IF NOT EXISTS delta.`{self._path(layout.name)}` ({_declared(layout.schema)}) USING delta "
            f"CLUSTER BY ({', '.join(f'`{name}`' for name in layout.cluster_by)}) "
            f"COMMENT {_literal(layout.description)} TBLPROPERTIES ({properties})",
        )
        made = self._open(layout.name)
        if made is None:
            raise TableError(f"{layout.name} was made and is not at {self._path(layout.name)}")
        return made

    def _add_columns(self, table: str, opened: DeltaTable, columns: pa.Schema) -> None:
        if not is_clustered(opened):
            super()._add_columns(table, opened, columns)
            return
        self._execute(table, f"ALTER TABLE delta.`{self._path(table)}` ADD COLUMNS ({_declared(columns)})")
        opened.update_incremental()

    def _rewrite(
        self,
        table: str,
        opened: DeltaTable,
        files: Mapping[Partition, Sequence[DataFile]],
        zorder: Sequence[str],
        metadata: Mapping[str, str] | None,
    ) -> int | None:
        statement = f"OPTIMIZE delta.`{self._path(table)}`"
        if opened.metadata().partition_columns:
            statement += f" WHERE {_is_one_of(list(files))}"
        if zorder:
            statement += f" ZORDER BY ({', '.join(f'`{name}`' for name in zorder)})"
        return self._version_with(table, self._execute(table, statement, metadata, _FILE_SIZES), int(opened.version()))

    def _delete_stale(self, table: str, hours: int, metadata: Mapping[str, str] | None) -> None:
        statement = f"VACUUM delta.`{self._path(table)}` RETAIN {hours} HOURS"
        self._execute(table, statement, metadata, _ANY_RETENTION)

    def _restore(self, table: str, version: int, metadata: Mapping[str, str] | None) -> int:
        statement = f"RESTORE TABLE delta.`{self._path(table)}` TO VERSION AS OF {version}"
        since = int(self._written(table).version())
        return self._own_version(table, self._execute(table, statement, metadata), since)

    def _path(self, table: str) -> str:
        return spark_path(table_uri(self.root, table))

    def _spread(self, tasks: Sequence[tuple[Any, ...]], schema: str) -> DataFrame:
        """Return a frame with a task a row, each in a partition of its own as far as that is sensible."""
        frame = self.session().createDataFrame(list(tasks), schema)
        return frame.repartition(min(len(tasks), _MOST_TASKS))

    def _framed(
        self, layout: TableLayout, rows: DataFrame | pa.Table | Sequence[Part], *, fit: bool = True
    ) -> DataFrame:
        """Return rows as a frame; an Arrow table conforms to the layout first, unless a gate takes other columns."""
        import pyarrow as pa
        from pyspark.sql.pandas.types import from_arrow_schema

        if isinstance(rows, pa.Table):
            if fit:
                rows = pa.Table.from_batches(conform(layout, layout.schema, iter(rows.to_batches())), layout.schema)
            return self.session().createDataFrame(rows, from_arrow_schema(rows.schema))
        if not isinstance(rows, list | tuple):
            return rows
        from pyspark import cloudpickle

        if not rows:
            return self._framed(layout, layout.schema.empty_table())
        tasks = [(cloudpickle.dumps((part, layout)),) for part in rows]
        return self._spread(tasks, "part binary").mapInArrow(_stream_parts, from_arrow_schema(layout.schema))

    def _commit(
        self,
        layout: TableLayout,
        opened: DeltaTable,
        frame: DataFrame,
        mode: str,
        metadata: Mapping[str, str] | None,
        **options: str,
    ) -> int | None:
        """Write a frame; return its version, or None where Delta found its token used up."""
        from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

        write_id, kept = _user_metadata(metadata)
        ready = conform_frame(layout, table_schema(opened), frame)
        if layout.partition_by:  # else every task would write a file of its own to every partition
            ready = ready.hint("rebalance", *[F.col(f"`{name}`") for name in layout.partition_by])
        writer = ready.write.format("delta").mode(mode).options(userMetadata=kept, **options)
        with _refusals(layout.name):
            writer.save(self._path(layout.name))
        return self._version_with(layout.name, write_id, int(opened.version()))

    def _execute(
        self,
        table: str,
        statement: str,
        metadata: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> str:
        """Run a statement that commits, and return the id under which its commit can be found."""
        write_id, kept = _user_metadata(metadata)
        session = self.session()
        its_own = {_USER_METADATA: kept, **(settings or {})}
        with _STATEMENTS, _refusals(table):
            for name, value in its_own.items():
                session.conf.set(name, value)
            try:
                session.sql(statement).collect()
            finally:
                for name in its_own:
                    session.conf.unset(name)
        return write_id

    def _version_with(self, table: str, write_id: str, since: int) -> int | None:
        """Return the version after an earlier one that a write of ours made, or None where it made none."""
        opened = self._look_at(table)
        newest = since if opened is None else int(opened.version())
        for commit in commits(table_uri(self.root, table), newest, newest - since):
            if commit.metadata.get(_WRITE_ID) == write_id:
                return commit.version
        return None

    def _own_version(self, table: str, write_id: str, since: int) -> int:
        version = self._version_with(table, write_id, since)
        return int(self._written(table).version()) if version is None else version


def _is_one_of(partitions: Sequence[Partition]) -> str:
    """Return a predicate for some partitions, in Spark's SQL."""
    groups: dict[Partition, list[str | None]] = defaultdict(list)
    for partition in partitions:
        groups[partition[:-1]].append(partition[-1][1])
    last = partitions[0][-1][0]
    conditions = []
    for leading, values in groups.items():
        texts = [value for value in values if value is not None]
        either = [f"`{last}` IN ({', '.join(map(_literal, texts))})"] if texts else []
        either += [f"`{last}` IS NULL"] if None in values else []
        same = [f"`{name}` IS NULL" if value is None else f"`{name}` = {_literal(value)}" for name, value in leading]
        conditions.append(" AND ".join([*same, f"({' OR '.join(either)})"]))
    return " OR ".join(f"({condition})" for condition in conditions)


def _declared(columns: pa.Schema) -> str:
    """Return columns as Spark's SQL declares them."""
    from pyspark.sql.pandas.types import from_arrow_schema

    fields = from_arrow_schema(columns).fields
    return ", ".join(
        f"`{field.name}` {field.dataType.simpleString()}{'' if field.nullable else ' NOT NULL'} "
        f"COMMENT {_literal(field.metadata.get('comment', ''))}"
        for field in fields
    )


def _literal(text: str) -> str:
    """Quote a text for Spark's SQL, which knows backslashes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _user_metadata(metadata: Mapping[str, str] | None) -> tuple[str, str]:
    """Return an id for a write and what its commit keeps: the id, and what the caller wants kept, as JSON."""
    write_id = uuid.uuid4().hex
    return write_id, json.dumps({**(metadata or {}), _WRITE_ID: write_id})


@contextlib.contextmanager
def _refusals(table: str) -> Iterator[None]:
    """Turn what Spark and Delta raise into the port's error."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        told = str(error).partition("\nJVM stacktrace:")[0]
        raise TableError(f"{table}: the write was refused and nothing is committed: {told}") from error


@contextlib.contextmanager
def _kept(frame: DataFrame) -> Iterator[DataFrame]:
    """Keep a frame's rows on the executors while several queries run over them."""
    kept = frame.persist()
    try:
        yield kept
    finally:
        kept.unpersist()


def _run_tasks(batches: Batches) -> Batches:
    """Run the tasks of ``each`` on an executor; what one raises is its answer."""
    import pyarrow as pa
    from pyspark import cloudpickle

    for batch in batches:
        for row in batch.to_pylist():
            work, item = pickle.loads(row["task"])  # noqa: S301 - our own driver's task
            answer: tuple[Any, Exception | None]
            try:
                answer = (work(item), None)
            except Exception as error:  # noqa: BLE001 - it is raised again where the results are taken
                answer = (None, error)
            yield pa.record_batch({"place": [row["place"]], "result": [cloudpickle.dumps(answer)]})


def _stream_parts(batches: Batches) -> Batches:
    """Stream the parts of an append on an executor."""
    for batch in batches:
        for packed in batch.column("part").to_pylist():
            part, layout = pickle.loads(packed)  # noqa: S301 - our own driver's part
            yield from conform(layout, layout.schema, part())
