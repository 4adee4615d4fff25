"""Bronze rows: what bronze adds to a record as the reader gave it.

Belongs here: the columns every bronze table has beside its source's own, and the batches of a commit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from resources.engine import TableLayout
from resources.staging import StagedFile, about_file

if TYPE_CHECKING:
    from resources.staging import Source

METADATA = (
    ("ingestion_timestamp", pa.timestamp("us", tz="UTC"), "when the row was appended, UTC"),
    ("source_file", pa.string(), "key of the landing file, below the landing root"),
    ("data_source", pa.string(), "name of the source"),
    ("source_version", pa.string(), "sha256 of the file's bytes"),
    ("source_record", pa.int64(), "number of the record in the file, from 1; null: about the file"),
    ("landing_date", pa.date32(), "date in the file's key"),
    ("business_date", pa.date32(), "date the row is about; the partition"),
    ("batch_id", pa.int64(), "number of the atomic append; of a file's versions the highest counts"),
    ("rescued_data", pa.string(), "undeclared columns as JSON"),
    ("reject_reason", pa.string(), "why the reader could not read the record; null: it could"),
    ("raw_record", pa.string(), "an unreadable record as received"),
    ("raw_record_base64", pa.string(), "its exact bytes, where text cannot hold them"),
)
"""The columns bronze adds to the source's own: name, type, meaning."""


def bronze_layout(source: Source) -> TableLayout:
    """Return the Delta table of a source's rows as received."""
    own = [field for field in source.format.schema if field.name not in {name for name, _, _ in METADATA}]
    schema = pa.schema([*own, *[pa.field(name, type_) for name, type_, _ in METADATA]])
    return TableLayout(f"bronze.{source.name}", schema, ("business_date",), {"delta.appendOnly": "true"})


def bronze_rows(
    source: Source,
    files: Iterable[StagedFile],
    superseded: Iterable[tuple[StagedFile, dt.date]],
    number: int,
    now: dt.datetime,
) -> Iterator[pa.RecordBatch]:
    """Stream the rows of a batch.

    Args:
        source: the source of the files.
        files: staged files, whose rows are taken.
        superseded: files and days that an older version had rows for and this one has not: a mark each.
        number: the batch's number.
        now: the time of ingestion.
    """
    layout = bronze_layout(source)
    staged_schema = source.format.schema.append(pa.field("business_date", pa.date32()))
    for staged in files:
        for rows in staged.batches():
            yield _with_metadata(layout, rows, staged, source, number, now)
    for staged, day in superseded:
        mark = about_file(staged_schema, f"file:superseded: {staged.version} has no rows for this day", day)
        yield _with_metadata(layout, mark, staged, source, number, now)


def _with_metadata(
    layout: TableLayout, rows: pa.RecordBatch, staged: StagedFile, source: Source, number: int, now: dt.datetime
) -> pa.RecordBatch:
    constant = {
        "ingestion_timestamp": now,
        "source_file": staged.key,
        "data_source": source.name,
        "source_version": staged.version,
        "landing_date": staged.landing_date,
        "batch_id": number,
    }
    columns = [
        pa.repeat(pa.scalar(constant[column.name], column.type), rows.num_rows)
        if column.name in constant
        else rows.column(column.name)
        for column in layout.schema
    ]
    return pa.record_batch(columns, schema=layout.schema)
