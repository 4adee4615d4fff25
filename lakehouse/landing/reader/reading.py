"""The way in: one landing file of a declared format, as record batches.

Belongs here: choosing the format's reader, and turning a refusal into a row. Content never raises; storage may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from lakehouse.landing.reader.batches import refused_batch
from lakehouse.landing.reader.columns import FileColumns
from lakehouse.landing.reader.csv_reader import read_csv
from lakehouse.landing.reader.decoding import decoded_blocks
from lakehouse.landing.reader.faults import FileRefused
from lakehouse.landing.reader.formats import CsvFormat, JsonLinesFormat, LandingFormat
from lakehouse.landing.reader.jsonl_reader import read_json_lines
from lakehouse.landing.reader.parquet_reader import read_parquet

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

_BLOCK_BYTES: Final = 2 << 20  # measured: larger blocks are no faster and cost memory


def read(
    file: BinaryIO,
    format: LandingFormat,  # noqa: A002
    *,
    block_bytes: int = _BLOCK_BYTES,
    columns: FileColumns | None = None,
) -> Iterator[pa.RecordBatch]:
    """Read a landing file, good and rejected records alike, in bounded memory.

    A file that must be refused ends with one row whose ``reject_reason`` starts with ``file:`` and whose
    ``source_record`` is null. Rows may have been yielded before it: the caller drops them all.

    Args:
        file: opened for reading bytes, at its start. Parquet seeks where it can and is spooled to disk where not.
        format: what the source declares about its files. Gzip is recognised by its first bytes.
        block_bytes: how much is read and judged at a time. It never changes what is yielded, only in which batches.
        columns: takes note of the columns the file has; complete when the last batch has been yielded.

    Yields:
        Batches of ``format.schema``. Good records have a null ``reject_reason``. Within the file records are numbered
        from 1 (CSV: rejected records count, blank lines do not; JSON lines: the line number).

    Raises:
        OSError: the storage failed. What the file contains never raises.
    """
    try:
        yield from _batches(file, format, block_bytes, FileColumns() if columns is None else columns)
    except FileRefused as refusal:
        yield refused_batch(format.schema, str(refusal))


def _batches(
    file: BinaryIO, declared: LandingFormat, block_bytes: int, columns: FileColumns
) -> Iterator[pa.RecordBatch]:
    if isinstance(declared, CsvFormat):
        return read_csv(decoded_blocks(file, declared.encoding, block_bytes), declared, columns)
    if isinstance(declared, JsonLinesFormat):
        return read_json_lines(decoded_blocks(file, declared.encoding, block_bytes), declared, columns)
    return read_parquet(file, declared, block_bytes, columns)
