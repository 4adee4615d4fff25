"""The engine port: what a place where DataFrames run and Delta tables are committed must be able to do.

Belongs here: the protocol, its words and its errors. An implementation has a module of its own (``sail``); nothing
outside ``resources`` calls ``.read`` or ``.write`` of a session.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from resources.predicates import Predicate

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    Batches = Iterator[pa.RecordBatch]
    Sift = Callable[[Batches], Batches]


class TableError(Exception):
    """A table cannot be read or written as asked; the message names the table and what to do."""


class MissingTableError(TableError):
    """A table has never been written."""


@dataclass(frozen=True)
class TableLayout:
    """How a Delta table is made when it is first written.

    Attributes:
        name: ``silver.transactions``.
        schema: columns, order and types; a write that cannot be cast to them without loss is refused.
        partition_by: partition columns on disk.
        properties: Delta table properties, such as ``delta.appendOnly``.
        description: what the table is, kept in the Delta metadata.
    """

    name: str
    schema: pa.Schema
    partition_by: tuple[str, ...]
    properties: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True)
class Token:
    """What makes a write happen once: an application and its ever-growing number (Delta's ``txn``)."""

    application: str
    number: int


class Engine(Protocol):
    """Where DataFrames run and Delta tables are committed."""

    name: str

    def session(self) -> SparkSession:
        """Return the session, started when first asked for."""
        ...

    def version(self, table: str) -> int | None:
        """Return the table's newest version, or None where it does not exist."""
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

    def publish(
        self,
        layout: TableLayout,
        frame: DataFrame | pa.Table,
        where: Predicate,
        *,
        sift: Sift | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> int:
        """Replace the predicate's rows by the frame's, in one commit, and return the new version.

        Args:
            layout: the table.
            frame: the rows; with ``sift``, whatever columns that takes.
            where: the rows to replace. A new row outside it is refused.
            sift: sees the stream of batches on its way to the commit and yields the rows to keep; what it raises
                stops the write, and nothing is committed.
            metadata: kept with the commit.

        Raises:
            TableError: a row lies outside the predicate, or a value does not fit the table's type.
        """
        ...

    def append(
        self,
        layout: TableLayout,
        batches: Batches,
        *,
        token: Token | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> int | None:
        """Append rows in one commit; with a token, once. Return the new version, or None if the token was there."""
        ...
