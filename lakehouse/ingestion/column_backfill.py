"""Column backfill: values that were rescued before their column was declared, moved into the column.

Belongs here: which rows of bronze have such values, and what becomes of such a row. Bronze is append-only: the rows are
appended again, whole days of a file at a time, and as the newest batch of the file they replace the old ones. When that
happens and how it survives a crash is for ``batches``.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import operator
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.delta.predicates import Predicate
from lakehouse.ingestion.bronze_rows import SUPERSEDED, bronze_layout
from lakehouse.ingestion.manifest import Refill
from lakehouse.ingestion.schema_drift import same_column
from lakehouse.landing.reader.rescued import decode_object, rescued_text, value_text

if TYPE_CHECKING:
    from collections.abc import Callable

    import msgspec
    from pyspark.sql import Column

    from lakehouse.engines.base import Engine
    from lakehouse.ingestion.staging import Source


@dataclass(frozen=True)
class FileRefill:
    """The current rows of one file on the days where some of them hold rescued values of a declared column.

    Attributes:
        batches: by day, the numbers of the batches whose rows count.
        rows: how many there are.
    """

    source_file: str
    landing_date: dt.date
    batches: Mapping[dt.date, Collection[int]]
    rows: int


def find_refill(engine: Engine, source: Source, columns: Sequence[str]) -> Refill | None:
    """Return the days on which current rows hold rescued values of some columns; None where no row does."""
    bronze = engine.read(bronze_layout(source).name)
    rescued = engine.collect(bronze.where(_holds(source, columns)).select("business_date").distinct())
    days = rescued["business_date"].to_pylist()
    files = files_to_refill(engine, source, columns, days) if days else []
    if not files:
        return None
    found = {day for file in files for day in file.batches}
    return Refill(columns, sorted(found), min(file.landing_date for file in files))


def _holds(source: Source, columns: Sequence[str]) -> Column:
    """Return whether a row's rescued data has one of some columns; a key within a value counts, too."""
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    rescued, same = F.col("rescued_data"), same_column(source.format)
    if same is str:
        keys = [rescued.contains(_key(name)) for name in columns]
    elif all(name.isascii() for name in columns):
        keys = [F.lower(rescued).contains(_key(name).lower()) for name in columns]
    else:  # an engine's lower case is not what names have in common
        keys = [rescued.isNotNull()]
    return F.coalesce(functools.reduce(operator.or_, keys), F.lit(False))  # noqa: FBT003 - a literal


def _key(name: str) -> str:
    """Return a column's name as ``rescued_text`` writes it."""
    return f"{json.dumps(name, ensure_ascii=False)}:"


def files_to_refill(
    engine: Engine, source: Source, columns: Sequence[str], days: Sequence[dt.date]
) -> list[FileRefill]:
    """Return the files whose current rows hold rescued values of some columns, on some days."""
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    bronze = engine.read(bronze_layout(source).name, Predicate("business_date", tuple(days)))
    reason = F.coalesce(F.col("reject_reason"), F.lit(""))
    kind = F.when(reason.startswith(SUPERSEDED), "mark").when(reason.startswith("file:"), "refusal").otherwise("row")
    of_version = ("business_date", "source_file", "landing_date", "batch_id", "source_version")
    counted = bronze.groupBy(*of_version, kind.alias("kind")).agg(
        F.count(F.lit(1)).alias("rows"), F.count(F.when(_holds(source, columns), 1)).alias("rescued")
    )
    by_day: dict[tuple[str, dt.date], list[Mapping[str, Any]]] = defaultdict(list)
    for version in engine.collect(counted).to_pylist():
        by_day[version["source_file"], version["business_date"]].append(version)
    found: dict[str, FileRefill] = {}
    for (file, day), versions in sorted(by_day.items()):
        standing = _standing(versions)
        if any(version["rescued"] for version in standing):
            before = found.get(file)
            found[file] = FileRefill(
                file,
                standing[0]["landing_date"],
                {**(before.batches if before else {}), day: {version["batch_id"] for version in standing}},
                (before.rows if before else 0) + sum(version["rows"] for version in standing),
            )
    return list(found.values())


