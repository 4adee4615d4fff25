"""The two ways in which content can be wrong: a record that is rejected, a file that is refused.

Belongs here: how a fault is described. Finding faults is for the modules of each format.

Kinds of rejected records: fields, quote, encoding, nul, newline, cut, json, not_object, duplicate_key.
Kinds of refused files: header, bom, encoding, gzip, not_object, too_long, parquet, schema.
"""

from __future__ import annotations

from typing import Final, NamedTuple

LONGEST_QUOTED_FIELD: Final = 1 << 20
"""Bytes between the quotes of one CSV field. A quote left open for longer is judged unclosed."""

LONGEST_RECORD: Final = 64 << 20
"""Bytes of one record. A file with a longer one is refused, because memory is bounded."""


class FileRefused(Exception):  # noqa: N818 - it is an outcome, raised to leave a reader from any depth
    """The whole file must be refused; none of its rows may be kept."""

    def __init__(self, kind: str, detail: str) -> None:
        """Say which kind of fault it is, and what exactly was found."""
        super().__init__(f"file:{kind}: {detail}")


class RejectedRecord(NamedTuple):
    """One record that cannot be read.

    Attributes:
        number: its 1-based place among the file's records.
        reason: ``kind: detail``.
        raw: its bytes without the line end.
    """

    number: int
    reason: str
    raw: bytes


def encoding_fault(error: UnicodeDecodeError, declared: str, unit: str) -> str:
    """Describe bytes that are not text in the declared encoding; ``unit`` is what the position counts within."""
    return f"encoding: {error.reason} at byte {error.start} of the {unit}, declared {declared}"
