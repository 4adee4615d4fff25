"""The strict record cutter: what is done in the neighbourhood of a fault.

Belongs here: going through a block record by record, keeping legal ones whole and rejecting the line on which a
broken one began. It parses nothing: legal records go through the same parser as whole blocks do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakehouse.landing.reader.decoding import canonical_encoding
from lakehouse.landing.reader.faults import LONGEST_QUOTED_FIELD, RejectedRecord, encoding_fault

if TYPE_CHECKING:
    from lakehouse.landing.reader.csv_grammar import RecordGrammar
    from lakehouse.landing.reader.csv_header import Header
    from lakehouse.landing.reader.formats import CsvFormat


@dataclass
class Cut:
    """What a stretch of a block came apart into.

    Attributes:
        position: where the next record starts.
        records: how many records there were.
        good: the legal records, with their line ends, blank lines left out.
        numbers: the place of each good record in the file.
        rejected: the others.
    """

    position: int
    records: int = 0
    good: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)


class RecordCutter:
    """Cuts blocks of one file."""

    def __init__(self, declared: CsvFormat, grammar: RecordGrammar, header: Header, encoding: str) -> None:
        """Prepare for a format and a file; ``encoding`` is that of the blocks."""
        self._declared = declared
        self._grammar = grammar
        self._encoding = encoding
        self._line_end = header.line_end
        self._line_end_pattern = re.compile(rb"\r" if header.line_end == b"\r" else rb"\r?\n")
        self._blank_lines_count = len(header.names) == 1  # a blank line is the one way to write a single missing value

    def cut(self, block: bytes, start: int, stop: int, first_number: int, *, at_end: bool) -> Cut:
        """Cut records until one starts at or after ``stop``, or more of the file is needed to judge the next.

        Args:
            block: bytes of the file.
            start: where a record starts.
            stop: how far to go.
            first_number: the number of the first record.
            at_end: no more bytes follow the block in the file.
        """
        cut = Cut(start)
        while cut.position < min(stop, len(block)):
            begin = cut.position
            end = self._grammar.record_end(block, begin)
            if not at_end and self._undecided(block, begin, end):
                break
            line_end = self._line_end_pattern.match(block, end)
            if line_end is None and end < len(block):
                cut_short = self._broken_line_end(block, begin, at_end=at_end)
                if cut_short is None:
                    break
                fault: str | None = self._fault_at(block, begin, end)
                record, following = block[begin:cut_short].rstrip(b"\r\n"), cut_short
            else:
                record, following = block[begin:end], line_end.end() if line_end else end
                if not record and not self._blank_lines_count:
                    cut.position = following
                    continue
                fault = self._fault_in(record, ended=line_end is not None)
            number = first_number + cut.records
            if fault is None:
                cut.good.append(block[begin:following])
                cut.numbers.append(number)
            else:
                cut.rejected.append(RejectedRecord(number, fault, record))
            cut.records += 1
            cut.position = following
        return cut

    def _undecided(self, block: bytes, begin: int, end: int) -> bool:
        """Whether bytes that follow the block could still change where the record ends."""
        if end == len(block) or (end == len(block) - 1 and block[end:] == b"\r"):
            return True
        may_close = self._declared.multiline and len(block) - end <= LONGEST_QUOTED_FIELD
        return may_close and self._grammar.opens_quote(block, begin, end)

    def _broken_line_end(self, block: bytes, begin: int, *, at_end: bool) -> int | None:
        """The end of the line on which a broken record began; None where the block does not hold it."""
        position = block.find(self._line_end, begin)
        if position >= 0:
            return position + 1
        return len(block) if at_end else None

    def _fault_at(self, block: bytes, begin: int, end: int) -> str:
        """What is wrong with a record that is broken at ``end``."""
        found = block[end : end + 1]
        if found in (b"\r", b"\n"):
            return "newline: stray line break character"
        if self._grammar.opens_quote(block, begin, end):
            return "quote: opened and not closed"
        if found == b'"':
            return "quote: inside an unquoted field"
        return "quote: text after a closing quote"

    def _fault_in(self, record: bytes, *, ended: bool) -> str | None:
        """What is wrong with a record of legal shape, if anything."""
        if b"\0" in record:
            return "nul: NUL byte"
        if not ended and self._declared.require_final_newline:
            return "cut: no line end at the end of the file"
        try:
            record.decode(self._encoding)
        except UnicodeDecodeError as error:
            return encoding_fault(error, canonical_encoding(self._declared.encoding), "record")
        return None
