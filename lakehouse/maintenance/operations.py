"""The operator's side of a lakehouse: optimize, vacuum, history, restore and describe, by table name."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from lakehouse.delta.maintenance import WEEK_HOURS
from lakehouse.delta.model import TableError
from lakehouse.errors import BusyError, RequestError
from lakehouse.planning.downstream import Rebuild, rebuilds
from lakehouse.text import cleaned

if TYPE_CHECKING:
    from lakehouse.catalog.reader import Catalog
    from lakehouse.delta.model import Commit, Description, Restoration, Rewritten, Vacuumed
    from lakehouse.engines.base import Engine
    from lakehouse.settings import Settings
    from lakehouse.tables.declarations import Table

T = TypeVar("T")


class _Lakehouse(Protocol):
    """What is needed of a lakehouse."""

    settings: Settings

    @property
    def catalog(self) -> Catalog: ...
    @property
    def engine(self) -> Engine: ...
    @property
    def tables(self) -> Mapping[str, Table]: ...


@dataclass(frozen=True)
class ByTable(Generic[T]):
    """What was done to each table, and why some tables refused."""

    done: Mapping[str, T]
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RestorePlan:
    """What a restore changes, and which partitions of other tables must be computed again after it."""

    restoration: Restoration
    rebuilds: tuple[Rebuild, ...]


class Maintenance:
    """Delta's own operations on the tables of a lakehouse.

    What changes tables runs alone. Where several tables are named, one that refuses does not keep the others from it.
    """

    def __init__(self, lake: _Lakehouse) -> None:
        """Take the lakehouse."""
        self._lake = lake

    def optimize(
        self,
        tables: Sequence[str] = (),
        partitions: Sequence[str] = (),
        *,
        zorder: Sequence[str] = (),
    ) -> ByTable[Rewritten]:
        """Rewrite many small files to few large ones, or sort rows. No row changes.

        Args:
            tables: full names; all tables unless given.
            partitions: only these: ``2024-01-31``, or ``column=value``.
            zorder: columns that queries filter by, to sort rows so that each file holds a narrow range of every one.

        Raises:
            RequestError: there is no such table or partition column.
            BusyError: another process runs this lakehouse.
            TableError: the only table named refuses.
        """
        names, engine = self._names(tables), self._lake.engine
        metadata = {"command": "maintain zorder" if zorder else "maintain optimize"}

        def optimize(name: str) -> Rewritten:
            return engine.optimize(name, _selections(engine, name, partitions), zorder=zorder, metadata=metadata)

        with self._alone():
            return _each(names, optimize)

    def vacuum(
        self,
        tables: Sequence[str] = (),
        *,
        retain_hours: int | None = None,
        dry_run: bool = True,
        unsafe: bool = False,
    ) -> ByTable[Vacuumed]:
        """Delete the files that no recent version needs, and those of writes that never came to a commit.

        Args:
            tables: full names; all tables unless given.
            retain_hours: keep files that have been out of use for less; a week unless a table says otherwise.
            dry_run: only count them.
            unsafe: allow less than a week, which may break older versions and whoever reads or writes meanwhile.

        Raises:
            RequestError: there is no such table, or ``retain_hours`` is unsafe.
            BusyError: another process runs this lakehouse.
            TableError: the only table named refuses.
        """
        _refuse_short_retention(retain_hours, unsafe=unsafe)
        names, engine = self._names(tables), self._lake.engine

        def vacuum(name: str) -> Vacuumed:
            return engine.vacuum(
                name,
                retain_hours=retain_hours,
                dry_run=dry_run,
                unsafe=unsafe,
                metadata={"command": "maintain vacuum"},
            )

        with contextlib.nullcontext() if dry_run else self._alone():
            return _each(names, vacuum)

    def history(self, table: str, limit: int | None = None) -> list[Commit]:
        """Return the versions of a table, newest first.

        Raises:
            RequestError: there is no such table.
        """
        (name,) = self._names([table])
        return self._lake.engine.history(name, limit)

    def describe(self, table: str) -> Description:
        """Return what a table's log says of it.

        Raises:
            RequestError: there is no such table.
        """
        (name,) = self._names([table])
        return self._lake.engine.describe(name)

    def restore_plan(self, table: str, point: int | dt.datetime) -> RestorePlan:
        """Return what a restore would do, and what must follow it.

        Args:
            table: its full name.
            point: the version to go back to, or the time whose version it is.

        Raises:
            RequestError: there is no such table.
            TableError: it has no such version, or is never restored.
        """
        (name,) = self._names([table])
        restoration = self._lake.engine.restoration(name, point)
        changed = [each.partition for each in restoration.changes]
        follow = rebuilds(self._lake.catalog, self._lake.tables.values(), name, changed)
        return RestorePlan(restoration, tuple(follow))

    def restore(self, table: str, point: int | dt.datetime) -> int:
        """Make an older version of a table its newest one, and return the number of that one.

        Nothing is deleted, so that another restore undoes it. What was computed from the table stays as it is:
        ``restore_plan`` says which partitions to materialize afterwards.

        Args:
            table: its full name.
            point: the version to go back to, or the time whose version it is.

        Raises:
            RequestError: there is no such table.
            TableError: it has no such version, files of it are gone, or the table is never restored.
            BusyError: another process runs this lakehouse.
        """
        from lakehouse.orchestration.instance.home import prepare_home

        (name,) = self._names([table])
        with self._alone():
            restored = self._lake.engine.restore(name, point, metadata={"command": "maintain restore"})
        prepare_home(self._lake.settings.dagster_home)  # for whoever materializes what follows from the table
        return restored

    def _names(self, tables: Sequence[str]) -> list[str]:
        """Return the tables named, or all; refuse those that are not there."""
        catalog = self._lake.catalog
        there = catalog.names()
        if not there:
            raise RequestError(f"there are no tables under {catalog.root} yet", hint="`lakehouse run` makes them")
        if missing := [name for name in tables if name not in there]:
            raise RequestError(
                f"{', '.join(missing)}: no such table under {catalog.root}", hint=f"tables: {', '.join(there)}"
            )
        return list(tables or there)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep runs of this lakehouse out while tables are changed."""
        from lakehouse.orchestration.run_lock import alone

        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(alone(self._lake.settings))
            except BusyError as error:
                raise BusyError(
                    str(error),
                    hint=f"{error.hint}. `lakehouse dev` can do it itself: in its UI, launch the job optimize_tables "
                    "or vacuum_tables",
                ) from error
            yield


