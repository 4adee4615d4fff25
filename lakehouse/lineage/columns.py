"""Column-level lineage: which columns the columns of a table are made from, and which are made from them.

Belongs here: what a table's function is given, and the way through all tables, from gold to the landing files. Nothing
is typed by hand and no engine is started: ``plan_walker`` reads the answer from the plan that a table's function makes.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.contracts.contract import spark_schema
from lakehouse.contracts.row_outcome import OUTCOME
from lakehouse.contracts.rule_compiler import lookups
from lakehouse.errors import RequestError
from lakehouse.ingestion.bronze_rows import bronze_layout
from lakehouse.lineage.plan_walker import ColumnOrigin, LineageError, TableColumn, trace_function
from lakehouse.publication.validation import judge_received
from lakehouse.tables.declarations import BronzeTable, ContractTable, ManagedTable, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from lakehouse.lineage.plan_walker import FrameLineage

LANDING = "landing"
"""The layer of the sources' files, where lineage ends."""


@dataclass(frozen=True)
class ColumnLineage:
    """Which columns some columns are computed from and which decide their rows; downstream, the other way round.

    Attributes:
        table: the table that was named, and ``column`` its column; None where the table was named as a whole.
        downstream: whether it leads to the columns that are computed from these.
        values: of each column that is reached, the nearest first, the columns one step further by value. Of a whole
            table its own columns only.
        rows: upstream, and of a whole table, the columns one step further by rows. Downstream of one column, all
            columns near or far whose rows it decides, and whose values it does not.
        columns: all columns of the tables that are reached.
    """

    table: str
    column: str | None
    downstream: bool
    values: Mapping[TableColumn, tuple[TableColumn, ...]]
    rows: Mapping[TableColumn, tuple[TableColumn, ...]]
    columns: Mapping[str, tuple[str, ...]]


@functools.cache
def lineage_of(tables: tuple[Table, ...]) -> Lineage:
    """Return the lineage of some tables; each table's is found once in a process."""
    return Lineage(tables)


