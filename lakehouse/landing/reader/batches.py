"""Record batches of good and of rejected records, in a format's schema.

Belongs here: the layout of what the reader yields. Which records are good is decided elsewhere.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.landing.reader.arrays import integers, texts
from lakehouse.landing.reader.formats import RECORD_FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from lakehouse.landing.reader.faults import RejectedRecord


def good_batch(
    schema: pa.Schema,
    declared: Sequence[pa.Array | None],
    numbers: np.ndarray | Sequence[int],
    rescued: pa.Array | None = None,
) -> pa.RecordBatch:
    """Build a batch of readable records.

    Args:
        schema: the format's.
        declared: a column for each declared one; None where the file has none, read as null.
        numbers: the records' 1-based places in the file.
        rescued: undeclared columns as JSON text, one object a record.
    """
    rows = len(numbers)
    no_text = pa.nulls(rows, pa.string())
    columns = [
        pa.nulls(rows, field.type) if column is None else column
        for field, column in zip(schema, declared, strict=False)  # the schema's further fields follow below
    ]
    record = [integers(numbers), no_text if rescued is None else rescued, no_text, no_text, no_text]
    return pa.record_batch([*columns, *record], schema=schema)


def rejected_batch(schema: pa.Schema, rejected: Sequence[RejectedRecord], encoding: str) -> pa.RecordBatch:
    """Build a batch of rejected records: no values, but number, reason and the record as received.

    Args:
        schema: the format's.
        rejected: the records.
        encoding: of their raw bytes.
    """
    raw = [_readable(record.raw, encoding) for record in rejected]
    declared = [pa.nulls(len(rejected), field.type) for field in list(schema)[: -len(RECORD_FIELDS)]]
    record = [
        integers([record.number for record in rejected]),
        pa.nulls(len(rejected), pa.string()),
        texts([record.reason for record in rejected]),
        texts([text for text, _ in raw]),
        texts([exact for _, exact in raw]),
    ]
    return pa.record_batch([*declared, *record], schema=schema)


def refused_batch(schema: pa.Schema, reason: str) -> pa.RecordBatch:
    """Build the one row about a file that is refused: nothing but the reason."""
    return pa.record_batch(
        [texts([reason]) if field.name == "reject_reason" else pa.nulls(1, field.type) for field in schema],
        schema=schema,
    )


def _readable(raw: bytes, encoding: str) -> tuple[str, str | None]:
    """Text that any table can store, and the exact bytes in base64 where that text had to be escaped."""
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = raw.decode("ascii", "backslashreplace")
    else:
        if "\0" not in text:
            return text, None
    return text.replace("\0", "\\x00"), base64.b64encode(raw).decode("ascii")
