"""From a row back to what landed: the rows behind it, table by table, and the records behind those.

Belongs here: walking from a table to its inputs and on to bronze. It knows no table by name. Records belong in
``records``; computing a row again from what was found belongs in ``verification``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.catalog.ledger_views import LedgerEntries
from lakehouse.contracts.contract import columns_of
from lakehouse.errors import RequestError
from lakehouse.lineage.records import RecordFinder
from lakehouse.lineage.row_trace import RowTrace, Trace, partitions_of
from lakehouse.lineage.verification import TraceVerifier
from lakehouse.publication.digests import to_contract
from lakehouse.reconciliation.recompute import Recomputation, key_of
from lakehouse.tables.declarations import ContractTable, Scd2Table
from lakehouse.tables.inputs import is_wide, reads_of, self_input
from lakehouse.text import cell

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

    from lakehouse.contracts.contract import ContractColumn
    from lakehouse.tables.declarations import Table


def trace_row(
    recomputation: Recomputation,
    entries: LedgerEntries,
    table: str,
    key: Mapping[str, Any],
    column: str | None = None,
    *,
    verify: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Trace:
    """Return what the row of a key is made from.

    Args:
        recomputation: the tables computed again.
        entries: what the row ledger says now.
        table: the table's full name.
        key: values by column, of the column's type or as text.
        column: one cell of the row, whose columns are then followed.
        verify: compute it again from the records found, and compare.
        progress: told of each step before it is made.

    Raises:
        RequestError: there is no such table, column or row, or more than one row.
    """
    records = RecordFinder(recomputation, entries)
    tracer, verifier = Tracer(recomputation, records), TraceVerifier(recomputation, records)
    declared, row = tracer.row(table, key)
    if column is not None and column not in row.column_names:
        raise RequestError(f"{table} has no column {column}: it has {', '.join(row.column_names)}")
    progress("looking for what is behind the row")
    found = tracer.trace(declared, row)
    cell_trace = None if column is None else verifier.cell(found, column)
    if not verify:
        return Trace(found, cell_trace)
    progress("computing it again")
    return Trace(found, cell_trace, verifier.differences(found, column))


@dataclass(frozen=True)
class Tracer:
    """Traces rows of one lake."""

    recomputation: Recomputation
    records: RecordFinder

    def row(self, name: str, key: Mapping[str, Any]) -> tuple[ContractTable, pa.Table]:
        """Find the one row of a table that has some values.

        Args:
            name: the table.
            key: values by column, of the column's type or as text; None, like an empty text, is null.

        Raises:
            RequestError: there is no such table, column or row, or more than one row.
        """
        table = self.recomputation.tables.get(name)
        if not isinstance(table, ContractTable):
            known = [each.full_name for each in self.recomputation.tables.values() if isinstance(each, ContractTable)]
            raise RequestError(f"{name} cannot be traced", hint=f"give one of {', '.join(known)}")
        columns = {column.name: column for column in columns_of(table.terms.contract)}
        given = {column: cell(value) for column, value in key.items()}
        rows = self.recomputation.rows(table)
        for column, text in given.items():
            rows = rows.where(self._equal(table, columns, column, text))
        found = self.recomputation.engine.collect(rows.limit(2))
        named = " ".join(f"{column}={text}" for column, text in given.items())
        if not found.num_rows:
            hint = "`lakehouse reconcile --strict` says if one is missing"
            raise RequestError(f"{name} has no row with {named}", hint=hint)
        if found.num_rows > 1:
            raise RequestError(
                f"{name} has several rows with {named or 'no key'}", hint=f"its key is {', '.join(key_of(table))}"
            )
        return table, found

    def _equal(self, table: ContractTable, columns: Mapping[str, ContractColumn], name: str, text: str) -> Column:
        from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

        if name not in columns:
            raise RequestError(f"{table.full_name} has no column {name}: it has {', '.join(columns)}")
        type_ = columns[name].type
        if not text:
            return F.col(name).isNull()
        value = F.lit(text).try_cast(type_)
        engine = self.recomputation.engine
        read = engine.collect(engine.session().range(1).select(value.alias("value")))
        if read.column("value")[0].as_py() is None:
            raise RequestError(f"{name}={text}: {text} is no {type_.simpleString()}")
        return F.col(name) == value

    def trace(self, table: Table, rows: pa.Table, by: tuple[str, ...] = ()) -> RowTrace:
        """Return where rows come from, down to the landing files."""
        if not isinstance(table, ContractTable) or not rows.num_rows:
            return RowTrace(table, rows, by)
        if table.layer == "silver":
            return RowTrace(table, rows, by, records=self.records.behind(table, rows))
        whole = self._inputs(table, partitions_of(table, rows))
        for shared, with_partition in self._ways(table, rows, whole):
            narrow = self._narrowed(table, rows, whole, shared)
            if with_partition:
                narrow = self._with_partition(table, rows, whole, narrow)
            if self._is_enough(table, rows, whole, narrow):
                break
        else:
            if is_wide(table):
                return RowTrace(table, rows, by, not_traceable_reason=_not_traceable(table))
            shared, narrow = dict.fromkeys(whole, ()), whole
        inputs = {}
        for parameter, frame in narrow.items():
            source = self.recomputation.tables[table.inputs[parameter]]
            if source is table:  # what a balance was before is behind it by the rows that it was made from
                continue
            columns = to_contract(frame, source.terms.contract) if isinstance(source, ContractTable) else frame
            found = _sorted(source, self.recomputation.engine.collect(columns))
            if reads_of(table, parameter).whole and not shared[parameter] and found.num_rows:
                inputs[parameter] = RowTrace(source, found, not_traceable_reason=_read_whole(table))
            else:
                inputs[parameter] = self.trace(source, found, shared[parameter])
        return RowTrace(table, rows, by, inputs)

    def _inputs(self, table: ContractTable, partitions: Sequence[dt.date]) -> dict[str, DataFrame]:
        """Return the inputs that some partitions are made from; what came after them is not behind a balance."""
        from pyspark.sql import functions as F  # noqa: N812

        frames = self.recomputation.inputs(table, partitions) or {}
        if self_input(table):
            for parameter, name in table.inputs.items():
                column = self.recomputation.tables[name].partition_column
                if column == table.partition_column and not reads_of(table, parameter).whole:
                    frames[parameter] = frames[parameter].where(F.col(column) <= F.lit(max(partitions)))
        return frames

    def _narrowed(
        self,
        table: ContractTable,
        rows: pa.Table,
        whole: Mapping[str, DataFrame],
        shared: Mapping[str, tuple[str, ...]],
    ) -> dict[str, DataFrame]:
        """Return the inputs' rows that have the values of rows in the columns they share; of sightings the first."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F  # noqa: N812

        found = {
            parameter: self.recomputation.semi_joined(frame, rows, shared[parameter]) if shared[parameter] else frame
            for parameter, frame in whole.items()
        }
        if isinstance(table, Scd2Table):
            key = table.history.natural_key
            for parameter, name in table.inputs.items():
                if time := table.history.sightings.get(name):
                    first = F.min(time).over(Window.partitionBy(key)).alias("_first")
                    seen = found[parameter].where(F.col(key).isNotNull()).select("*", first)
                    found[parameter] = seen.where(F.col(time) == F.col("_first")).drop("_first")
        return found

    def _is_enough(
        self, table: ContractTable, rows: pa.Table, whole: Mapping[str, DataFrame], narrow: Mapping[str, DataFrame]
    ) -> bool:
        """Whether the function makes of the narrowed inputs exactly what it makes for these rows of the whole ones."""
        expected = self.recomputation.matching(
            to_contract(table.transform(**whole), table.terms.contract), rows, key_of(table)
        )
        made = to_contract(table.transform(**narrow), table.terms.contract)
        if is_wide(table):  # it may make rows of other partitions, too, or other versions of a member
            return _counted(self.recomputation.matching(made, rows, key_of(table))) == _counted(expected)
        return _counted(self.recomputation.engine.collect(made)) == _counted(expected)

    def _ways(
        self, table: ContractTable, rows: pa.Table, whole: Mapping[str, DataFrame]
    ) -> Iterator[tuple[dict[str, tuple[str, ...]], bool]]:
        """Return columns by which the rows behind rows may be found, by the parameter, the most likely ones first.

        With them, whether all rows of the partition are behind a row, too: a balance has one for each that it knows of
        on a day on which anything else has happened.
        """
        usual = {
            parameter: self._named_by(table, parameter, {*frame.columns}.intersection(rows.column_names))
            for parameter, frame in whole.items()
        }
        wide = [
            parameter
            for parameter in whole
            if (parameter in table.reads or self_input(table))
            and not isinstance(self.recomputation.tables[table.inputs[parameter]], Scd2Table)
        ]
        is_narrow = all(usual[parameter] for parameter in wide)
        if is_narrow:
            yield usual, False
        if self_input(table):
            yield usual, True
            return
        names = [name for parameter in wide for name in whole[parameter].columns if name in rows.column_names]
        for name in dict.fromkeys(names):
            if _names_something(rows.schema.field(name).type):
                yield usual | {each: (name,) for each in wide if name in whole[each].columns}, False
        if not is_narrow:
            yield usual, False

    def _with_partition(
        self, table: ContractTable, rows: pa.Table, whole: Mapping[str, DataFrame], narrow: Mapping[str, DataFrame]
    ) -> dict[str, DataFrame]:
        """Return narrowed inputs with all rows of the same partitions, where they are not read whole."""
        found = dict(narrow)
        for parameter, name in table.inputs.items():
            column = self.recomputation.tables[name].partition_column
            if column == table.partition_column and name != table.full_name and not reads_of(table, parameter).whole:
                same = self.recomputation.semi_joined(whole[parameter], rows, [column])
                found[parameter] = narrow[parameter].unionByName(same).distinct()
        return found

    def _named_by(self, table: ContractTable, parameter: str, columns: Collection[str]) -> tuple[str, ...]:
        """Return the columns by which a row names those it is made from, of the columns that they share."""
        source, key = self.recomputation.tables[table.inputs[parameter]], key_of(table)
        if isinstance(table, Scd2Table):
            key = [table.history.natural_key]
        elif isinstance(source, Scd2Table):
            history = source.history
            key = [history.surrogate_key if history.surrogate_key in columns else history.natural_key]
        elif parameter in table.reads or self_input(table):
            key = [name for name in key if name != table.partition_column]
        return tuple(name for name in key if name in columns)


def _sorted(table: Table, rows: pa.Table) -> pa.Table:
    return rows.sort_by([(name, "ascending") for name in key_of(table)]) if isinstance(table, ContractTable) else rows


def _counted(rows: pa.Table) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows.to_pylist():
        text = repr(row)
        found[text] = found.get(text, 0) + 1
    return found


def _names_something(type_: pa.DataType) -> bool:
    """Whether values of a type can name a member, such as a customer, and are no figure or time."""
    import pyarrow as pa

    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_int64(type_))


def _not_traceable(table: ContractTable) -> str:
    behind = ", ".join(name for name in table.inputs.values() if name != table.full_name)
    return f"each row is made from many rows of {behind} together, so no few of them are behind it; trace those instead"


def _read_whole(table: ContractTable) -> str:
    return f"read by {table.full_name} whatever the row; trace the rows that matter instead"
