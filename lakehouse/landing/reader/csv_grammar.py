"""The grammar of one CSV record, as regular expressions over bytes.

Belongs here: what a legal field and a legal record are. The scanner proves the same grammar for whole blocks at once
(``csv_scanner``); the two must agree, or the answer would depend on where a block happens to end.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lakehouse.landing.reader.faults import LONGEST_QUOTED_FIELD

if TYPE_CHECKING:
    from lakehouse.landing.reader.formats import CsvFormat

QUOTE: Final = ord('"')
LINE_FEED: Final = ord("\n")
CARRIAGE_RETURN: Final = ord("\r")


class RecordGrammar:
    """Matches records and fields of one CSV format at a position in a block.

    A field is quoted (``"``, anything but a single quote, ``"``), bare (no delimiter, line break or quote) or empty.
    """

    def __init__(self, declared: CsvFormat) -> None:
        """Compile the grammar of a format."""
        self.delimiter = declared.delimiter.encode("ascii")
        delimiter = re.escape(self.delimiter)
        inside = b'[^"]' if declared.multiline else rb'[^"\r\n]'
        bare = rb"[^\r\n" + delimiter + (b"]" if declared.bare_quotes else b'"]')
        quoted_field = b'"' + inside + b'*+(?:""' + inside + b'*+)*+"'
        bare_field = rb'[^"\r\n' + delimiter + b"]" + bare + b"*+"
        field = b"(?:" + quoted_field + b"|" + bare_field + b"|)"
        self._field = re.compile(field)
        self._record = re.compile(field + b"(?:" + delimiter + field + b")*+")

    def record_end(self, block: bytes, start: int) -> int:
        """Where the longest legal record from ``start`` ends; short of its line end, the record is broken there."""
        end = self._matched(self._record, block, start)
        if end - start <= LONGEST_QUOTED_FIELD:
            return end
        spans = self._field_spans(block, start, end)
        return next((first for first, last in spans if _too_long(block, first, last)), end)

    def fields(self, block: bytes, start: int, end: int) -> list[bytes]:
        """The unquoted fields of the legal record between two positions."""
        return [_unquoted(block[first:last]) for first, last in self._field_spans(block, start, end)]

    def opens_quote(self, block: bytes, start: int, position: int) -> bool:
        """Whether the field at ``position`` of a record broken there opens with a quote that is not closed."""
        starts_field = position == start or block[position - 1 : position] == self.delimiter
        return starts_field and block[position : position + 1] == b'"'

    def _field_spans(self, block: bytes, start: int, end: int) -> list[tuple[int, int]]:
        spans = []
        position = start
        while position <= end:
            last = self._matched(self._field, block, position)
            spans.append((position, last))
            position = last + len(self.delimiter)
        return spans

    @staticmethod
    def _matched(pattern: re.Pattern[bytes], block: bytes, start: int) -> int:
        match = pattern.match(block, start)
        return start if match is None else match.end()


def _too_long(block: bytes, first: int, last: int) -> bool:
    return last - 1 - first > LONGEST_QUOTED_FIELD and block[first] == QUOTE


def _unquoted(field: bytes) -> bytes:
    return field[1:-1].replace(b'""', b'"') if field.startswith(b'"') else field
