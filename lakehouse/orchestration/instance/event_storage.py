"""Dagster's SQLite event log, with a batch of events in one transaction and the databases in use kept open.

A run over a range of partitions writes two or three events per table and partition. Dagster's own SQLite storage
spends 5 to 9 ms on each, because every statement builds an engine and opens a file. Named in ``dagster.yaml``, this
subclass writes the same rows for about a fifteenth of that; ``bench/event_storage.py`` measures both.

Here is only how events reach the disk. Which events a step records belongs in ``events``. Private names of Dagster are
used, so its version is pinned and ``tests/instance`` compares the rows with those of Dagster's own storage.
"""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import threading
import weakref
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

import sqlalchemy as db
from dagster import AssetKey, DagsterEventType, DagsterInvariantViolationError, EventLogEntry
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.base import AssetEventSummaryRecord
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._record import replace
from dagster._serdes import ConfigurableClassData
from sqlalchemy.pool import NullPool, Pool, QueuePool, StaticPool

BATCH_SIZE_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
"""Dagster reads it: how many events of a range it collects before it stores them. Its default, 0, is one by one."""

BATCH_SIZE = 1000

EXACT_TIMES_VARIABLE = "DAGSTER_MAX_PARTITIONS_FOR_DA_TIMESTAMP_FETCH"
"""Dagster reads it: of how many partitions a tick looks up when they were updated.

Of more than that, 100 by default, it takes the time of the tick, for an input as for what is made of it; an input that
was updated last then counts as handled.
"""

EXACT_TIMES = 1_000_000

RUN_ENGINES_KEPT = 32
"""Runs whose engine is remembered. It bounds memory only: no more than one run's database is open at a time."""

_MIRRORED_EVENTS = ASSET_EVENTS | ASSET_CHECK_EVENTS | EVENT_TYPE_TO_PIPELINE_RUN_STATUS.keys()
"""Events stored twice: in the database of their run, and in the index, which queries across runs read."""


