"""One statement over the tables: that it only reads, its rows as they come, and why it fails in a sentence.

Belongs here: what stands between DuckDB and a caller. Which tables there are is for ``reader``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.errors import RequestError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, Statement

_READING = {"SELECT", "EXPLAIN", "MULTI"}  # DuckDB calls a PIVOT, which reads its columns first, MULTI
_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Cursor:
    """The rows of a statement, which are computed as they are read, and read once.

    Attributes:
        columns: their names.
    """

    columns: list[str]
    _result: DuckDBPyConnection

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Return the rows, one by one.

        Raises:
            RequestError: a row cannot be computed.
        """
        with refusals():
            while rows := self._result.fetchmany(_ROWS_AT_ONCE):
                yield from rows


def reading_statement(connection: DuckDBPyConnection, sql: str) -> Statement:
    """Return the one statement of SQL, which only reads.

    Raises:
        RequestError: it is not one statement that reads.
    """
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type.name not in _READING:
        raise RequestError("give one statement that reads, such as SELECT; the tables are written by runs only")
    return statements[0]


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