def _refuse_short_retention(hours: int | None, *, unsafe: bool) -> None:
    if hours is None or (unsafe and hours >= 0):
        return
    if hours < 0:
        raise RequestError(f"files cannot be kept for {hours} hours")
    if hours < WEEK_HOURS:
        raise RequestError(
            f"{hours} hours are less than {WEEK_HOURS}, a week: versions of the last week could not be read any more, "
            "queries that run now may fail, and a write that goes on now may end as a table with files missing",
            hint="if nothing else uses the lake, allow it as unsafe",
        )


def _each(names: Sequence[str], operation: Callable[[str], T]) -> ByTable[T]:
    """Do something to each table; a table that refuses does not keep the others from it."""
    done: dict[str, T] = {}
    failed: dict[str, str] = {}
    for name in names:
        try:
            done[name] = operation(name)
        except TableError as error:
            if len(names) == 1:
                raise
            failed[name] = cleaned(str(error))
    return ByTable(done, failed)


def _selections(engine: Engine, name: str, partitions: Sequence[str]) -> list[Mapping[str, str | None]] | None:
    """Return the partitions of a table that texts name; None for all."""
    if not partitions:
        return None
    columns = engine.describe(name).partition_columns
    selections: list[Mapping[str, str | None]] = []
    for text in partitions:
        column, separator, value = text.partition("=")
        if separator and column in columns:
            selections.append({column: value})
        elif len(columns) == 1:
            selections.append({columns[0]: text})
        else:
            raise RequestError(
                f"{text} names no partition of {name}, which is partitioned by {', '.join(columns) or 'nothing'}",
                hint="give column=value with one of its columns",
            )
    return selections