class BatchedSqliteEventLogStorage(SqliteEventLogStorage):
    """Stores what ``SqliteEventLogStorage`` stores, in fewer transactions.

    Threads and processes may share the files. A forked child opens connections of its own.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Open the event log below ``base_dir``, creating its databases on first use."""
        self.lock = threading.RLock()
        self._open_transactions: dict[str, db.Connection] = {}
        self._index_engine: db.Engine | None = None
        self._run_engines: OrderedDict[str, db.Engine] = OrderedDict()
        self._run_in_use = ""
        self._empty_log: list[str] = []
        self._tables_seen: set[str] = set()
        self._thread = threading.local()
        super().__init__(base_dir, inst_data)
        _LIVE_STORAGES.add(self)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> BatchedSqliteEventLogStorage:
        """Build the storage a ``dagster.yaml`` names, and set what Dagster reads in this process and its children.

        Dagster's own version returns the base class by name, so a subclass would be ignored without a word.
        """
        os.environ.setdefault(BATCH_SIZE_VARIABLE, str(BATCH_SIZE))
        os.environ.setdefault(EXACT_TIMES_VARIABLE, str(EXACT_TIMES))
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Store the events that this thread hands in inside the block together, when the block ends.

        Queries do not see them before. Events handed in before an error are stored too, as they would have been.
        """
        if self._pending_events is not None:
            yield
            return
        events: list[EventLogEntry] = []
        self._thread.pending = events
        try:
            yield
        finally:
            self._thread.pending = None
            self.store_event_batch(events)

    @property
    def _pending_events(self) -> list[EventLogEntry] | None:
        """The events this thread has collected in an open ``batch``, or None outside of one."""
        pending: list[EventLogEntry] | None = getattr(self._thread, "pending", None)
        return pending

    def store_event(self, event: EventLogEntry) -> None:
        """Store one event, or keep it for the end of the open ``batch``."""
        if self._pending_events is None:
            super().store_event(event)
        else:
            self._pending_events.append(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events of any kind and of any number of runs: each run's all together, or none of them."""
        if self._pending_events is not None:
            self._pending_events.extend(events)
            return
        events_of_runs: defaultdict[str, list[EventLogEntry]] = defaultdict(list)
        for event in events:
            events_of_runs[event.run_id].append(event)
        for run_id, run_events in events_of_runs.items():
            self._store_events_of_run(run_id, run_events)

    def _store_events_of_run(self, run_id: str, events: Sequence[EventLogEntry]) -> None:
        """Do what ``SqliteEventLogStorage.store_event`` does, for many events of one run in one transaction."""
        rows = [self._event_to_row(event) for event in events]
        mirrored = [(event, row) for event, row in zip(events, rows, strict=True) if _is_mirrored(event)]
        with self.run_connection(run_id) as run_log:
            run_log.execute(SqlEventLogStorageTable.insert(), rows)
            # Inside the run's transaction, so that a failure here leaves neither copy, and a retry makes no second one.
            if mirrored:
                self._store_in_index(mirrored)

    def _store_in_index(self, events_and_rows: Sequence[tuple[EventLogEntry, dict[str, Any]]]) -> None:
        """Mirror events to the index, and bring the tables derived from them up to date."""
        with self.index_connection() as index:
            first = _insert(index, [row for _, row in events_and_rows])
            numbered = [(event, row, key) for key, (event, row) in enumerate(events_and_rows, start=first)]
            self._update_assets(index, [(event, key) for event, _, key in numbered if _type(event) in ASSET_EVENTS])
            verdicts = []
            for event, row, key in numbered:
                if _type(event) is DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
                    _plan_check(index, event, row, key)
                elif _type(event) is DagsterEventType.ASSET_CHECK_EVALUATION and event.run_id:
                    verdicts.append((event, row, key))
                elif _type(event) in ASSET_CHECK_EVENTS:  # of no run, such as what a person decides: it answers no plan
                    self.store_asset_check_event(event, key)
            _evaluate_checks(index, verdicts)

    def _update_assets(self, index: db.Connection, numbered: Sequence[tuple[EventLogEntry, int]]) -> None:
        """Store the tags of all events, and in each asset's row only the last event of each type: it overwrites."""
        if not numbered:
            return
        self._store_asset_event_tags(index, [event for event, _ in numbered], [key for _, key in numbered])
        last = {(event.get_dagster_event().asset_key, _type(event)): (event, key) for event, key in numbered}
        for event, key in sorted(last.values(), key=lambda event_and_key: event_and_key[1]):
            self._store_asset_event(index, event, key)

    def get_asset_event_summary_records(self, *args: Any, **filters: Any) -> list[AssetEventSummaryRecord]:
        """Return what Dagster's own returns, with the time of the last event for all that a run says of one asset.

        Automation reads these times and compares each of an input with each of the table that follows: of a thousand
        partitions, a million set operations. What one run says of an asset becomes visible in as good as one moment.
        """
        found = super().get_asset_event_summary_records(*args, **filters)
        last: defaultdict[tuple[str | None, AssetKey], float] = defaultdict(float)
        for record in found:
            said = record.run_id, record.asset_key
            last[said] = max(last[said], record.timestamp)
        return [
            replace(record, timestamp=last[record.run_id, record.asset_key]) if record.run_id else record
            for record in found
        ]

    def runs_and_times(self, storage_ids: Sequence[int]) -> dict[int, tuple[str, float]]:
        """Return the run and the time of events that are in the index, by storage id; nothing is deserialized."""
        columns = SqlEventLogStorageTable.c
        found: dict[int, tuple[str, float]] = {}
        with self.index_connection() as index:
            for start in range(0, len(storage_ids), BATCH_SIZE):
                is_wanted = columns.id.in_(storage_ids[start : start + BATCH_SIZE])
                query = db.select(columns.id, columns.run_id, columns.timestamp).where(is_wanted)
                for number, run_id, when in index.execute(query):
                    found[number] = run_id, when.replace(tzinfo=dt.UTC).timestamp()
        return found

    @contextmanager
    def _connect(self, shard: str) -> Iterator[db.Connection]:
        """Give a connection to one database in a transaction; inside another block on it, the same transaction.

        Args:
            shard: the run's id, or ``index``.
        """
        with self.lock:
            open_transaction = self._open_transactions.get(shard)
            if open_transaction is not None:
                yield open_transaction
                return
            with self._engine(shard).connect() as connection, connection.begin():
                self._open_transactions[shard] = connection
                log: Any = connection.connection.driver_connection
                before = log.total_changes
                try:
                    yield connection
                finally:
                    del self._open_transactions[shard]
                    changed = log.total_changes != before
            if changed:
                self._tell_followers(shard)

    def _engine(self, shard: str) -> db.Engine:
        if shard not in self._initialized_dbs:
            if shard == INDEX_SHARD_NAME:
                self._initdb(self._new_engine(shard, NullPool))
            else:
                self._close_run()  # its file may have been wiped
                self._make_run_log(shard)
            self._initialized_dbs.add(shard)
        return self._get_index_engine() if shard == INDEX_SHARD_NAME else self._get_run_engine(shard)

    def _make_run_log(self, run_id: str) -> None:
        """Make the database of a run if there is none, in SQL that Dagster has made another with.

        It loads all its migrations for each run, which takes longer than many a step of it.
        """
        engine = self._new_engine(run_id, NullPool)
        with closing(engine.raw_connection()) as connection:
            log: Any = connection.driver_connection
            if log.execute(_TABLES).fetchone():
                return
            try:
                log.execute("PRAGMA journal_mode=WAL")
                log.execute("BEGIN IMMEDIATE")
                if not log.execute(_TABLES).fetchone():
                    for statement in self._get_empty_log():
                        log.execute(statement)
                log.commit()
            except sqlite3.OperationalError:  # another process makes it; Dagster's own way waits for that
                log.rollback()
                self._initdb(engine)

    def _get_empty_log(self) -> list[str]:
        """Return the SQL that makes an empty log, from one that Dagster makes in memory."""
        if not self._empty_log:
            engine = db.create_engine("sqlite://", poolclass=StaticPool)
            self._initdb(engine)
            with closing(engine.raw_connection()) as connection:
                log: Any = connection.driver_connection
                self._empty_log = list(log.iterdump())[1:-1]  # what is between begin and commit
            engine.dispose()
        return self._empty_log

    def _get_index_engine(self) -> db.Engine:
        """Keep the one connection to the index open: it is what nearly every query and event needs."""
        if self._index_engine is None:
            self._index_engine = self._new_engine(INDEX_SHARD_NAME, QueuePool)
        return self._index_engine

    def _get_run_engine(self, run_id: str) -> db.Engine:
        """Keep the connection to the run in use open, and to no other: one process may read thousands of runs."""
        if run_id != self._run_in_use:
            self._close_run()
            self._run_in_use = run_id
        engine = self._run_engines.pop(run_id, None) or self._new_engine(run_id, QueuePool)
        self._run_engines[run_id] = engine
        if len(self._run_engines) > RUN_ENGINES_KEPT:
            self._run_engines.popitem(last=False)
        return engine

    def _close_run(self) -> None:
        if (engine := self._run_engines.get(self._run_in_use)) is not None:
            engine.dispose()

    def _tell_followers(self, shard: str) -> None:
        """Let the UI know that a run's log has grown: it watches the file, and SQLite writes to another beside it."""
        with suppress(FileNotFoundError):  # wiped meanwhile
            os.utime(self.path_for_shard(shard))

    def _new_engine(self, shard: str, pool: type[Pool]) -> db.Engine:
        # The lock lets one thread at a time in, so a connection may move between threads.
        options = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False}
        engine = db.create_engine(self.conn_string_for_shard(shard), poolclass=pool, connect_args=options)
        db.event.listen(engine, "connect", _wait_for_no_disk)
        return engine

    def has_table(self, table_name: str) -> bool:
        """Say whether the index has a table, asking the file once: Dagster asks for every event it stores."""
        if table_name not in self._tables_seen and super().has_table(table_name):
            self._tables_seen.add(table_name)
        return table_name in self._tables_seen

    def close_connections(self) -> None:
        """Close the files this storage holds open. It opens them again when it is used."""
        with self.lock:
            if self._index_engine is not None:
                self._index_engine.dispose()
            self._close_run()

    def dispose(self) -> None:
        """Stop watching runs and close all files."""
        super().dispose()
        self.close_connections()


