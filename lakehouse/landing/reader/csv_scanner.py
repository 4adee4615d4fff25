"""The vectorised proof that a block of CSV is legal, or the place of its first fault.

Belongs here: judging whole blocks without cutting records. The rules are those of ``csv_grammar`` and must agree with
it. Where a block is legal, any parser that merely splits at quotes, delimiters and line ends reads it right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lakehouse.landing.reader.csv_grammar import CARRIAGE_RETURN, LINE_FEED, QUOTE
from lakehouse.landing.reader.faults import LONGEST_QUOTED_FIELD

if TYPE_CHECKING:
    from lakehouse.landing.reader.formats import CsvFormat

Positions: TypeAlias = NDArray[np.int64]
_NONE: Final[Positions] = np.empty(0, np.int64)


@dataclass(frozen=True)
class Scan:
    """What a scan found.

    Attributes:
        fault: the position of the first fault, or None.
        safe: the length of the block's part before any fault that is whole legal records.
    """

    fault: int | None
    safe: int


class BlockScanner:
    """Scans blocks of one file.

    A block must begin at the start of a record. Quotes alternate between opening and closing one as long as every
    opening quote follows a delimiter, a line end or a quote, and every closing quote precedes one: that is the proof.
    A doubled quote inside a quoted field counts as a closing and an opening one.
    """

    def __init__(self, declared: CsvFormat, encoding: str, line_end: bytes) -> None:
        """Prepare for a format and a file.

        Args:
            declared: the format.
            encoding: of the blocks.
            line_end: the file's, see ``Header``.
        """
        self._declared = declared
        self._encoding = encoding
        self._line_end = line_end
        delimiter = ord(declared.delimiter)
        self._may_precede_opening = _lookup(delimiter, line_end[0], QUOTE)
        self._may_follow_closing = _lookup(delimiter, LINE_FEED, CARRIAGE_RETURN, QUOTE)

    def scan(self, block: bytes, *, at_end: bool) -> Scan:
        """Scan a block; ``at_end`` says that no more bytes follow it in the file."""
        codes = np.frombuffer(block, np.uint8)
        quotes = np.flatnonzero(codes == QUOTE) if b'"' in block else _NONE
        misplaced = [*self._unclosed(quotes, len(block), at_end=at_end), *self._misplaced_quotes(codes, quotes)]
        # Behind a misplaced quote it cannot be told what is inside quotes: judge the rest only up to there.
        limit = min(misplaced, default=len(block))
        whole = self._whole(block, quotes[: _count_before(quotes, limit)], limit, at_end=at_end)
        others = [*self._stray_line_breaks(block, codes, quotes, whole), *self._text_faults(block, whole)]
        if others:
            fault = min(others)
            return Scan(fault, self._last_record_end(block, quotes[: _count_before(quotes, fault)], fault))
        return Scan(limit if misplaced else None, whole)

    def _whole(self, block: bytes, quotes: Positions, limit: int, *, at_end: bool) -> int:
        """The length of the part before ``limit`` that is whole records."""
        cut_at_end = self._declared.require_final_newline and block[-1:] not in (b"\r", b"\n")
        if at_end and limit == len(block) and not cut_at_end:
            return limit
        return self._last_record_end(block, quotes, limit)

    def _last_record_end(self, block: bytes, quotes: Positions, end: int) -> int:
        """The position after the last line end before ``end`` that is not inside quotes."""
        while (position := block.rfind(self._line_end, 0, end)) >= 0:
            before = _count_before(quotes, position)
            if before % 2 == 0:
                return position + 1
            end = int(quotes[before - 1])
        return 0

    def _unclosed(self, quotes: Positions, length: int, *, at_end: bool) -> list[int]:
        """A quote that stays open to the end of the file, or for longer than a field may be."""
        if len(quotes) % 2 == 0:
            return []
        opened = int(_fields(quotes)[0][-1])
        return [opened] if at_end or length - opened > LONGEST_QUOTED_FIELD else []

    def _misplaced_quotes(self, codes: NDArray[np.uint8], quotes: Positions) -> list[int]:
        """The first quote that opens or closes in the wrong place, and the first quoted field that is too long."""
        if not len(quotes):
            return []
        opening, closing = quotes[0::2], quotes[1::2]
        preceding = np.where(opening > 0, codes[opening - 1], self._line_end[0])
        following = codes[np.minimum(closing + 1, len(codes) - 1)]
        closes_well = self._may_follow_closing[following] | (closing + 1 >= len(codes))
        starts, ends = _fields(quotes)
        return [
            *_first(opening[~self._may_precede_opening[preceding]]),
            *_first(closing[~closes_well]),
            *_first(starts[: len(ends)][ends - starts[: len(ends)] > LONGEST_QUOTED_FIELD]),
        ]

    def _stray_line_breaks(self, block: bytes, codes: NDArray[np.uint8], quotes: Positions, whole: int) -> list[int]:
        """The first line break outside quotes that is not the file's, and, if not multiline, the first inside them."""
        legal = codes[:whole]
        stray = _NONE
        if self._line_end == b"\r":
            stray = np.flatnonzero(legal == LINE_FEED) if b"\n" in block else _NONE
        elif b"\r" in block:
            returns = np.flatnonzero(legal == CARRIAGE_RETURN)
            stray = returns[codes[np.minimum(returns + 1, len(codes) - 1)] != LINE_FEED]
        faults = _first(stray[np.searchsorted(quotes, stray) % 2 == 0])
        if len(quotes) and not self._declared.multiline:
            breaks = np.flatnonzero((legal == LINE_FEED) | (legal == CARRIAGE_RETURN))
            faults += _first(breaks[np.searchsorted(quotes, breaks) % 2 == 1])
        return faults

    def _text_faults(self, block: bytes, whole: int) -> list[int]:
        """The first NUL and the first byte that is not text."""
        text = block[:whole]
        faults = [] if (nul := text.find(b"\0")) < 0 else [nul]
        if not text.isascii():
            try:
                text.decode(self._encoding)
            except UnicodeDecodeError as error:
                faults.append(error.start)
        return faults


def _fields(quotes: Positions) -> tuple[Positions, Positions]:
    """Where quoted fields start and end, the last one perhaps unended; doubled quotes are no field's edge."""
    opening, closing = quotes[0::2], quotes[1::2]
    continued = opening[1:] == closing[: len(opening) - 1] + 1  # the second of a doubled quote follows the first
    starts = opening[np.concatenate(([True], ~continued))] if len(opening) else opening
    ended = np.ones(len(closing), bool)
    ended[: len(continued)] = ~continued
    return starts, closing[ended]


def _count_before(quotes: Positions, position: int) -> int:
    return int(np.searchsorted(quotes, position))


def _first(positions: Positions) -> list[int]:
    return [int(position) for position in positions[:1]]


def _lookup(*codes: int) -> NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[list(codes)] = True
    return table
