"""JSON lines as the shop's sources write them, and what a line can be damaged with.

The bytes of lines and of their damages belong here. Which lines are damaged, and when, is for the sources' modules.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from examples.shop.answer_key import FileVersion
from examples.shop.file_plan import Written
from examples.shop.landing import FIRST_WAVE, folder_of, new_file
from examples.shop.rows import Damage, FileRow, RowPlant, RowSource, account


def _unfinished(line: bytes) -> bytes:
    """Leave the closing brace out."""
    return line[:-1]


def _without_braces(line: bytes) -> bytes:  # noqa: ARG001 - damages all take the line
    """Return legal JSON that is not an object."""
    return b'"a record"'


def _half(line: bytes) -> bytes:
    """Keep the first half of the line."""
    return line[: len(line) // 2]


def _after_opening(field: str, more: bytes) -> Damage:
    """Return a damage that puts bytes at the start of a field's text."""
    opening = f'"{field}":"'.encode()
    return lambda line: line.replace(opening, opening + more, 1)


def damages(field: str) -> tuple[RowPlant, ...]:
    """Return the kinds of line that are no record, for a source whose lines have a field of text."""
    twice = f'{{"{field}":"Something Else",'.encode()
    return (
        RowPlant("json_unfinished", ("record:json",), damage=_unfinished),
        RowPlant("json_key_twice", ("record:duplicate_key",), damage=lambda line: twice + line[1:]),
        RowPlant("json_not_an_object", ("record:not_object",), damage=_without_braces),
        RowPlant("json_bad_utf8_byte", ("record:encoding",), damage=_after_opening(field, b"\xff")),
        RowPlant("json_nul", ("record:nul",), damage=_after_opening(field, b"\\u0000")),
    )


LAST_LINE_CUT = RowPlant("json_last_line_cut", ("record:json",), damage=_half)
"""A file's last line as an interrupted transfer leaves it; it has no end."""


def _line(row: FileRow) -> bytes:
    """Return a row as a line without its end."""
    line = json.dumps(row.values, ensure_ascii=False, separators=(",", ":")).encode()
    return row.damage(line) if row.damage else line


def write_lines(out: Path, source: RowSource, key: str, rows: Sequence[FileRow], wave: int = FIRST_WAVE) -> Written:
    """Write one file, compressed if its name says so.

    Args:
        out: The landing root.
        source: Whose rows they are.
        key: The file's key relative to the landing root.
        rows: Its rows, in order.
        wave: The delivery it arrives with.
    """
    path = folder_of(out, wave) / key
    content = b"\n".join(map(_line, rows)) + (b"" if rows[-1].kind == LAST_LINE_CUT.kind else b"\n")
    with new_file(path, compress=path.suffix == ".gz") as (sink, receipt):
        sink.write(content)
    books = account(source, rows, key, wave)
    version = FileVersion(key, source.name, wave, receipt.sha256, receipt.size_bytes, len(rows), books.tally)
    return Written(version, books.faults, books.unreported)