_TABLES = "select name from sqlite_master where name = 'alembic_version'"


def _wait_for_no_disk(connection: Any, _record: object) -> None:
    """Let a commit return before the disk has it. A killed process loses nothing; a power cut, the last moments.

    The lake's own files are written no other way.
    """
    connection.execute("PRAGMA synchronous=NORMAL")


def _insert(index: db.Connection, rows: Sequence[dict[str, Any]]) -> int:
    """Insert events and give the storage id of the first; the others follow it one by one.

    With its first row the transaction holds SQLite's only write lock, so nobody takes an id in between.
    """
    first = int(index.execute(SqlEventLogStorageTable.insert(), rows[0]).lastrowid)
    if more := [{**row, "id": key} for key, row in enumerate(rows[1:], start=first + 1)]:
        index.execute(SqlEventLogStorageTable.insert(), more)
    return first


def _plan_check(index: db.Connection, event: EventLogEntry, row: Mapping[str, Any], key: int) -> None:
    """Note that a check will be evaluated, for each partition; Dagster would serialize the event once for each."""
    planned: Any = event.get_dagster_event().event_specific_data
    partitions = planned.partitions_subset.get_partition_keys() if planned.partitions_subset else [None]
    about = {
        "asset_key": planned.asset_key.to_string(),
        "check_name": planned.check_name,
        "run_id": event.run_id,
        "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
        **_evaluation(row, key),
    }
    index.execute(AssetCheckExecutionsTable.insert(), [{**about, "partition": each} for each in partitions])


