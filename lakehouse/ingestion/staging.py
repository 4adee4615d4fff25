"""Staging: one landing file, read once and whole, before anything of it is committed.

Belongs here: hashing a file, running the landing reader over it, finding each row's business date, and keeping the
rows on local disk until the batch is committed. A file that turns out to be refused leaves one row: its refusal.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.ingestion.schema_drift import Drift, Samples, find_drift
from lakehouse.landing.control_totals import announced
from lakehouse.landing.reader import CsvFormat, FileColumns, JsonLinesFormat, ParquetFormat, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakehouse.landing.zone import Landing, LandingObject

_READ_AT_ONCE = 1 << 20
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
        refuses_drift: a file whose columns are not the declared ones is refused whole.
    """

    name: str
    format: CsvFormat | JsonLinesFormat | ParquetFormat
    business_date: str
    refuses_drift: bool = False


@dataclass(frozen=True)
class StagedFile:
    """A file that was read, and the local file with its rows.

    Attributes:
        version: sha256 of its bytes, in hex.
        records: records the file holds, good and rejected.
        rejected_records: records the reader could not read.
        business_dates: the dates its rows belong to.
        refusal: why the whole file was refused, or None.
        path: an Arrow stream of the reader's columns and ``business_date``; None where it was not kept.
        drift: how its columns differ from those declared.
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
    path: Path | None
    drift: tuple[Drift, ...] = ()


@dataclass(frozen=True)
class FoundFile:
    """A landing file that is to be taken in.

    Attributes:
        found: the object as listed.
        landing_date: the date of its key; rows without a sound date of their own fall back to it.
        calendar: the first and the last date a row can have; others are absurd.
    """

    found: LandingObject
    landing_date: dt.date
    calendar: tuple[dt.date, dt.date]


@dataclass(frozen=True)
class Stage:
    """Stages files of a source, on whichever machine: it can be pickled.

    Attributes:
        folder: where to keep the rows, or None to keep only what is said of them.
    """

    landing: Landing
    source: Source
    folder: Path | None

    def __call__(self, file: FoundFile) -> StagedFile | None:
        """Return a file staged, or None where it is being written to or gone."""
        try:
            if self.folder is not None:
                return stage(self.landing, file, self.source, self.folder)
            with tempfile.TemporaryDirectory(prefix="lakehouse-staging-") as folder:
                return replace(stage(self.landing, file, self.source, Path(folder)), path=None)
        except (FileChangedError, FileNotFoundError):
            return None

    def rows(self, file: FoundFile, staged: StagedFile) -> Iterator[pa.RecordBatch]:
        """Stream the rows of a staged file; where they were not kept, it is read again.

        Raises:
            FileChangedError: it is not the file that was staged any more.
        """
        if staged.path is not None:
            with pa.OSFile(str(staged.path)) as spool, pa.ipc.open_stream(spool) as reader:
                yield from reader
            return
        with tempfile.TemporaryDirectory(prefix="lakehouse-staging-") as folder:
            again = stage(self.landing, file, self.source, Path(folder))
            if again.version != staged.version:
                raise FileChangedError(f"{staged.key} was written to after it was staged")
            yield from self.rows(file, again)


def stage(landing: Landing, file: FoundFile, source: Source, folder: Path) -> StagedFile:
    """Read one landing file into an Arrow stream in a local folder.

    Raises:
        FileChangedError: it was written to meanwhile.
        OSError: the storage failed.
    """
    found, landing_date = file.found, file.landing_date
    with landing.open(found.key) as opened:
        hashed = _Hashed(opened, in_order=not isinstance(source.format, ParquetFormat))
        path = folder / f"{hashlib.sha256(found.key.encode()).hexdigest()[:16]}.arrow"
        schema = source.format.schema.append(pa.field("business_date", pa.date32()))
        records = rejected = 0
        days: Counter[dt.date] = Counter()
        refusal = None
        columns, samples = FileColumns(), Samples()
        control = announced(landing, found.key)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            for batch in read(hashed.file, source.format, columns=columns):
                refusal = _refusal(batch)
                if refusal is not None:
                    break
                dates = _business_dates(batch.column(source.business_date), landing_date, file.calendar)
                writer.write_batch(pa.record_batch([*batch.columns, dates], schema=schema))
                samples.look(batch.column("rescued_data"))
                if control is not None:
                    control.count(batch)
                records += batch.num_rows
                rejected += batch.num_rows - batch.column("reject_reason").null_count
                days.update(_counts(dates))
        version = hashed.hexdigest()
        if landing.etag(found.key) != found.etag:
            raise FileChangedError(f"{found.key} was written to while it was read")
    drift = find_drift(source.format, columns, samples.found)
    if drift and refusal is None and source.refuses_drift:
        refusal = f"file:drift: {'; '.join(each.sentence for each in drift)}"
    if control is not None and refusal is None:
        refusal = control.refusal()
    if refusal is not None:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            writer.write_batch(about_file(schema, refusal, landing_date))
        records, rejected, days = 0, 0, Counter({landing_date: 1})
    return StagedFile(
        key=found.key,
        etag=found.etag,
        size=found.size,
        landing_date=landing_date,
        version=version,
        records=records,
        rejected_records=rejected,
        business_dates=tuple(sorted(days)),
        refusal=refusal,
        path=path,
        drift=drift,
    )


class _Hashed:
    """A file that is hashed while it is read, so that it is read once; one not read in order is hashed first."""

    def __init__(self, opened: BinaryIO, *, in_order: bool) -> None:
        self._opened = opened
        self._digest = hashlib.sha256()
        self._in_order = in_order
        self.file = cast("BinaryIO", self) if in_order else opened
        if not in_order:
            self._read_to_the_end()
            opened.seek(0)

    def read(self, size: int = -1) -> bytes:
        data = self._opened.read(size)
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        """Return the sha256 of the whole file, of which a reader may have left the end unread."""
        if self._in_order:
            self._read_to_the_end()
        return self._digest.hexdigest()

    def _read_to_the_end(self) -> None:
        while self.read(_READ_AT_ONCE):
            pass


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
