"""Column-level lineage: which columns the columns of a table are made from, and which are made from them.

Belongs here: what a table's function is given, and the way through all tables, from gold to the landing files. Nothing
is typed by hand and no engine is started: the answer stands in the plan that a table's function makes, see ``plans``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from lakehouse.contracts.contract import spark_schema
from lakehouse.contracts.row_outcome import OUTCOME
from lakehouse.contracts.rule_compiler import lookups
from lakehouse.ingestion.bronze_rows import bronze_layout
from lakehouse.lineage.plan_walker import LineageError, Origin, TableColumn, made_from
from lakehouse.publication.validation import judge_received
from lakehouse.tables.declarations import BronzeTable, ContractTable, ManagedTable, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from lakehouse.lineage.plan_walker import Made

LANDING = "landing"
"""The layer of the sources' files, where lineage ends."""


@functools.cache
def lineage_of(tables: tuple[Table, ...]) -> Lineage:
    """Return the lineage of some tables; each table's is found once in a process."""
    return Lineage(tables)


class Lineage:
    """The lineage of the columns of some tables. Each table's plan is made once, when it is asked for."""

    def __init__(self, tables: Iterable[Table]) -> None:
        """Take the tables; those that they are made from must be among them."""
        self.tables = {table.full_name: table for table in tables}
        self._landing = {
            f"{LANDING}.{table.source.name}": table.source.format.schema.names
            for table in self.tables.values()
            if isinstance(table, BronzeTable)
        }
        self._made: dict[str, Made] = {}
        self._origins: dict[str, Mapping[str, Origin]] = {}

    @property
    def names(self) -> list[str]:
        """The tables, and the sources' files as ``landing.<source>``, in the order of the layers."""
        return [*self._landing, *self.tables]

    def of(self, name: str) -> Mapping[str, Origin]:
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
            self._origins[name] = {column: Origin(values[column], rows[column]) for column in values}
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

    def origin(self, column: TableColumn) -> Origin:
        """Return what a column is made from; see ``of``."""
        return self.of(column.table)[column.column]

    def made_of(self, column: TableColumn) -> Mapping[TableColumn, Origin]:
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

    def _table(self, name: str) -> Table:
        if name not in self.tables:
            raise LineageError(f"there is no table {name}")
        return self.tables[name]

    def _plan(self, table: ContractTable) -> Made:
        try:
            return made_from(table.transform, table.inputs, self._columns)
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

        def judged(**frames: DataFrame) -> DataFrame:
            return judge_received(frames[parameter], table.transform, contract, policy, tables=frames.__getitem__)

        others = {name: name for lookup in lookups(contract) for name in lookup.tables}
        return made_from(judged, {**table.inputs, **others}, self._columns).columns[OUTCOME].values

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


def _received(table: BronzeTable) -> Mapping[str, frozenset[TableColumn]]:
    """Return the landing columns of a bronze table; what it adds is made from none, but for the row's date."""
    source = table.source
    received = {name: name for name in source.format.schema.names} | {table.partition_column: source.business_date}
    return {
        name: frozenset({TableColumn(f"{LANDING}.{source.name}", received[name])} if name in received else ())
        for name in bronze_layout(source).schema.names
    }
