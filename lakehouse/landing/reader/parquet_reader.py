"""Reading Parquet: the declared columns in their declared types, undeclared ones rescued as JSON.

Belongs here: matching a file's columns, the course through its row groups, and telling a broken file from failing
storage. What may be cast, and how undeclared values are written, is in ``parquet_values``.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.landing.reader.batches import good_batch
from lakehouse.landing.reader.faults import FileRefused
from lakehouse.landing.reader.parquet_values import cast_lossless, rescued_json

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from lakehouse.landing.reader.columns import FileColumns
    from lakehouse.landing.reader.formats import ParquetFormat

_MOST_ROWS: Final = 64 << 10
"""Rows in a batch at most; a row of a highly compressed file may say little about its decoded size."""


def read_parquet(
    file: BinaryIO, declared: ParquetFormat, block_bytes: int, columns: FileColumns
) -> Iterator[pa.RecordBatch]:
    """Read a Parquet file in batches of about ``block_bytes``, and note its columns and their types.

    Raises:
        FileRefused: the file is broken, or its columns do not fit the format.
        OSError: the storage failed.
    """
    with _seekable(file) as seekable:
        storage = _Storage(seekable)
        batches = _batches(storage, declared, block_bytes, columns)
        while (batch := _next(batches, storage)) is not None:
            yield batch


def _next(batches: Iterator[pa.RecordBatch], storage: _Storage) -> pa.RecordBatch | None:
    """The next batch. pyarrow raises OSError for broken content too: only what the storage raised is the storage's."""
    try:
        return next(batches, None)
    except (pa.ArrowException, OSError, ValueError) as error:
        if storage.failure is not None:
            raise storage.failure from error
        raise FileRefused("parquet", " ".join(str(error).split())) from error


def _batches(
    storage: _Storage, declared: ParquetFormat, block_bytes: int, noted: FileColumns
) -> Iterator[pa.RecordBatch]:
    parquet = pq.ParquetFile(
        pa.PythonFile(storage, mode="r"),
        buffer_size=1 << 20,  # stream column chunks, or a whole row group would be held in memory
        pre_buffer=False,
        page_checksum_verification=True,
        coerce_int96_timestamp_unit="us",  # as Spark means them; nanoseconds would overflow at the year 2262
    )
    schema = declared.schema
    noted.note(parquet.schema_arrow.names)
    noted.types |= {column.name: column.type for column in parquet.schema_arrow}
    places = _places(parquet.schema_arrow.names, declared)
    undeclared = [place for place in range(len(parquet.schema_arrow)) if place not in places]
    records = 0
    for batch in parquet.iter_batches(batch_size=_rows_in(parquet.metadata, block_bytes), use_threads=False):
        batch.validate(full=True)
        columns = [
            None if place is None else cast_lossless(batch.column(place), schema.field(name).type, name)
            for place, (name, _) in zip(places, declared.columns, strict=True)
        ]
        numbers = np.arange(records + 1, records + 1 + batch.num_rows)
        records += batch.num_rows
        yield good_batch(schema, columns, numbers, rescued_json(batch.select(undeclared)) if undeclared else None)


def _places(names: list[str], declared: ParquetFormat) -> list[int | None]:
    """For each declared column its place in the file, or None where the file has none."""
    places = {name.casefold(): place for place, name in enumerate(names)}
    if len(places) < len(names):
        raise FileRefused("schema", f"a column occurs twice in {names}")
    found = [places.get(name.casefold()) for name, _ in declared.columns]
    if all(place is None for place in found):
        raise FileRefused("schema", f"none of the columns {[name for name, _ in declared.columns]} in {names}")
    return found


def _rows_in(metadata: pq.FileMetaData, block_bytes: int) -> int:
    decoded_bytes = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    bytes_a_row = max(1, int(decoded_bytes) // max(1, int(metadata.num_rows)))
    return min(_MOST_ROWS, max(1, block_bytes // bytes_a_row))


@contextmanager
def _seekable(file: BinaryIO) -> Iterator[BinaryIO]:
    """The file itself, or, where it cannot seek, a copy on disk for as long as it is read."""
    if file.seekable():
        yield file
        return
    with tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(file, spool, 1 << 20)
        spool.seek(0)
        yield spool


class _Storage(io.RawIOBase):
    """Passes reads on and remembers the storage's own failure, which pyarrow's errors do not let one recognise."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failure: OSError | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer).cast("B")
        data = self.read(len(room))
        room[: len(data)] = data
        return len(data)

    def read(self, size: int = -1, /) -> bytes:
        with self._remembering():
            return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        with self._remembering():
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        with self._remembering():
            return self._file.tell()

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failure = error
            raise
