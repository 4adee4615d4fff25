"""Reading JSON lines: cut into lines, whole blocks decoded at once, doubtful blocks line by line.

Belongs here: lines, their numbers and the course of a file. What a line means is in ``jsonl_block`` (fast, and
refusing whenever in doubt) and ``jsonl_line`` (exact); for the same line both give the same answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lakehouse.landing.reader.batches import good_batch, rejected_batch
from lakehouse.landing.reader.decoding import block_encoding
from lakehouse.landing.reader.faults import LONGEST_RECORD, FileRefused
from lakehouse.landing.reader.jsonl_block import BlockDecoder, DoubtfulBlockError
from lakehouse.landing.reader.jsonl_line import LineDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from lakehouse.landing.reader.columns import FileColumns
    from lakehouse.landing.reader.formats import JsonLinesFormat

_BLANK: Final = b" \t\r\n"  # what JSON calls white space


def read_json_lines(blocks: Iterator[bytes], declared: JsonLinesFormat, noted: FileColumns) -> Iterator[pa.RecordBatch]:
    """Read the decoded blocks of a file with one JSON object a line; blank lines are no records, but are numbered.

    The keys of good lines are noted as the file's columns.

    Raises:
        FileRefused: the file is one JSON array, or a line is too long.
    """
    encoding = block_encoding(declared.encoding)
    by_block = BlockDecoder(declared.columns, noted)
    by_line = LineDecoder(declared, encoding, noted)
    lines_before = 0
    for piece in _whole_lines(_not_an_array(blocks)):
        lines = _lines(piece)
        numbers: Sequence[int] = range(lines_before + 1, lines_before + 1 + len(lines))
        lines_before += len(lines)
        if not all(lines):
            numbers = [number for number, line in zip(numbers, lines, strict=True) if line]
            lines = [line for line in lines if line]
        if not lines:
            continue
        try:
            columns, rescued = by_block.decode(lines if encoding == "utf-8" else _as_utf8(lines, encoding))
        except DoubtfulBlockError:
            good, rejected = by_line.decode(lines, numbers)
            if good:
                yield good.batch(declared.schema)
            if rejected:
                yield rejected_batch(declared.schema, rejected, encoding)
        else:
            yield good_batch(declared.schema, columns, numbers, rescued)


def _not_an_array(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Pass blocks on, unless the file's first character opens an array."""
    started = False
    for block in blocks:
        content = b"" if started else block.lstrip(_BLANK)
        if content.startswith(b"["):
            raise FileRefused("not_object", "one array, where one JSON object a line is expected")
        started = started or bool(content)
        yield block


def _whole_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Join and cut blocks so that each piece holds whole lines."""
    waiting: list[bytes] = []
    waiting_bytes = 0
    for block in blocks:
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join([*waiting, block[:end]])
            waiting, waiting_bytes = [], 0
        waiting.append(block[end:])
        waiting_bytes += len(block) - end
        if waiting_bytes > LONGEST_RECORD:
            raise FileRefused("too_long", f"a line of more than {LONGEST_RECORD} bytes")
    if waiting_bytes:
        yield b"".join(waiting)


def _lines(piece: bytes) -> list[bytes]:
    lines = (piece.replace(b"\r\n", b"\n") if b"\r" in piece else piece).split(b"\n")
    return lines if lines[-1] else lines[:-1]


def _as_utf8(lines: list[bytes], encoding: str) -> list[bytes]:
    try:
        return b"\n".join(lines).decode(encoding).encode("utf-8").split(b"\n")
    except UnicodeDecodeError as error:
        raise DoubtfulBlockError from error
