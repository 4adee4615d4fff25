"""Rows of one table, handed over in the form a caller works with."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.queries import refusals
from lakehouse.errors import RequestError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from duckdb import DuckDBPyRelation
    from pyspark.sql import DataFrame

    from lakehouse.catalog.reader import Catalog
    from lakehouse.engines.base import Engine

_QUERY = re.compile(
    r"\b(?:select|table|values|reflect|try_reflect|java_method)\b|\(\s*(?:from|map\s+\w|reduce\s+\w)|--|/\*",
    re.IGNORECASE,
)
"""What a query within a condition begins with, or hides in; in a text, too, so that no way of quoting gets past it."""


@dataclass(frozen=True)
class TableRows:
    """Some rows and columns of a table; nothing is read before a form is requested.

    Attributes:
        columns: those wanted; all where it is empty.
        where: a condition in SQL over the table's columns. It is one expression, and reaches no file.
        engine: returns the engine, for ``to_spark`` alone.
    """

    catalog: Catalog
    table: str
    columns: tuple[str, ...]
    where: str | None
    engine: Callable[[], Engine]

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table."""
        with refusals():
            return self.to_duckdb().to_arrow_table()

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a pandas frame; decimals stay exact, as ``decimal.Decimal``."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """Return the rows as a Polars frame. Polars must be installed."""
        import polars as pl

        return pl.from_arrow(self.to_arrow())

    def to_duckdb(self) -> DuckDBPyRelation:
        """Return the rows as a DuckDB relation, on a connection that sees the lakehouse's tables and nothing else.

        Raises:
            RequestError: there is no such column, or the condition is none.
        """
        import duckdb

        schema, _, name = self.table.partition(".")
        connection = self.catalog.connect(f"{self.table} {self.where or ''}")
        with refusals(self.catalog.names):
            relation = connection.view(f"memory.{schema}.{_quoted(name)}")
            if self.where is not None:
                relation = relation.filter(self.where)
            return relation.select(*map(duckdb.ColumnExpression, self.columns)) if self.columns else relation

    def to_spark(self) -> DataFrame:
        """Return the rows as a lazy frame on the lakehouse's engine, whose SQL the condition is then in.

        Raises:
            RequestError: there is no such column, or the condition is none, or it holds a query of its own.
        """
        engine = self.engine()  # the engine first: it imports PySpark, one thread at a time
        from pyspark.errors import PySparkException
        from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

        frame = engine.read(self.table, version=self.catalog.open(self.table).version())
        if self.where is not None:
            if found := _QUERY.search(self.where):  # the engine would open any file for it
                raise RequestError(f"a condition for Spark holds no query and no comment, such as {found[0]!r} begins")
            frame = frame.where(self.where)
        if self.columns:
            frame = frame.select(*(F.col(_quoted(name, "`")) for name in self.columns))
        try:
            frame.schema  # noqa: B018 - the engine looks at the condition and the columns now
        except PySparkException as error:
            raise RequestError(str(error).strip().partition("\n")[0]) from error
        return frame


def _quoted(name: str, quote: str = '"') -> str:
    return f"{quote}{name.replace(quote, quote * 2)}{quote}"
