"""Reading a CSV file: blocks proved legal and parsed whole, the neighbourhoods of faults cut record by record.

Belongs here: the course of a file from its header to its end. The parts are in the other ``csv_`` modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from lakehouse.landing.reader.batches import rejected_batch
from lakehouse.landing.reader.csv_cutter import RecordCutter
from lakehouse.landing.reader.csv_grammar import RecordGrammar
from lakehouse.landing.reader.csv_header import read_header
from lakehouse.landing.reader.csv_parse import RecordParser
from lakehouse.landing.reader.csv_scanner import BlockScanner, Scan
from lakehouse.landing.reader.decoding import block_encoding
from lakehouse.landing.reader.faults import LONGEST_RECORD, FileRefused

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.landing.reader.columns import FileColumns
    from lakehouse.landing.reader.formats import CsvFormat

_FIRST_NEIGHBOURHOOD: Final = 64 << 10
"""Bytes cut record by record after a fault; doubled while faults recur, so that many faults cost few scans."""


def read_csv(blocks: Iterator[bytes], declared: CsvFormat, columns: FileColumns) -> Iterator[pa.RecordBatch]:
    """Read the decoded blocks of a CSV file, and note its columns.

    Raises:
        FileRefused: the header is unusable, or a record is too long.
    """
    yield from _CsvFile(blocks, declared, columns).batches()


class _CsvFile:
    """One file being read: what was read of it and not judged yet, and how many records came before."""

    def __init__(self, blocks: Iterator[bytes], declared: CsvFormat, columns: FileColumns) -> None:
        encoding = block_encoding(declared.encoding)
        grammar = RecordGrammar(declared)
        header, rest = read_header(blocks, declared, grammar)
        columns.note(header.names)
        self._blocks = blocks
        self._rest = rest
        self._at_end = False
        self._records = 0
        self._neighbourhood = _FIRST_NEIGHBOURHOOD
        self._schema = declared.schema
        self._encoding = encoding
        self._scanner = BlockScanner(declared, encoding, header.line_end)
        self._cutter = RecordCutter(declared, grammar, header, encoding)
        self._parser = RecordParser(declared.schema, header, declared.delimiter, encoding)

    def batches(self) -> Iterator[pa.RecordBatch]:
        while True:
            yield from self._judged()
            if self._at_end:
                return
            self._read_more()

    def _read_more(self) -> None:
        """Read on: at least half as much again as is waiting, or a long record would be scanned over and over."""
        waiting = [self._rest]
        missing = len(self._rest) // 2
        while missing >= 0:
            block = next(self._blocks, None)
            if block is None:
                self._at_end = True
                break
            waiting.append(block)
            missing -= max(len(block), 1)
        self._rest = b"".join(waiting)

    def _judged(self) -> Iterator[pa.RecordBatch]:
        """Judge what is waiting, as far as it goes without reading on."""
        while self._rest:
            scan = self._scanner.scan(self._rest, at_end=self._at_end)
            yield from self._parse_whole(self._rest[: scan.safe])
            if scan.fault is None and not (self._at_end and scan.safe < len(self._rest)):
                self._rest = self._rest[scan.safe :]
                self._neighbourhood = _FIRST_NEIGHBOURHOOD
                break
            before = len(self._rest)
            yield from self._cut_neighbourhood(scan)
            if len(self._rest) == before - scan.safe and not self._at_end:
                break
        if len(self._rest) > LONGEST_RECORD and not self._at_end:
            raise FileRefused("too_long", f"record {self._records + 1} has more than {LONGEST_RECORD} bytes")

    def _parse_whole(self, piece: bytes) -> Iterator[pa.RecordBatch]:
        if piece:
            parsed = self._parser.parse(piece)
            numbers = np.arange(self._records + 1, self._records + 1 + parsed.records)
            self._records += parsed.records
            yield from self._parser.batches(parsed, numbers)

    def _cut_neighbourhood(self, scan: Scan) -> Iterator[pa.RecordBatch]:
        fault = scan.safe if scan.fault is None else scan.fault
        stop = fault + self._neighbourhood
        cut = self._cutter.cut(self._rest, scan.safe, stop, self._records + 1, at_end=self._at_end)
        self._rest = self._rest[cut.position :]
        self._records += cut.records
        self._neighbourhood *= 2
        if cut.good:
            yield from self._parser.batches(self._parser.parse(b"".join(cut.good)), np.array(cut.numbers, np.int64))
        if cut.rejected:
            yield rejected_batch(self._schema, cut.rejected, self._encoding)
