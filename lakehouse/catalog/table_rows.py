"""Rows of one table, handed over in the form a caller works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from duckdb import DuckDBPyRelation
    from pyspark.sql import DataFrame

    from lakehouse.catalog.reader import Catalog
    from lakehouse.engines.base import Engine


@dataclass(frozen=True)
class TableRows:
    """Some rows and columns of a table; nothing is read before a form is asked for.

    Attributes:
        columns: those wanted; all where it is empty.
        where: a condition in SQL over the table's columns.
        engine: returns the engine, for ``to_spark`` alone.
    """

    catalog: Catalog
    table: str
    columns: tuple[str, ...]
    where: str | None
    engine: Callable[[], Engine]

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table."""
        return self.catalog.query(self._sql())

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a pandas frame; decimals stay exact, as ``decimal.Decimal``."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """Return the rows as a Polars frame. Polars must be installed."""
        import polars as pl

        return pl.from_arrow(self.to_arrow())

    def to_duckdb(self) -> DuckDBPyRelation:
        """Return the rows as a DuckDB relation, on a connection that sees the lakehouse's tables and nothing else."""
        connection = self.catalog.connect(self._sql())
        return connection.sql(self._sql())

    def to_spark(self) -> DataFrame:
        """Return the rows as a lazy frame on the lakehouse's engine, whose SQL the condition is then in."""
        frame = self.engine().read(self.table, version=self.catalog.open(self.table).version())
        if self.where is not None:
            frame = frame.where(self.where)
        return frame.select(*self.columns) if self.columns else frame

    def _sql(self) -> str:
        quoted = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in self.columns]
        condition = "" if self.where is None else f" WHERE ({self.where})"
        return f"SELECT {', '.join(quoted) or '*'} FROM {self.table}{condition}"  # noqa: S608 - on a locked connection
