"""The lake as readers see it: Delta tables by name, at a version or a time, and SQL over them. Never written to.

Belongs here: finding and opening tables without an engine, so that a query costs no session. What may be queried, and
what is said about SQL that fails, is for ``queries``.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse import clock
from lakehouse.catalog.queries import Cursor, reading_statement, refusals
from lakehouse.delta.commits import commits
from lakehouse.delta.model import SCHEMAS, MissingTableError
from lakehouse.delta.tables import is_written
from lakehouse.errors import RequestError
from lakehouse.storage.files import delta_options, names_below, table_uri

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from duckdb import DuckDBPyConnection

_COMMIT = re.compile(r"\d{20}\.(?:json|checkpoint\.)")
_CREATION = f"{0:020}.json"


@dataclass(frozen=True)
class Catalog:
    """The tables under a root.

    Attributes:
        version: read every table at this version; None for the newest.
        as_of: read every table as it was at this time, UTC unless it has a zone; None for now.

    Raises:
        RequestError: both a version and a time are given.
    """

    root: str
    version: int | None = None
    as_of: dt.datetime | None = None

    def __post_init__(self) -> None:
        """Refuse two answers to one question."""
        if self.version is not None and self.as_of is not None:
            raise RequestError("a version and a time exclude each other", hint="give one of them")

    def names(self) -> list[str]:
        """Return the names of the tables there are, layer by layer."""
        found = [f"{schema}.{name}" for schema in SCHEMAS for name in names_below(f"{self.root}/{schema}")]
        with ThreadPoolExecutor(8) as pool:  # an object store takes its time for each answer
            return [name for name, is_there in zip(found, pool.map(self._is_table, found), strict=True) if is_there]

    def require_tables(self) -> list[str]:
        """Return the names of the tables there are.

        Raises:
            RequestError: there are none yet.
        """
        names = self.names()
        if not names:
            raise RequestError(f"there are no tables under {self.root} yet", hint="`lakehouse run` makes them")
        return names

    def _is_table(self, name: str) -> bool:
        """Whether something was ever written to a table; its creation alone does not count."""
        commits = {file for file in names_below(f"{table_uri(self.root, name)}/_delta_log") if _COMMIT.match(file)}
        return commits > {_CREATION} or (bool(commits) and is_written(self._opened(name)))

    def _opened(self, table: str, version: int | None = None) -> DeltaTable:
        from deltalake import DeltaTable

        return DeltaTable(table_uri(self.root, table), version, delta_options(self.root))

    def open(self, table: str) -> DeltaTable:
        """Open a table at the catalog's version or time.

        Raises:
            MissingTableError: it was never written.
            RequestError: it had no such version, or did not exist at that time.
        """
        if not self._is_table(table):
            raise MissingTableError(
                f"{table} has never been written under {self.root}; `lakehouse run` takes in what has landed "
                "(LAKEHOUSE_ROOT says which lake)"
            )
        newest = self._opened(table)
        version = (
            self.version
            if self.as_of is None
            else _version_at(table, table_uri(self.root, table), newest.version(), self.as_of)
        )
        if version is None:
            return newest
        if not 0 <= version <= newest.version():
            raise RequestError(f"{table} has versions 0 to {newest.version()}, not {version}")
        return self._opened(table, version)

    def read(self, table: str, columns: list[str] | None = None) -> pa.Table:
        """Return a (small) table whole, or some of its columns."""
        return self.open(table).to_pyarrow_dataset().to_table(columns=columns)

    def connect(self, mentioned_in: str | None = None) -> DuckDBPyConnection:
        """Return a DuckDB connection that sees the tables as ``silver.transactions`` and nothing else.

        Files are opened when a query reads them. The connection itself reaches no file, and its settings are locked.

        Args:
            mentioned_in: SQL; only tables that it mentions are opened. None opens all.
        """
        import duckdb

        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'; SET python_enable_replacements = false")
        for schema in SCHEMAS:
            connection.execute(f"CREATE SCHEMA {schema}")
        for name in self.names():
            if mentioned_in is not None and not _mentions(mentioned_in, name):
                continue
            schema, _, own = name.partition(".")
            connection.register(f"lake:{name}", self.open(name).to_pyarrow_dataset())
            view = f'CREATE VIEW memory.{schema}."{own}" AS SELECT * FROM "lake:{name}"'  # noqa: S608 - a folder's name
            connection.execute(view)
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        return connection

    def cursor(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> Cursor:
        """Execute one statement that reads, and return its rows as they come.

        Raises:
            RequestError: it is not one statement that reads, or DuckDB refuses it.
        """
        connection = self.connect(sql)
        with refusals(self.names):
            result = connection.execute(reading_statement(connection, qualified(sql)), parameters)
        return Cursor([column[0] for column in result.description or ()], result)

    def query(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> pa.Table:
        """Return the result of one statement that reads, as an Arrow table.

        Raises:
            RequestError: as ``cursor`` does.
        """
        connection = self.connect(sql)
        with refusals(self.names):
            return connection.sql(reading_statement(connection, qualified(sql)), params=parameters).to_arrow_table()

    def rows(self, sql: str, parameters: list[Any] | dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the rows of a (small) result."""
        return rows(self.connect(sql), sql, parameters)


def rows(
    connection: DuckDBPyConnection, sql: str, parameters: list[Any] | dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a (small) result of a connection made by ``Catalog.connect``."""
    cursor = connection.execute(qualified(sql), parameters)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def qualified(sql: str) -> str:
    """Say in SQL which ``system`` is meant: DuckDB has a catalog of that name, too. Texts and comments stay."""
    import duckdb

    names = {duckdb.token_type.identifier, duckdb.token_type.keyword}
    tokens = {offset for offset, kind in duckdb.tokenize(sql) if kind in names}
    return _system_tables().sub(lambda found: f"memory.{found[0]}" if found.start() in tokens else found[0], sql)


@functools.cache
def _system_tables() -> re.Pattern[str]:
    """Return how SQL begins that names one of the library's own tables."""
    from lakehouse.delta.system_tables import DECISIONS, FILES, LEDGER

    names = "|".join(layout.name.partition(".")[2] for layout in (FILES, LEDGER, DECISIONS))
    return re.compile(rf"""(?<![."\w])(?:"system"|system)\s*\.\s*(?="?(?:{names})\b)""", re.IGNORECASE)


def _mentions(sql: str, table: str) -> bool:
    layer, _, name = table.partition(".")
    return re.search(rf'\b{layer}"?\s*\.\s*"?{re.escape(name)}\b', sql, re.IGNORECASE) is not None


def _version_at(table: str, location: str, newest: int, when: dt.datetime) -> int:
    """Return the version that readers saw at a time (delta-rs itself answers any time, with the nearest version)."""
    when = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
    past = commits(location, newest)
    first = min(commit.at for commit in past)
    if when < first:
        raise RequestError(f"{table} did not exist at {when.isoformat()}: its first commit is of {first.isoformat()}")
    if when > clock.now():
        raise RequestError(f"{when.isoformat()} lies in the future; {table} is known up to now")
    return max(commit.version for commit in past if commit.at <= when)
