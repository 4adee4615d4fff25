"""A row and where it comes from: the rows behind it, table by table, and the records behind those.

Belongs here: what a trace consists of. Finding it belongs in ``trace`` and ``records``, proving it in ``verification``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.tables.declarations import ContractTable, Table


@dataclass(frozen=True)
class RecordTrace:
    """The records behind rows of a silver table, as received.

    Attributes:
        bronze: the table that holds them.
        sources: its columns that are the source's own.
        behind: the records that became the rows: bronze's columns.
        beside: records of the same days that do not count, with ``why``: rejected, duplicate, superseded, discarded.
        fixed: what people corrected in records behind the rows, and why.
    """

    bronze: str
    sources: tuple[str, ...]
    behind: pa.Table
    beside: list[dict[str, Any]]
    fixed: list[dict[str, Any]]


@dataclass(frozen=True)
class RowTrace:
    """Rows of a table, and where they come from.

    Attributes:
        rows: the rows, as the table holds them.
        found_by: the columns by which the rows were found; without any they are all rows of the partitions.
        inputs: the rows behind them, by the parameter of the table's function.
        records: the records behind them, of a table made from bronze.
        not_traceable_reason: why no rows behind them are named, in a sentence; empty where they are.
    """

    table: Table
    rows: pa.Table
    found_by: tuple[str, ...] = ()
    inputs: dict[str, RowTrace] = field(default_factory=dict)
    records: RecordTrace | None = None
    not_traceable_reason: str = ""

    def levels(self) -> Iterator[RowTrace]:
        """Return this and everything behind it, the nearest first."""
        yield self
        for each in self.inputs.values():
            yield from each.levels()


@dataclass(frozen=True)
class CellTrace:
    """The columns that a cell is computed from, with those of the keys.

    Attributes:
        level: the rows.
        columns: their columns that matter, and their key.
        inputs: the columns of the rows behind them, of those inputs that matter.
        sources: the columns of the records that matter, where there are records.
    """

    level: RowTrace
    columns: frozenset[str]
    inputs: tuple[CellTrace, ...] = ()
    sources: frozenset[str] = frozenset()

    def levels(self) -> Iterator[CellTrace]:
        """Return this and everything behind it, the nearest first."""
        yield self
        for each in self.inputs:
            yield from each.levels()


@dataclass(frozen=True)
class CellDifference:
    """A cell whose records give another value; without a column, they do not give the row at all.

    Attributes:
        here: what the table holds.
        computed: what its records give.
    """

    table: str
    key: dict[str, Any]
    column: str | None
    here: Any
    computed: Any


@dataclass(frozen=True)
class Trace:
    """The answer to where a row comes from.

    Attributes:
        row: the row, and what is behind it.
        cell: the columns behind one of its cells, where one was named.
        differences: the cells whose records give another value; None unless it was verified.
    """

    row: RowTrace
    cell: CellTrace | None = None
    differences: Sequence[CellDifference] | None = None

    @property
    def is_verified(self) -> bool | None:
        """Whether the records give the row, cell by cell; None unless that was looked at."""
        return None if self.differences is None else not self.differences


def partitions_of(table: ContractTable, rows: pa.Table) -> list[dt.date]:
    """Return the partitions that rows lie in."""
    return sorted(set(rows.column(table.partition_column).to_pylist()))
