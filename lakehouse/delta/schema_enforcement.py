"""Schema enforcement: rows are cast to a table's columns, order and types, and a lossy cast is refused.

Belongs here: what a write refuses whatever engine commits it. Rows outside a predicate are the commit's own matter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lakehouse.delta.model import TableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

    from lakehouse.delta.model import TableLayout


_OTHER_KIND = "the types are of different kinds; cast the column in the transform"


def refuse_other_columns(layout: TableLayout, names: Sequence[str]) -> None:
    """Refuse rows that lack a column of the layout or have one that it does not declare."""
    missing = [name for name in layout.schema.names if name not in names]
    unknown = [name for name in names if name not in layout.schema.names]
    if missing or unknown:
        raise TableError(f"{layout.name}: missing columns {missing}, undeclared columns {unknown}")


def with_gone(layout: TableLayout, schema: pa.Schema, gone: str | None) -> tuple[TableLayout, pa.Schema]:
    """Return a layout and a table's columns as the rows of a merge must have them: with a column for those gone."""
    import pyarrow as pa

    if gone is None:
        return layout, schema
    if gone in schema.names:
        raise TableError(f"{layout.name} has a column {gone}; the one that says which rows are gone must be another")
    column = pa.field(gone, pa.bool_())
    return replace(layout, schema=layout.schema.append(column)), schema.append(column)


def refuse_repeated_keys(table: str, rows: pa.Table, key: Sequence[str]) -> None:
    """Refuse rows of which two have one key."""
    import pyarrow.compute as pc

    counted = rows.group_by(list(key)).aggregate([([], "count_all")])
    repeated = counted.filter(pc.greater(counted.column("count_all"), 1)).drop_columns("count_all")
    if repeated.num_rows:
        raise repeated_keys(table, key, repeated.slice(0, 3))


def repeated_keys(table: str, key: Sequence[str], some: pa.Table) -> TableError:
    """Return the error about keys that occur more than once, of which it names some."""
    named = ", ".join(str(tuple(row.values())) for row in some.to_pylist())
    return TableError(f"{table}: keys ({', '.join(key)}) occur more than once in the rows to merge, such as {named}")


def conform(layout: TableLayout, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Bring batches to the table's columns, order and types, without loss.

    A column that the table has and the layout does not is null.
    """
    import pyarrow as pa

    for batch in batches:
        refuse_other_columns(layout, batch.schema.names)
        columns = []
        for column in schema:
            if column.name not in layout.schema.names:
                columns.append(pa.nulls(batch.num_rows, column.type))
                continue
            values = batch.column(column.name)
            if values.null_count and not column.nullable:
                raise TableError(
                    f"{layout.name}: column {column.name} must not be null, and is in {values.null_count} rows"
                )
            try:
                columns.append(_cast(values, column.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise _does_not_fit(layout, column, values.type, error) from error
        yield pa.record_batch(columns, schema=schema)


def _cast(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Cast within a kind of types, where Arrow refuses what it cannot keep.

    Between kinds it parses, rounds and cuts without a word: a double becomes a decimal, a timestamp a date.
    """
    import pyarrow as pa

    if values.type == wanted:
        return values
    if not _alike(values.type, wanted):
        raise pa.ArrowInvalid(_OTHER_KIND)
    return values.cast(wanted, safe=True)


def _does_not_fit(layout: TableLayout, column: pa.Field, given: pa.DataType, why: object) -> TableError:
    return TableError(f"{layout.name}: column {column.name} is {given} and does not fit {column.type}: {why}")


def _alike(given: pa.DataType, wanted: pa.DataType) -> bool:
    from pyarrow import types

    return bool(types.is_null(given)) or _kind(given) == _kind(wanted)


def _kind(type_: pa.DataType) -> object:
    """Return what types that hold the same values have in common."""
    from pyarrow import types

    if types.is_dictionary(type_):
        return _kind(type_.value_type)
    kinds = (types.is_integer, types.is_decimal, types.is_timestamp)
    texts = (types.is_string, types.is_large_string, types.is_string_view)
    if any(is_text(type_) for is_text in texts):
        return "text"
    return next((kind for kind in kinds if kind(type_)), type_.id)


def conform_frame(layout: TableLayout, schema: pa.Schema, frame: DataFrame) -> DataFrame:
    """Do the same for a frame: what does not fit fails when the frame runs, and the error names the column."""
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it
    from pyspark.sql.pandas.types import from_arrow_type, to_arrow_schema

    refuse_other_columns(layout, frame.columns)
    given = to_arrow_schema(frame.schema, timezone="UTC")
    columns = []
    for column in schema:
        wanted = from_arrow_type(column.type)
        if column.name not in layout.schema.names:
            columns.append(F.lit(None).cast(wanted).alias(column.name))
            continue
        type_ = given.field(column.name).type
        if not _alike(type_, column.type):
            raise _does_not_fit(layout, column, type_, _OTHER_KIND)
        columns.append(_checked(layout, F.col(f"`{column.name}`"), type_, column).alias(column.name))
    return frame.select(*columns)


def _checked(layout: TableLayout, value: Column, given: pa.DataType, wanted: pa.Field) -> Column:
    """Cast a column of a frame, where the row's own value is an error if the cast does not keep it."""
    from pyspark.sql import functions as F  # noqa: N812
    from pyspark.sql.pandas.types import from_arrow_type

    if given == wanted.type:
        return value
    cast = value.try_cast(from_arrow_type(wanted.type))
    told = f"{layout.name}: column {wanted.name} is {given} and does not fit {wanted.type}: "
    refused = F.raise_error(F.concat(F.lit(told), value.cast("string"))).cast(from_arrow_type(wanted.type))
    return F.when(value.isNull() | (cast == value), cast).otherwise(refused)
