"""Staging: one landing file, read once and whole, before anything of it is committed.

Belongs here: hashing a file, running the landing reader over it, finding each row's business date, and keeping the
rows on local disk until the batch is committed. A file that turns out to be refused leaves one row: its refusal.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.compute as pc

from resources.landing_reader import CsvFormat, JsonLinesFormat, ParquetFormat, read

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from resources.landing import Landing, LandingObject

_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_ZONE = r"\d{2}:\d{2}.*[+-]\d{2}(:?\d{2})?$"


class FileChangedError(Exception):
    """A file was written to while it was read; it will be listed again with a new etag."""


@dataclass(frozen=True)
class Source:
    """A source of landing files.

    Attributes:
        name: the folder below the landing root, and the name of the bronze table.
        format: how its files are read.
        business_date: the column that says when a row happened: ISO 8601 text, a date or a timestamp.
    """

    name: str
    format: CsvFormat | JsonLinesFormat | ParquetFormat
    business_date: str


@dataclass(frozen=True)
class StagedFile:
    """A file that was read, and the local file with its rows.

    Attributes:
        version: sha256 of its bytes, in hex.
        records: records the file holds, good and rejected.
        rejected_records: records the reader could not read.
        business_dates: the dates its rows belong to.
        refusal: why the whole file was refused, or None.
        path: an Arrow stream of the reader's columns and ``business_date``.
    """

    key: str
    etag: str
    size: int
    landing_date: dt.date
    version: str
    records: int
    rejected_records: int
    business_dates: tuple[dt.date, ...]
    refusal: str | None
    path: Path

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Stream the staged rows."""
        with pa.OSFile(str(self.path)) as file, pa.ipc.open_stream(file) as reader:
            yield from reader


def stage(
    landing: Landing,
    found: LandingObject,
    landing_date: dt.date,
    source: Source,
    folder: Path,
    calendar: tuple[dt.date, dt.date],
) -> StagedFile:
    """Read one landing file into a local Arrow stream.

    Args:
        landing: the landing zone.
        found: the object as listed.
        landing_date: the date of its key; rows without a sound date of their own fall back to it.
        source: how to read it.
        folder: where to keep the rows.
        calendar: the first and the last date a row can have; others are absurd.

    Raises:
        FileChangedError: it was written to meanwhile.
        OSError: the storage failed.
    """
    with landing.open(found.key) as file:
        version = hashlib.file_digest(cast("io.BufferedReader", file), "sha256").hexdigest()
        file.seek(0)
        path = folder / f"{hashlib.sha256(found.key.encode()).hexdigest()[:16]}.arrow"
        schema = source.format.schema.append(pa.field("business_date", pa.date32()))
        records = rejected = 0
        days: Counter[dt.date] = Counter()
        refusal = None
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            for batch in read(file, source.format):
                refusal = _refusal(batch)
                if refusal is not None:
                    break
                dates = _business_dates(batch.column(source.business_date), landing_date, calendar)
                writer.write_batch(pa.record_batch([*batch.columns, dates], schema=schema))
                records += batch.num_rows
                rejected += batch.num_rows - batch.column("reject_reason").null_count
                days.update(_counts(dates))
        if landing.etag(found.key) != found.etag:
            raise FileChangedError(f"{found.key} was written to while it was read")
    if refusal is not None:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            writer.write_batch(about_file(schema, refusal, landing_date))
        records, rejected, days = 0, 0, Counter({landing_date: 1})
    return StagedFile(
        found.key, found.etag, found.size, landing_date, version, records, rejected, tuple(sorted(days)), refusal, path
    )


def about_file(schema: pa.Schema, reason: str, day: dt.date) -> pa.RecordBatch:
    """Return the one row that says something about a file instead of holding a record of it."""
    values = {"reject_reason": reason, "business_date": day}
    return pa.RecordBatch.from_pylist([{name: values.get(name) for name in schema.names}], schema=schema)


def _refusal(batch: pa.RecordBatch) -> str | None:
    reasons = batch.column("reject_reason")
    if reasons.null_count == len(reasons):
        return None
    refused = reasons.filter(pc.fill_null(pc.starts_with(reasons, "file:"), fill_value=False))
    return refused[0].as_py() if len(refused) else None


def _counts(dates: pa.Array) -> dict[dt.date, int]:
    return {pair["values"]: pair["counts"] for pair in pc.value_counts(dates).to_pylist()}


def _business_dates(values: pa.Array, landing_date: dt.date, calendar: tuple[dt.date, dt.date]) -> pa.Array:
    """Return each row's own date, or the landing date where it has none that can be believed."""
    if pa.types.is_string(values.type):
        values = pc.utf8_trim_whitespace(values)  # as silver does
        zoned = pc.fill_null(pc.match_substring_regex(values, _ZONE), fill_value=False)
        encoded = pc.if_else(zoned, values, pc.utf8_slice_codeunits(values, 0, 10)).dictionary_encode()
        days = pa.array([_day(text) for text in encoded.dictionary.to_pylist()], pa.date32())
        own = days.take(encoded.indices)
    else:
        own = values.cast(pa.date32(), safe=False)
    first, last = (pa.scalar(day, pa.date32()) for day in calendar)
    believed = pc.and_(pc.greater_equal(own, first), pc.less_equal(own, last))
    return pc.if_else(pc.fill_null(believed, fill_value=False), own, pa.scalar(landing_date, pa.date32()))


def _day(text: str | None) -> dt.date | None:
    """Read the UTC date of ISO 8601 text."""
    if text is None:
        return None
    try:
        if _ISO_DAY.fullmatch(text):
            return dt.date.fromisoformat(text)
        return dt.datetime.fromisoformat(text).astimezone(dt.UTC).date() if re.search(_ZONE, text) else None
    except (ValueError, OverflowError):  # the latter: its UTC date lies before or after all dates
        return None