def _standing(versions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return what counts of a file on a day: its newest readable version, and a later refusal beside it."""
    readable = max((each["batch_id"] for each in versions if each["kind"] != "refusal"), default=-1)
    refused = max((each["batch_id"] for each in versions if each["kind"] == "refusal"), default=-1)
    return [
        each
        for each in versions
        if (each["kind"] == "row" and each["batch_id"] == readable)
        or (each["kind"] == "refusal" and each["batch_id"] == refused >= readable)
    ]


def refilled_rows(
    engine: Engine, source: Source, files: Sequence[FileRefill], columns: Sequence[str], number: int, now: dt.datetime
) -> pa.Table:
    """Return the rows of some files for a new batch, of those days on which a value finds its column."""
    layout = bronze_layout(source)
    days = {day for file in files for day in file.batches}
    bronze = engine.read(layout.name, Predicate("business_date", tuple(days)))
    wanted = {
        (file.source_file, day, batch) for file in files for day, batches in file.batches.items() for batch in batches
    }
    some = bronze.where(bronze["source_file"].isin(sorted({file for file, _, _ in wanted}))).where(
        bronze["batch_id"].isin(sorted({batch for _, _, batch in wanted}))
    )
    rows = engine.collect(some)
    chosen = _is_one_of(rows, wanted)
    marks = pc.fill_null(pc.starts_with(rows["reject_reason"], SUPERSEDED), fill_value=False)
    rows = rows.filter(pc.and_(chosen, pc.invert(marks)))
    moved = moved_values(rows, layout.schema, same_column(source.format), columns)
    constant = {"batch_id": number, "ingestion_timestamp": now}
    moved_table = pa.table(
        [
            pa.repeat(pa.scalar(constant[column.name], column.type), rows.num_rows)
            if column.name in constant
            else moved.values[column.name]
            for column in layout.schema
        ],
        schema=layout.schema,
    )
    return moved_table.filter(_whole_days(moved_table, moved.changed))


def _is_one_of(rows: pa.Table, wanted: Collection[tuple[str, dt.date, int]]) -> pa.Array:
    names = ("source_file", "business_date", "batch_id")
    there = zip(*(rows[name].to_pylist() for name in names), strict=True)
    return pa.array([each in wanted for each in there], pa.bool_())


def _whole_days(rows: pa.Table, changed: Sequence[bool]) -> pa.Array:
    """Return which rows belong to a file and day of which some row has changed."""
    of_row = list(zip(rows["source_file"].to_pylist(), rows["business_date"].to_pylist(), strict=True))
    taken = {each for each, is_changed in zip(of_row, changed, strict=True) if is_changed}
    return pa.array([each in taken for each in of_row], pa.bool_())


@dataclass(frozen=True)
class Moved:
    """Columns of bronze after values were moved, by name; and, by row, whether one was."""

    values: Mapping[str, Any]
    changed: Sequence[bool]


def moved_values(rows: pa.Table, schema: pa.Schema, same: Callable[[str], str], columns: Sequence[str]) -> Moved:
    """Move rescued values into their columns, as if the file were read with the columns declared.

    A value that its column cannot hold, or that finds the column filled, stays where it is.

    Args:
        rows: rows of bronze; columns that the table does not have yet are null.
        schema: of the result.
        same: what the names of one column have in common, see ``drift.same_column``.
        columns: the columns to fill.
    """
    values: dict[str, Any] = {
        field.name: rows[field.name].combine_chunks().cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    }
    filled = {same(name): values[name].to_pylist() for name in columns}
    types = {same(name): schema.field(name).type for name in columns}
    rescued = values["rescued_data"].to_pylist()
    changed = [False] * len(rescued)
    for place, text in enumerate(rescued):
        if text is None:
            continue
        kept: dict[str, msgspec.Raw] = {}
        for name, raw in decode_object(text).items():
            into = filled.get(same(name))
            if into is None or into[place] is not None:
                kept[name] = raw
                continue
            try:
                into[place] = _value(raw, types[same(name)])
            except (ValueError, ArithmeticError):
                kept[name] = raw
            else:
                changed[place] = True
        if changed[place]:
            rescued[place] = rescued_text(kept)
    values |= {name: pa.array(filled[same(name)], schema.field(name).type) for name in columns}
    values["rescued_data"] = pa.array(rescued, pa.string())
    return Moved(values, changed)


def _value(raw: msgspec.Raw, type_: pa.DataType) -> Any:
    """Read a rescued value as its column's type, which is text in every format but Parquet.

    Raises:
        ValueError: it is none of that type, or does not fit it; ArithmeticError: the same.
    """
    text = value_text(raw)
    if text is None:
        return None
    if "\0" in text:
        raise ValueError("a text that tables do not hold")
    if pa.types.is_string(type_):
        return text
    value = _parsed(text, type_)
    pa.array([value], type_)
    return value


def _parsed(text: str, type_: pa.DataType) -> Any:
    if pa.types.is_boolean(type_):
        return ("false", "true").index(text) == 1
    if pa.types.is_integer(type_):
        return int(text)
    if pa.types.is_decimal(type_):
        return Decimal(text)
    if pa.types.is_date(type_):
        return dt.date.fromisoformat(text)
    when = dt.datetime.fromisoformat(text)
    return when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when


def groups(files: Sequence[FileRefill], rows: int) -> Iterator[list[FileRefill]]:
    """Split files into groups of about so many rows; a file is never split."""
    group: list[FileRefill] = []
    for file in files:
        if group and sum(each.rows for each in group) + file.rows > rows:
            yield group
            group = []
        group.append(file)
    if group:
        yield group