def _evaluate_checks(index: db.Connection, numbered: Sequence[tuple[EventLogEntry, Mapping[str, Any], int]]) -> None:
    """Note what the checks of a run came to: in the rows of what was planned, or in new ones.

    Of several verdicts on one partition the last counts.
    """
    of_checks: defaultdict[tuple[str, str, str], dict[str | None, dict[str, Any]]] = defaultdict(dict)
    for event, row, key in numbered:
        found: Any = event.get_dagster_event().event_specific_data
        status = AssetCheckExecutionRecordStatus.SUCCEEDED if found.passed else AssetCheckExecutionRecordStatus.FAILED
        target = found.target_materialization_data
        of_checks[found.asset_key.to_string(), found.check_name, event.run_id][found.partition] = {
            "partition": found.partition,
            "execution_status": status.value,
            **_evaluation(row, key),
            "materialization_event_storage_id": target.storage_id if target else None,
        }
    for (asset_key, check_name, run_id), verdicts in of_checks.items():
        _answer_plans(index, {"asset_key": asset_key, "check_name": check_name, "run_id": run_id}, verdicts)


def _answer_plans(
    index: db.Connection, check: Mapping[str, str], verdicts: Mapping[str | None, Mapping[str, Any]]
) -> None:
    """Note the verdicts of one check in one run, by partition.

    Raises:
        DagsterInvariantViolationError: it was planned twice for a partition.
    """
    columns = AssetCheckExecutionsTable.c
    of_check = db.and_(*[columns[name] == value for name, value in check.items()])
    planned: dict[str | None, int] = {}
    for number, partition in index.execute(db.select(columns.id, columns.partition).where(of_check)):
        if partition in verdicts and planned.setdefault(partition, number) != number:
            raise DagsterInvariantViolationError(f"{check} was planned twice for the partition {partition}")
    if planned:
        changed: dict[str, Any] = {name: db.bindparam(name) for name in next(iter(verdicts.values()))}
        update = AssetCheckExecutionsTable.update().where(columns.id == db.bindparam("planned")).values(changed)
        index.execute(update, [{**verdicts[each], "planned": number} for each, number in planned.items()])
    if new := [{**check, **about} for each, about in verdicts.items() if each not in planned]:
        index.execute(AssetCheckExecutionsTable.insert(), new)


def _evaluation(row: Mapping[str, Any], key: int) -> dict[str, Any]:
    """Return what a check's row keeps of an event, from the row of the event."""
    return {
        "evaluation_event": row["event"],
        "evaluation_event_timestamp": row["timestamp"],
        "evaluation_event_storage_id": key,
    }


def _type(event: EventLogEntry) -> object:
    return event.dagster_event_type


def _is_mirrored(event: EventLogEntry) -> bool:
    return event.dagster_event_type in _MIRRORED_EVENTS


# SQLite forbids to use, or even to close, a connection in a forked child. So none is open while a process forks.

_LIVE_STORAGES: weakref.WeakSet[BatchedSqliteEventLogStorage] = weakref.WeakSet()
_forking_thread = threading.local()


def _close_before_fork() -> None:
    _forking_thread.storages = list(_LIVE_STORAGES)
    for storage in _forking_thread.storages:
        storage.lock.acquire()
        storage.close_connections()


def _resume_in_parent() -> None:
    for storage in _forking_thread.storages:
        storage.lock.release()
    _forking_thread.storages = []


def _resume_in_child() -> None:
    for storage in _forking_thread.storages:
        storage.lock = threading.RLock()
    _forking_thread.storages = []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close_before_fork, after_in_parent=_resume_in_parent, after_in_child=_resume_in_child)
