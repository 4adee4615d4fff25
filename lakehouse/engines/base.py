"""The engine port: what a place where DataFrames run and Delta tables are committed must be able to do.

Belongs here: the protocol, its words and its errors. An implementation has a module of its own (``sail``, ``spark``);
nothing outside ``engines`` calls ``.read`` or ``.write`` of a session.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, TypeVar

from lakehouse.delta.model import Rewritten, TableLayout, Token, Vacuumed
from lakehouse.delta.predicates import Predicate

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from lakehouse.delta.model import Commit, Description, Restoration

    Batches = Iterator[pa.RecordBatch]
    Part = Callable[[], Batches]
    """Streams rows of its own, on whichever machine: it can be pickled."""

T = TypeVar("T")
R = TypeVar("R")


class Gate(Protocol):
    """Stands between a frame and its commit: passes on the rows to keep, or raises and nothing is committed.

    An engine asks it in one of two ways, which must come to the same.
    """

    def stream(self, batches: Batches) -> Batches:
        """Sift the result as it streams through this process."""
        ...

    def frame(self, frame: DataFrame, collect: Callable[[DataFrame], pa.Table]) -> DataFrame:
        """Sift a frame where it lies, by queries; it is kept meanwhile, and is not computed again for each of them."""
        ...


class Engine(Protocol):
    """Where DataFrames run and Delta tables are committed.

    Attributes:
        name: ``sail`` or ``spark``, as in the settings.
        root: the lake's root.
        is_local: whether ``each`` and the parts of an append run in this process, and share its disk.
        batch_bytes: how much of landing files one commit to bronze should take: it bounds memory and local disk.
    """

    name: str
    root: str
    is_local: bool
    batch_bytes: int

    def session(self) -> SparkSession:
        """Return the session, started when first asked for."""
        ...

    def version(self, table: str) -> int | None:
        """Return the table's newest version, or None where it does not exist."""
        ...

    def columns(self, table: str) -> tuple[str, ...]:
        """Return the names of a table's columns; none if it was never written."""
        ...

    def dates(self, table: str, column: str) -> list[dt.date]:
        """Return the dates by which a table is partitioned that have rows, sorted; none if it was never written."""
        ...

    def row_counts(self, table: str, column: str) -> dict[dt.date, int]:
        """Return how many rows the table has of each date by which it is partitioned, as its log says.

        None if it was never written, or is not partitioned by the column.
        """
        ...

    def last_token(self, table: str, application: str) -> int | None:
        """Return the highest number that an application has committed to a table."""
        ...

    def read(
        self,
        table: str,
        where: Predicate | None = None,
        *,
        version: int | None = None,
        as_of: dt.datetime | None = None,
    ) -> DataFrame:
        """Return a table's rows, lazily.

        Raises:
            MissingTableError: the table was never written.
        """
        ...

    def collect(self, frame: DataFrame) -> pa.Table:
        """Run a frame and return its (small) result."""
        ...

    def measured(self) -> AbstractContextManager[dict[str, float]]:
        """Measure what the queries and writes of a block cost; the figures, by name, are there after it, if known."""
        ...

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Apply a function to items where the engine's work is done, and give the results in the items' order.

        On a cluster the function, the items and the results are pickled.
        """
        ...

    def publish(
        self,
        layout: TableLayout,
        frame: DataFrame | pa.Table,
        where: Predicate,
        *,
        gate: Gate | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> int:
        """Replace the predicate's rows by the frame's, in one commit, and return the new version.

        Args:
            layout: the table.
            frame: the rows; with ``gate``, whatever columns that takes.
            where: the rows to replace. A new row outside it is refused.
            gate: decides which rows are kept; what it raises stops the write, and nothing is committed.
            metadata: kept with the commit.

        Raises:
            TableError: a row lies outside the predicate, or a value does not fit the table's type.
        """
        ...

    def append(
        self,
        layout: TableLayout,
        rows: pa.Table | Sequence[Part],
        *,
        token: Token | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> int | None:
        """Append rows in one commit; with a token, once. Return the new version, or None if the token was there."""
        ...

    def merge(
        self,
        layout: TableLayout,
        frame: DataFrame | pa.Table,
        key: Sequence[str],
        *,
        gone: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> int:
        """Replace the table's rows that have a row's key, add the others, in one commit, and return the new version.

        A null equals a null in a key.

        Args:
            layout: the table.
            frame: the rows.
            key: the columns that name a row.
            gone: a boolean column of the frame that the table does not have. A row in which it is true takes the
                table's row with its key away; where there is none, nothing happens.
            metadata: kept with the commit.

        Raises:
            TableError: two of the rows have one key, or a value does not fit the table's type.
        """
        ...

    def history(self, table: str, limit: int | None = None) -> list[Commit]:
        """Return a table's commits, newest first."""
        ...

    def optimize(
        self,
        table: str,
        partitions: Sequence[Mapping[str, str | None]] | None = None,
        *,
        zorder: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> Rewritten:
        """Make few large files of many small ones, in one commit that changes no row; what needs nothing is left alone.

        Args:
            table: the table.
            partitions: values of partition columns, as text, to rewrite only what has them; None for all.
            zorder: columns that queries filter by: files are sorted so that each holds a narrow range of every one.
            metadata: kept with the commit.

        Raises:
            TableError: another commit has replaced the files meanwhile; nothing is committed.
        """
        ...

    def vacuum(
        self,
        table: str,
        *,
        retain_hours: int | None = None,
        dry_run: bool = False,
        unsafe: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> Vacuumed:
        """Delete the files that no version needs any more, and those of writes that never came to a commit.

        Args:
            table: the table.
            retain_hours: how long a file must be out of use; None for what the table says, a week unless set.
            dry_run: only look.
            unsafe: take less than what the table says. Whoever reads an older version, or writes at this moment,
                may find files gone.
            metadata: kept with the commits.

        Raises:
            TableError: the time is too short.
        """
        ...

    def restoration(self, table: str, point: int | dt.datetime) -> Restoration:
        """Return what a restore would do; it raises the same errors, except for files that are gone."""
        ...

    def restore(self, table: str, point: int | dt.datetime, *, metadata: Mapping[str, str] | None = None) -> int:
        """Make an older version, by number or time, the table's newest, and return the new version.

        Raises:
            TableError: there is no such version, files of it are gone, or the table is append-only.
        """
        ...

    def describe(self, table: str) -> Description:
        """Return what a table's log says of it."""
        ...
