"""One statement over the tables: that it only reads, its rows as they come, and why it fails in a sentence.

Belongs here: what stands between DuckDB and a caller. Which tables there are is for ``reader``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.errors import RequestError

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

_READING = {"SELECT", "EXPLAIN", "MULTI"}  # DuckDB calls a PIVOT, which reads its columns first, MULTI
_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Cursor:
    """The result of a statement, which is computed as it is read, and read once.

    Attributes:
        columns: their names.
    """

    columns: list[str]
    _result: DuckDBPyConnection

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Return the rows, one by one."""
        with refusals():
            while rows := self._result.fetchmany(_ROWS_AT_ONCE):
                yield from rows

    def to_arrow(self) -> pa.Table:
        """Return the rows that were not read yet, as an Arrow table."""
        with refusals():
            return self._result.to_arrow_table()


def execute(
    connection: DuckDBPyConnection,
    sql: str,
    parameters: Sequence[Any] | Mapping[str, Any] | None,
    tables: Callable[[], Sequence[str]],
) -> Cursor:
    """Execute one statement that reads.

    Args:
        connection: a connection that sees tables and no file.
        sql: the statement.
        parameters: its parameters.
        tables: returns the names of the tables there are, for a statement that names another one.

    Raises:
        RequestError: it is not one statement that reads, or DuckDB refuses it.
    """
    with refusals(tables):
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type.name not in _READING:
            raise RequestError("give one statement that reads, such as SELECT; the tables are written by runs only")
        result = connection.execute(statements[0], parameters)
    return Cursor([column[0] for column in result.description or ()], result)


@contextmanager
def refusals(tables: Callable[[], Sequence[str]] = list) -> Iterator[None]:
    """Raise what DuckDB refuses as a ``RequestError``; where a table is not there, its hint lists those that are."""
    import duckdb

    try:
        yield
    except duckdb.CatalogException as error:
        names = ", ".join(tables())
        first_line = str(error).strip().partition("\n")[0]
        raise RequestError(first_line, hint=f"the tables are {names}" if names else "") from error
    except duckdb.Error as error:
        raise RequestError(str(error).strip()) from error
