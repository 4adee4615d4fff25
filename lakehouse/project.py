"""The lakehouse as one object: what can be asked of it and done to it, for every face.

Belongs here: putting rooms together for a caller. A method takes plain values, returns dataclasses, Arrow tables or
frames, and raises ``LakehouseError``; what it does is in the room that it calls. Faces parse, call and render.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.application import Application, find_application
from lakehouse.catalog.reader import Catalog
from lakehouse.clock import machine_clock
from lakehouse.errors import RequestError
from lakehouse.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.catalog.landing_state import LandingState
    from lakehouse.catalog.ledger_views import HeldDay
    from lakehouse.catalog.queries import Cursor
    from lakehouse.catalog.table_rows import TableRows
    from lakehouse.catalog.table_states import TableState
    from lakehouse.clock import Clock
    from lakehouse.corrections.quarantine import Quarantine
    from lakehouse.engines.base import Engine
    from lakehouse.exports.contracts import Contracts
    from lakehouse.lineage.columns import ColumnLineage
    from lakehouse.lineage.row_trace import Trace
    from lakehouse.maintenance.operations import Maintenance
    from lakehouse.orchestration.local_runner import LocalRunner
    from lakehouse.orchestration.runner import Progress, RunReport
    from lakehouse.orchestration.simulation import Simulation
    from lakehouse.planning.affected import AffectedTable
    from lakehouse.planning.landing_changes import NewFile
    from lakehouse.reconciliation.compare import Reconciliation
    from lakehouse.reconciliation.recompute import Recomputation
    from lakehouse.rule_testing.profiling import Profile
    from lakehouse.rule_testing.table_rules import TableRules
    from lakehouse.schema_changes.findings import DriftedColumn
    from lakehouse.tables.declarations import Table


@dataclass(frozen=True)
class LakeStatus:
    """What is in a lakehouse now, and what is not.

    Attributes:
        held: the days whose newest state is not published, and why.
        landing: what still lies in the landing zone.
        drift: how the columns of landing files differ from those that are declared.
    """

    tables: list[TableState]
    held: list[HeldDay]
    landing: LandingState
    drift: list[DriftedColumn]


class Lakehouse:
    """A lakehouse: its settings, its tables, and everything that can be asked of them.

    Nothing is opened before it is needed, and an engine starts only where rows are computed. Safe from any thread.

    Attributes:
        settings: where it is and what computes it.
    """

    def __init__(
        self,
        settings: Settings,
        tables: Sequence[Table] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Take what ``open`` has found; without tables, every one of the project is there."""
        self.settings = settings
        self._given = tables
        self._clock = clock

    @classmethod
    def open(
        cls,
        root: str | Path | None = None,
        *,
        settings: Settings | None = None,
        tables: Sequence[Table] | None = None,
        clock: Clock | None = None,
    ) -> Lakehouse:
        """Open a lakehouse; the environment says what is not given.

        Args:
            root: where the lake is, unless ``settings`` say it.
            settings: every setting; those of the environment unless given.
            tables: what it holds, with all that these tables read; every table of the project unless given.
            clock: what time it is, with a zone; the machine's unless given. Runs and what they record follow it.

        Raises:
            SettingsError: the environment or the root describes no usable lakehouse.
        """
        if settings is None:
            settings = Settings.load() if root is None else Settings.load(root=str(root))
        return cls(settings, tables, clock)

    @cached_property
    def application(self) -> Application:
        """The project that declares its tables; reading by name needs none.

        Raises:
            NoApplicationError: no project of tables is found from the current folder.
        """
        return find_application(Path.cwd())

    @property
    def catalog(self) -> Catalog:
        """The tables as they are now, for reading without an engine."""
        return Catalog(self.settings.root)

    @property
    def engine(self) -> Engine:
        """The engine; its session starts when a frame is first asked for."""
        from lakehouse.engines.factory import engine_of

        return engine_of(self.settings)

    @cached_property
    def runner(self) -> LocalRunner:
        """What runs it in this process."""
        from lakehouse.orchestration.local_runner import LocalRunner

        return LocalRunner(self.settings, self.application, list(self.tables.values()), self._clock)

    @cached_property
    def recomputation(self) -> Recomputation:
        """Its tables, computed again from their inputs."""
        from lakehouse.reconciliation.recompute import Recomputation

        return Recomputation(self.engine, self.tables)

    @property
    def quarantine(self) -> Quarantine:
        """Its rejected rows and held days, and what people decide about them."""
        from lakehouse.corrections.quarantine import Quarantine

        return Quarantine(self)

    @property
    def maintenance(self) -> Maintenance:
        """Delta's own operations on its tables."""
        from lakehouse.maintenance.operations import Maintenance

        return Maintenance(self)

    @property
    def contracts(self) -> Contracts:
        """Its contracts: listed, exported, and extended by columns that came undeclared."""
        from lakehouse.exports.contracts import Contracts

        return Contracts(self.catalog, lambda: self.tables)

    @property
    def rules(self) -> TableRules:
        """The rules of its tables, for tests of what they catch and of what a changed contract would do."""
        from lakehouse.rule_testing.table_rules import TableRules

        return TableRules(self.engine, self.tables)

    def profile(
        self, table: str, *, day: dt.date | None = None, last: int = 30, report: Callable[[str], None] = lambda _: None
    ) -> Profile:
        """Return what the published rows of a table are like, and the rules that they would bear."""
        return self.rules.profile(table, day=day, last=last, report=report)

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """What it holds, by full name."""
        found = self.application.tables() if self._given is None else self._given
        return {table.full_name: table for table in found}

    @property
    def source_names(self) -> list[str]:
        """The sources it takes in."""
        if self._given is None:
            return self.application.source_names()
        from lakehouse.tables.declarations import BronzeTable

        return sorted(table.source.name for table in self.tables.values() if isinstance(table, BronzeTable))

    def table(self, name: str) -> Table:
        """Return a table by its full name, such as ``silver.transactions``.

        Raises:
            RequestError: there is none.
        """
        if name not in self.tables:
            raise RequestError(f"there is no table {name}", hint=f"there are {', '.join(self.tables)}")
        return self.tables[name]

    def read(
        self,
        table: str,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        *,
        version: int | None = None,
        as_of: dt.datetime | None = None,
    ) -> TableRows:
        """Return rows of a table, in whatever form is then asked for.

        Args:
            table: its full name; a system table works, too.
            columns: those wanted; all unless given.
            where: a condition in SQL over the table's columns, such as ``country = 'France' AND quantity > 6``.
            version: the table's Delta version; the newest unless given.
            as_of: the time whose version is read, instead.

        Raises:
            MissingTableError: the table was never written.
            RequestError: it has no such version.
        """
        from lakehouse.catalog.table_rows import TableRows

        catalog = Catalog(self.settings.root, version, as_of)
        catalog.open(table)
        return TableRows(catalog, table, tuple(columns or ()), where, lambda: self.engine)

    def query(
        self,
        sql: str,
        parameters: Sequence[Any] | Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        as_of: dt.datetime | None = None,
    ) -> pa.Table:
        """Return the result of one statement over the tables. It reaches nothing but them, and changes nothing.

        Raises:
            RequestError: it is not one statement that reads, it names what is not there, or DuckDB refuses it.
        """
        return Catalog(self.settings.root, version, as_of).query(sql, parameters)

    def cursor(
        self,
        sql: str,
        parameters: Sequence[Any] | Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        as_of: dt.datetime | None = None,
    ) -> Cursor:
        """Return the rows of ``query`` as they come, for results that need not be in memory."""
        return Catalog(self.settings.root, version, as_of).cursor(sql, parameters)

    def status(self) -> LakeStatus:
        """Return what is in the lake, what is held, and what still lies in the landing zone."""
        from lakehouse.catalog.landing_state import landing_state
        from lakehouse.catalog.ledger_views import held_days
        from lakehouse.catalog.table_states import table_states

        lake = self.catalog
        held = held_days(lake)
        landing = landing_state(self.settings, lake, self.source_names)
        return LakeStatus(table_states(lake, held), held, landing, self.contracts.drift())

    def reconcile(self, *, strict: bool = False, progress: Callable[[str], None] = lambda _: None) -> Reconciliation:
        """Recount the lake from its tables: files, bronze, silver, quarantine, ledger and gold must agree.

        Args:
            strict: compute silver and gold again, too, and compare row for row.
            progress: told of each table before it is computed.

        Raises:
            RequestError: there are no tables yet.
        """
        from lakehouse.reconciliation.compare import compare

        found = compare(self.settings, self.catalog, self.source_names)
        if strict:
            from lakehouse.reconciliation.strict import verify

            verify(found, self.catalog, self.recomputation, progress)
        return found

    def trace(
        self,
        table: str,
        key: Mapping[str, Any],
        column: str | None = None,
        *,
        verify: bool = False,
        progress: Callable[[str], None] = lambda _: None,
    ) -> Trace:
        """Return what a row is made from: the rows of the tables behind it, and the records of the landing files.

        Args:
            table: a silver or gold table.
            key: values by column that name the row, of the column's type or as text.
            column: one cell of the row, whose columns are then followed.
            verify: compute the row again from the records found, and compare.
            progress: told of each step before it is made.

        Raises:
            RequestError: there are no tables yet, no such table, column or row, or more than one row.
        """
        lake = self.catalog
        lake.require_tables()
        from lakehouse.catalog.ledger_views import newest_entries
        from lakehouse.lineage.trace import trace_row

        entries = newest_entries(lake)
        return trace_row(self.recomputation, entries, table, key, column, verify=verify, progress=progress)

    def lineage(self, name: str, *, downstream: bool = False) -> ColumnLineage:
        """Return the columns behind a column or a table's columns, down to the landing files. No lake need exist yet.

        Args:
            name: a column, such as ``gold.sales_by_region.net_sales``, or a table.
            downstream: return what is computed from it instead.

        Raises:
            RequestError: there is none of this name.
            LineageError: a table's function makes a plan with something that lineage does not know.
        """
        from lakehouse.lineage.columns import lineage_of

        return lineage_of(tuple(self.tables.values())).explore(name, downstream=downstream)

    def run(
        self,
        *,
        progress: Callable[[Progress], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> RunReport:
        """Take in what has landed and bring it to gold until nothing is left to do.

        Args:
            progress: told of each run before it starts, and of what tables log.
            should_stop: asked before and after each run.

        Raises:
            BusyError: another process runs this lakehouse.
            StoppedError: ``should_stop`` said so; nothing is lost, and the next run goes on.
        """
        with self.runner.exclusively():
            return self.runner.run(progress=progress, should_stop=should_stop)

    def backfill(
        self,
        partitions: Mapping[str, Collection[str]],
        *,
        progress: Callable[[Progress], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> RunReport:
        """Compute partitions of some tables again, and what follows from them; what has landed is left alone.

        Args:
            partitions: partition keys by table, such as ``{"silver.transactions": ["2024-01-31"]}``.
            progress: as for ``run``.
            should_stop: as for ``run``.

        Raises:
            BusyError: another process runs this lakehouse.
        """
        with self.runner.exclusively():
            return self.runner.backfill(partitions, progress=progress, should_stop=should_stop)

    def partition_keys(self, days: Iterable[tuple[str, dt.date]]) -> dict[str, list[str]]:
        """Return partition keys by table, for tables and days; any day of a week or month stands for it.

        Raises:
            RequestError: there is no such table, or its calendar has no such day.
        """
        from lakehouse.planning.stale_partitions import partition_keys

        today = (self._clock or machine_clock)().date()
        return partition_keys(self.tables, self.settings.start_date, today, days)

    def stale_partitions(self) -> dict[str, list[str]]:
        """Return the partitions, by table, whose result differs under the current functions, contracts and rules."""
        from lakehouse.planning.stale_partitions import stale_partitions

        return stale_partitions(self.catalog, self.recomputation)

    def landing_file(self, path: str, key: str | None = None) -> NewFile:
        """Return a landing file by its key or path, or a file from elsewhere with the key under which it is to land.

        Raises:
            RequestError: there is no such file, or no source takes it under this key.
        """
        from lakehouse.planning.landing_changes import new_file

        return new_file(self.settings, self.source_names, path, key)

    def plan(
        self, *, files: Sequence[NewFile] | None = None, partitions: Mapping[str, Collection[str]] | None = None
    ) -> list[AffectedTable]:
        """Return the partitions that a run may rewrite, by the graph of tables, in seconds; nothing is computed.

        Args:
            files: landing files to take in; unless given, all that wait, and what an interrupted backfill has left.
            partitions: partition keys by table to compute again instead.
        """
        from lakehouse.catalog.landing_state import landing_state
        from lakehouse.planning.affected import affected_tables, bronze_tables
        from lakehouse.planning.landing_changes import NewFile, changed_dates

        changed: dict[str, set[dt.date]] = {}
        if partitions is None:
            waiting = files
            if waiting is None:
                pending = landing_state(self.settings, self.catalog, self.source_names).pending
                waiting = [NewFile(key) for key in pending]
                partitions = self.runner.pending()
            changed |= changed_dates(self.settings, self.catalog, bronze_tables(self.tables), waiting)
        for table, keys in (partitions or {}).items():
            changed.setdefault(table, set()).update(map(dt.date.fromisoformat, keys))
        return affected_tables(self.engine, self.tables, changed)

    def simulate(
        self,
        *,
        files: Sequence[NewFile] = (),
        partitions: Mapping[str, Collection[str]] | None = None,
        progress: Callable[[Progress], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Simulation:
        """Run on a copy of the lake, and return which partitions change there and how. The lake is only read.

        Args:
            files: landing files to take in, and none of the others that wait; without any, all that wait.
            partitions: partition keys by table to compute again instead.
            progress: as for ``run``.
            should_stop: as for ``run``.

        Raises:
            RequestError: the Dagster home cannot be copied.
        """
        from lakehouse.orchestration.simulation import simulate

        return simulate(self.runner, files=files, partitions=partitions, progress=progress, should_stop=should_stop)
