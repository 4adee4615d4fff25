"""The header line of a CSV file: where it ends, which line end the file uses, which columns it has.

Belongs here: everything the header decides. Records are read with what it found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.landing.reader.decoding import block_encoding
from lakehouse.landing.reader.faults import LONGEST_QUOTED_FIELD, FileRefused

if TYPE_CHECKING:
    from lakehouse.landing.reader.csv_grammar import RecordGrammar
    from lakehouse.landing.reader.formats import CsvFormat


@dataclass(frozen=True)
class Header:
    r"""What the header line says.

    Attributes:
        names: the columns as the file names them; an unnamed one is called ``_c`` and its 0-based place.
        declared: for each declared column its place in the file, or None where the file has none.
        line_end: ``\n`` (which ``\r`` may precede on any line) or a lone ``\r``, as old spreadsheets write.
    """

    names: tuple[str, ...]
    declared: tuple[int | None, ...]
    line_end: bytes

    @property
    def undeclared(self) -> list[int]:
        """The places of the columns that the format does not declare."""
        return [place for place in range(len(self.names)) if place not in self.declared]


def read_header(blocks: Iterator[bytes], declared: CsvFormat, grammar: RecordGrammar) -> tuple[Header, bytes]:
    """Read the header line off the start of the blocks.

    Returns:
        The header, and what was read beyond it.

    Raises:
        FileRefused: there is no header, or none that fits the format.
    """
    start, end = _first_line(blocks, grammar)
    if not start:
        raise FileRefused("header", "the file is empty")
    if end < len(start) and start[end : end + 1] not in (b"\r", b"\n"):
        raise FileRefused("header", "malformed quoting in the header line")
    lone_return = start[end : end + 1] == b"\r" and start[end : end + 2] != b"\r\n"
    line_end_bytes = 2 if start[end : end + 2] == b"\r\n" else 1
    names = _names(grammar.fields(start, 0, end), block_encoding(declared.encoding))
    header = Header(names, _places(names, declared.columns), b"\r" if lone_return else b"\n")
    return header, start[end + line_end_bytes :]


def _first_line(blocks: Iterator[bytes], grammar: RecordGrammar) -> tuple[bytes, int]:
    """The start of the file without leading blank lines, read far enough to hold the header; and the header's end."""
    start, end = b"", 0
    for block in blocks:
        start = (start + block).lstrip(b"\r\n")
        end = grammar.record_end(start, 0)
        if start[end : end + 1] in (b"\r", b"\n") and end + 1 < len(start):  # a line end, and its "\n" if any
            break
        if len(start) > LONGEST_QUOTED_FIELD:
            raise FileRefused("header", f"malformed quoting, or no line end in the first {len(start)} bytes")
    return start, end


def _names(fields: list[bytes], encoding: str) -> tuple[str, ...]:
    try:
        stripped = [field.decode(encoding).strip() for field in fields]
    except UnicodeDecodeError as error:
        raise FileRefused("header", f"encoding: {error}") from error
    names = tuple(name or f"_c{place}" for place, name in enumerate(stripped))
    if len({name.casefold() for name in names}) < len(names):
        raise FileRefused("header", f"a column occurs twice in {list(names)}")
    if any("\0" in name for name in names):
        raise FileRefused("header", f"a NUL character in {list(names)}")
    return names


def _places(names: tuple[str, ...], columns: tuple[str, ...]) -> tuple[int | None, ...]:
    places = {name.casefold(): place for place, name in enumerate(names)}
    declared = tuple(places.get(column.casefold()) for column in columns)
    if all(place is None for place in declared):
        raise FileRefused("header", f"none of the columns {list(columns)} in {list(names)}")
    return declared
