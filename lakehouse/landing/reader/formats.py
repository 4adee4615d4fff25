"""What a source declares about its files, and the schema of the batches read from them.

Belongs here: the frozen (hence picklable) format declarations and their validation. How a format is read does not;
each has its own module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa

from lakehouse.landing.reader.decoding import canonical_encoding

RECORD_FIELDS = (
    pa.field("source_record", pa.int64()),
    pa.field("rescued_data", pa.string()),
    pa.field("reject_reason", pa.string()),
    pa.field("raw_record", pa.string()),
    pa.field("raw_record_base64", pa.string()),
)
"""What the reader says about each record, after the declared columns."""

_TYPES = {
    "string": pa.string(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "boolean": pa.bool_(),
}
_DECIMAL = re.compile(r"decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)")


@dataclass(frozen=True)
class CsvFormat:
    """Delimited text with a header line, plain or gzip, quoted with ``"``.

    Attributes:
        columns: the declared columns; the header may order them freely, in any case.
        encoding: a Python codec name. A UTF-8 byte order mark is understood without being declared.
        delimiter: one ASCII character.
        multiline: a quoted field may hold line breaks. False makes a line break inside quotes a fault, so that an
            unclosed quote can only ever spoil its own line.
        bare_quotes: a quote inside an unquoted field is text (``5" pipe``). Off, such a record is rejected.
        require_final_newline: a last line without a line end is rejected as cut, even when it has all its fields.
    """

    columns: tuple[str, ...]
    encoding: str = "utf-8"
    delimiter: str = ","
    multiline: bool = True
    bare_quotes: bool = False
    require_final_newline: bool = False

    def __post_init__(self) -> None:
        """Refuse a declaration that no file could satisfy."""
        _require_distinct(column.casefold() for column in self.columns)
        canonical_encoding(self.encoding)
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '"\r\n\0':
            raise ValueError(f'A CSV delimiter is one ASCII character other than " and line ends: {self.delimiter!r}')

    @property
    def schema(self) -> pa.Schema:
        """The schema of every batch read: the declared columns as text, then ``RECORD_FIELDS``."""
        return _text_schema(self.columns)


@dataclass(frozen=True)
class JsonLinesFormat:
    """One JSON object a line, plain or gzip.

    Attributes:
        columns: the declared keys, spelled exactly as in the file.
        encoding: a Python codec name. A UTF-8 byte order mark is understood without being declared.
    """

    columns: tuple[str, ...]
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        """Refuse a declaration that no file could satisfy."""
        _require_distinct(self.columns)
        canonical_encoding(self.encoding)

    @property
    def schema(self) -> pa.Schema:
        """The schema of every batch read: the declared keys as text, then ``RECORD_FIELDS``."""
        return _text_schema(self.columns)


@dataclass(frozen=True)
class ParquetFormat:
    """A Parquet file.

    Attributes:
        columns: pairs of name (matched in any case) and type: ``string``, ``int32``, ``int64``, ``date``,
            ``timestamp`` (UTC, microseconds), ``boolean`` or ``decimal(precision,scale)``.
    """

    columns: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        """Refuse a declaration that no file could satisfy."""
        _require_distinct(name.casefold() for name, _ in self.columns)
        for _, type_text in self.columns:
            _arrow_type(type_text)

    @property
    def schema(self) -> pa.Schema:
        """The schema of every batch read: the declared columns as typed, then ``RECORD_FIELDS``."""
        declared = [pa.field(name, _arrow_type(type_text)) for name, type_text in self.columns]
        return pa.schema([*declared, *RECORD_FIELDS])


LandingFormat: TypeAlias = CsvFormat | JsonLinesFormat | ParquetFormat


def _text_schema(columns: tuple[str, ...]) -> pa.Schema:
    return pa.schema([*(pa.field(column, pa.string()) for column in columns), *RECORD_FIELDS])


def _arrow_type(type_text: str) -> pa.DataType:
    """The Arrow type a declared type text stands for.

    Raises:
        ValueError: the text names none.
    """
    if decimal := _DECIMAL.fullmatch(type_text):
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    if type_text not in _TYPES:
        raise ValueError(f"Unknown column type {type_text!r}: one of {', '.join(_TYPES)} or decimal(precision,scale)")
    return _TYPES[type_text]


def _require_distinct(names: Iterable[str]) -> None:
    listed = list(names)
    if not listed:
        raise ValueError("A landing format declares at least one column")
    taken = [*listed, *(field.name for field in RECORD_FIELDS)]
    repeated = sorted({name for name in taken if taken.count(name) > 1})
    if repeated:
        raise ValueError(f"Columns declared twice, or reserved for the reader: {', '.join(repeated)}")
