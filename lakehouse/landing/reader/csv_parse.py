"""Parsing legal CSV records into Arrow columns: the one parser, for whole blocks and for single records alike.

Belongs here: pyarrow.csv and its options. It is only ever handed records that the grammar has proved legal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from lakehouse.landing.reader.arrays import binaries
from lakehouse.landing.reader.batches import good_batch, rejected_batch
from lakehouse.landing.reader.faults import RejectedRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakehouse.landing.reader.csv_header import Header


@dataclass(frozen=True)
class Parsed:
    """The records of a piece of a file.

    Attributes:
        columns: the file's columns, of the records with the right number of fields.
        wrong_width: the others: index in the piece, reason, raw text.
    """

    columns: list[pa.Array]
    wrong_width: list[tuple[int, str, str]]

    @property
    def records(self) -> int:
        """How many records the piece holds."""
        return len(self.columns[0]) + len(self.wrong_width)


class RecordParser:
    """Parses legal records of one file."""

    def __init__(self, schema: pa.Schema, header: Header, delimiter: str, encoding: str) -> None:
        """Prepare for a file; ``encoding`` is that of the blocks, ``schema`` the format's."""
        self._schema = schema
        self._header = header
        self._delimiter = delimiter
        self._encoding = encoding
        self._names = [str(place) for place in range(len(header.names))]  # pyarrow needs names, and unique ones
        self._all_text = pa_csv.ConvertOptions(
            column_types=dict.fromkeys(self._names, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
            quoted_strings_can_be_null=False,
        )

    def parse(self, piece: bytes) -> Parsed:
        """Parse whole legal records; at least one byte of them."""
        utf8 = piece if self._encoding in ("utf-8", "ascii") or piece.isascii() else self._as_utf8(piece)
        wrong_width: list[tuple[int, str, str]] = []

        def note(row: Any) -> str:
            reason = f"fields: {row.actual_columns}, the header has {row.expected_columns}"
            wrong_width.append((row.number - 1, reason, row.text))
            return "skip"

        table = pa_csv.read_csv(
            pa.BufferReader(utf8),
            pa_csv.ReadOptions(column_names=self._names, use_threads=False, block_size=len(utf8) + 1),
            pa_csv.ParseOptions(
                delimiter=self._delimiter,
                newlines_in_values=True,
                ignore_empty_lines=len(self._names) > 1,
                invalid_row_handler=note,
            ),
            self._all_text,
        )
        return Parsed([column.combine_chunks() for column in table.columns], wrong_width)

    def batches(self, parsed: Parsed, numbers: np.ndarray) -> Iterator[pa.RecordBatch]:
        """Lay out parsed records, whose places in the file are ``numbers``."""
        wrong_places = [index for index, _, _ in parsed.wrong_width]
        right = np.delete(numbers, wrong_places) if wrong_places else numbers
        if len(right):
            declared = [None if place is None else parsed.columns[place] for place in self._header.declared]
            yield good_batch(self._schema, declared, right, self._rescued(parsed.columns))
        if wrong_places:
            rejected = [
                RejectedRecord(int(numbers[index]), reason, text.encode("utf-8"))
                for index, reason, text in parsed.wrong_width
            ]
            yield rejected_batch(self._schema, rejected, "utf-8")

    def _as_utf8(self, piece: bytes) -> bytes:
        return piece.decode(self._encoding).encode("utf-8")

    def _rescued(self, columns: list[pa.Array]) -> pa.Array | None:
        """The undeclared columns of each record as a JSON object; None where the file has none."""
        undeclared = self._header.undeclared
        if not undeclared:
            return None
        names = [self._header.names[place] for place in undeclared]
        values = zip(*(columns[place].to_pylist() for place in undeclared), strict=True)
        encode = msgspec.json.Encoder().encode
        return binaries([encode(dict(zip(names, row, strict=True))) for row in values]).cast(pa.string())
