"""Bronze rows: what bronze adds to a record as the reader gave it.

Belongs here: the columns every bronze table has beside its source's own, and the parts of a commit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.delta.model import TableLayout
from lakehouse.ingestion.staging import FoundFile, Stage, StagedFile, about_file

if TYPE_CHECKING:
    from lakehouse.ingestion.staging import Source

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
SUPERSEDED = "file:superseded"
"""How the reason of a mark begins: the file's newest version has no rows for the day."""


def bronze_layout(source: Source) -> TableLayout:
    """Return the Delta table of a source's rows as received."""
    own = [field for field in source.format.schema if field.name not in {name for name, _, _ in METADATA}]
    schema = pa.schema([*own, *[pa.field(name, type_) for name, type_, _ in METADATA]])
    return TableLayout(
        f"bronze.{source.name}",
        schema,
        ("business_date",),
        {"delta.appendOnly": "true"},
        statistics=(source.business_date, "source_file", "batch_id"),
    )


@dataclass(frozen=True)
class FileRows:
    """The rows of one file of a batch: a part of its append, on whichever machine.

    Attributes:
        number: the batch's number.
        now: the time of ingestion.
    """

    stage: Stage
    file: FoundFile
    staged: StagedFile
    number: int
    now: dt.datetime

    def __call__(self) -> Iterator[pa.RecordBatch]:
        """Stream the rows, with what bronze adds to each."""
        for rows in self.stage.rows(self.file, self.staged):
            yield self.with_metadata(rows)

    def with_metadata(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Add bronze's columns to rows of the file."""
        constant = {
            "ingestion_timestamp": self.now,
            "source_file": self.staged.key,
            "data_source": self.stage.source.name,
            "source_version": self.staged.version,
            "landing_date": self.staged.landing_date,
            "batch_id": self.number,
        }
        layout = bronze_layout(self.stage.source)
        columns = [
            pa.repeat(pa.scalar(constant[column.name], column.type), rows.num_rows)
            if column.name in constant
            else rows.column(column.name)
            for column in layout.schema
        ]
        return pa.record_batch(columns, schema=layout.schema)


@dataclass(frozen=True)
class SupersededMark:
    """The one row that says that an older version of a file had rows for a day and this one has not."""

    rows: FileRows
    day: dt.date

    def __call__(self) -> Iterator[pa.RecordBatch]:
        """Yield the mark."""
        schema = self.rows.stage.source.format.schema.append(pa.field("business_date", pa.date32()))
        reason = f"{SUPERSEDED}: {self.rows.staged.version} has no rows for this day"
        yield self.rows.with_metadata(about_file(schema, reason, self.day))