class Lineage:
    """The lineage of the columns of some tables. Each table's plan is made once, when it is first needed."""

    def __init__(self, tables: Iterable[Table]) -> None:
        """Take the tables; those that they are made from must be among them."""
        self.tables = {table.full_name: table for table in tables}
        self._landing = {
            f"{LANDING}.{table.source.name}": table.source.format.schema.names
            for table in self.tables.values()
            if isinstance(table, BronzeTable)
        }
        self._made: dict[str, FrameLineage] = {}
        self._origins: dict[str, Mapping[str, ColumnOrigin]] = {}

    @property
    def names(self) -> list[str]:
        """The tables, and the sources' files as ``landing.<source>``, in the order of the layers."""
        return [*self._landing, *self.tables]

    def of(self, name: str) -> Mapping[str, ColumnOrigin]:
        """Return what each column of a table is made from, in the table's order.

        A table's own name among the origins means its partition before, as of a running balance. The files of a source
        are the table ``landing.<source>``. Of a silver table, rules and keys decide which rows there are, too.

        Raises:
            LineageError: there is no such table, or its plan has something that lineage does not know.
        """
        if name not in self._origins:
            table, values = self.tables.get(name), self.values(name)
            if isinstance(table, ContractTable):
                made, published = self._made[name], self._published(table)
                rows = {column: made.columns[column].rows | made.rows | published for column in values}
            else:
                rows = dict.fromkeys(values, frozenset())
            self._origins[name] = {column: ColumnOrigin(values[column], rows[column]) for column in values}
        return self._origins[name]

    def values(self, name: str) -> Mapping[str, frozenset[TableColumn]]:
        """Return the columns that the values of each column of a table are computed from, in the table's order.

        Raises:
            LineageError: there is no such table, or its plan has something that lineage does not know.
        """
        if name in self._landing:
            return dict.fromkeys(self._landing[name], frozenset())
        table = self._table(name)
        if isinstance(table, BronzeTable):
            return _received(table)
        if isinstance(table, ManagedTable):
            return dict.fromkeys(table.layout.schema.names, frozenset())
        assert isinstance(table, ContractTable)  # noqa: S101 - for the type checker: there are no others
        if name not in self._made:
            self._made[name] = self._plan(table)
        columns, declared = self._made[name].columns, spark_schema(table.terms.contract).names
        if missing := [column for column in declared if column not in columns]:
            raise LineageError(f"{name}: the function makes no column {', '.join(missing)}")
        return {column: columns[column].values for column in declared}

    def columns(self, name: str) -> list[str]:
        """Return a table's columns, in its order."""
        return list(self.values(name))

    def origin(self, column: TableColumn) -> ColumnOrigin:
        """Return what a column is made from; see ``of``."""
        return self.of(column.table)[column.column]

    def dependents(self, column: TableColumn) -> Mapping[TableColumn, ColumnOrigin]:
        """Return the columns that are made from a column, directly, with all that each is made from.

        Raises:
            LineageError: a table's plan has something that lineage does not know.
        """
        return {
            TableColumn(table, name): origin
            for table in self.tables
            for name, origin in self.of(table).items()
            if column in origin.all
        }

    def explore(self, name: str, *, downstream: bool = False) -> ColumnLineage:
        """Return the lineage of a column, such as ``gold.sales_by_region.net_sales``, or of all columns of a table.

        Args:
            name: the full name of a column or a table; the files of a source are the table ``landing.<source>``.
            downstream: lead to what is computed from it, not to what it is computed from.

        Raises:
            RequestError: there is none of this name.
            LineageError: a table's plan has something that lineage does not know.
        """
        table, column = self._find(name)
        start = [TableColumn(table, each) for each in self.columns(table) if column in {each, None}]
        if column is None:
            by_values, by_rows = (self._by_values, self._by_rows) if downstream else (self._behind, self._deciding)
            values = {each: tuple(by_values(each)) for each in start}
            rows = {each: tuple(by_rows(each)) for each in start}
        elif downstream:
            values = _reached(start[0], self._by_values)
            rows = {start[0]: tuple(each for each in _reached(start[0], self.dependents) if each not in values)}
        else:
            values = _reached(start[0], self._behind)
            rows = {each: tuple(self._deciding(each)) for each in values}
        tables = {each.table for each in values} | {each.table for found in rows.values() for each in found}
        columns = {each: tuple(self.columns(each)) for each in tables}
        return ColumnLineage(table, column, downstream, values, rows, columns)

    def _find(self, name: str) -> tuple[str, str | None]:
        """Return the table and the column that a name means; no column where it is a table's name."""
        layer, _, rest = name.partition(".")
        short, _, column = rest.partition(".")
        table = f"{layer}.{short}" if short else layer
        if table not in self.names:
            raise RequestError(f"there is no table {table}", hint=_near(table, self.names))
        if column and column not in self.columns(table):
            raise RequestError(f"{table} has no column {column}", hint=_near(column, self.columns(table)))
        return table, column or None

    def _behind(self, column: TableColumn) -> list[TableColumn]:
        return sorted(self.origin(column).values)

    def _deciding(self, column: TableColumn) -> list[TableColumn]:
        return sorted(self.origin(column).rows)

    def _by_values(self, column: TableColumn) -> list[TableColumn]:
        return [each for each, origin in self.dependents(column).items() if column in origin.values]

    def _by_rows(self, column: TableColumn) -> list[TableColumn]:
        return [each for each, origin in self.dependents(column).items() if column in origin.rows]

    def _table(self, name: str) -> Table:
        if name not in self.tables:
            raise LineageError(f"there is no table {name}")
        return self.tables[name]

    def _plan(self, table: ContractTable) -> FrameLineage:
        try:
            return trace_function(table.transform, table.inputs, self._columns)
        except LineageError as error:
            raise LineageError(f"{table.full_name}: {error}") from error
        except Exception as error:  # the function is anybody's, and may ask a frame for more than a plan
            raise LineageError(f"{table.full_name}: its function makes no plan: {error!r}") from error

    def _published(self, table: ContractTable) -> frozenset[TableColumn]:
        """Return the columns that decide which rows of a silver table are published, rejected or duplicates."""
        if table.layer != "silver":
            return frozenset()
        contract, policy = table.terms.contract, table.terms.policy
        ((parameter, _),) = table.inputs.items()

        def validated(**frames: DataFrame) -> DataFrame:
            return judge_received(frames[parameter], table.transform, contract, policy, tables=frames.__getitem__)

        others = {name: name for lookup in lookups(contract) for name in lookup.tables}
        return trace_function(validated, {**table.inputs, **others}, self._columns).columns[OUTCOME].values

    def _columns(self, name: str) -> StructType:
        from pyspark.sql.pandas.types import from_arrow_schema

        table = self._table(name)
        if isinstance(table, ContractTable):
            return spark_schema(table.terms.contract)
        layout = bronze_layout(table.source) if isinstance(table, BronzeTable) else None
        if isinstance(table, ManagedTable):
            layout = table.layout
        assert layout is not None  # noqa: S101 - for the type checker: there are no others
        return from_arrow_schema(layout.schema, prefer_timestamp_ntz=True)


def _reached(
    start: TableColumn, neighbours: Callable[[TableColumn], Iterable[TableColumn]]
) -> dict[TableColumn, tuple[TableColumn, ...]]:
    """Return a column and all that is reached from it, the nearest first, each with its neighbours."""
    found: dict[TableColumn, tuple[TableColumn, ...]] = {}
    waiting, reached = [start], {start}
    for each in waiting:
        found[each] = tuple(neighbours(each))
        waiting += [one for one in found[each] if one not in reached]
        reached |= {*found[each]}
    return found


def _near(name: str, names: Collection[str]) -> str:
    """Return the hint about an unknown name: the names that are like it, or else all."""
    near = difflib.get_close_matches(name, names, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"


def _received(table: BronzeTable) -> Mapping[str, frozenset[TableColumn]]:
    """Return the landing columns of a bronze table; what it adds is made from none, but for the row's date."""
    source = table.source
    received = {name: name for name in source.format.schema.names} | {table.partition_column: source.business_date}
    return {
        name: frozenset({TableColumn(f"{LANDING}.{source.name}", received[name])} if name in received else ())
        for name in bronze_layout(source).schema.names
    }
