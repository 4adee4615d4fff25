"""The exact decoding of single JSON lines.

Belongs here: what a line means, and each reason to reject one. Numbers and nested values keep their very text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lakehouse.landing.reader.arrays import texts
from lakehouse.landing.reader.batches import good_batch
from lakehouse.landing.reader.decoding import canonical_encoding
from lakehouse.landing.reader.faults import RejectedRecord, encoding_fault
from lakehouse.landing.reader.rescued import decode_object, rescued_text, value_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from lakehouse.landing.reader.columns import FileColumns
    from lakehouse.landing.reader.formats import JsonLinesFormat

KEY_END: Final = r'"[ \t\r]*:'
"""Where a key ends. Text inside a value may look like it, a key of the line itself never fails to."""

_KEY_END: Final = re.compile(KEY_END.encode())


@dataclass
class GoodLines:
    """Lines that were read: their numbers, the declared values of each, its undeclared ones as JSON."""

    numbers: list[int] = field(default_factory=list)
    values: list[list[str | None]] = field(default_factory=list)
    rescued: list[str | None] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.numbers)

    def batch(self, schema: pa.Schema) -> pa.RecordBatch:
        """Lay them out."""
        columns = [texts(column) for column in zip(*self.values, strict=True)]
        return good_batch(schema, columns, self.numbers, texts(self.rescued))


class LineDecoder:
    """Decodes lines of one format."""

    def __init__(self, declared: JsonLinesFormat, encoding: str, noted: FileColumns) -> None:
        """Prepare for a format; ``encoding`` is that of the lines, ``noted`` is told the keys of good ones."""
        self._columns = declared.columns
        self._noted = noted
        self._declared_encoding = canonical_encoding(declared.encoding)
        self._encoding = encoding

    def decode(self, lines: list[bytes], numbers: Sequence[int]) -> tuple[GoodLines, list[RejectedRecord]]:
        """Decode each line for itself; lines of white space are passed over."""
        good = GoodLines()
        rejected: list[RejectedRecord] = []
        for number, line in zip(numbers, lines, strict=True):
            if not line.strip(b" \t\r\n"):
                continue
            try:
                values, rescued = self._decode(line)
            except UnicodeDecodeError as error:
                fault = encoding_fault(error, self._declared_encoding, "line")
            except RecursionError:
                fault = "json: nested too deep"
            except msgspec.DecodeError as error:
                fault = f"json: {error}"
            except _RejectedLineError as error:
                fault = str(error)
            else:
                good.numbers.append(number)
                good.values.append(values)
                good.rescued.append(rescued)
                continue
            rejected.append(RejectedRecord(number, fault, line))
        return good, rejected

    def _decode(self, line: bytes) -> tuple[list[str | None], str | None]:
        if b"\0" in line:
            raise _RejectedLineError("nul: NUL byte")
        text = line.decode(self._encoding)
        try:
            found = decode_object(text)
        except msgspec.ValidationError as error:
            raise _RejectedLineError("not_object: the line is not a JSON object") from error
        if _may_repeat_keys(text.encode("utf-8"), found) and _repeats_keys(text):
            raise _RejectedLineError("duplicate_key: a key occurs twice")
        keys = list(found)
        values = [_clean_text(found.pop(column, None)) for column in self._columns]
        self._noted.note(keys)
        return values, rescued_text(found)


class _RejectedLineError(Exception):
    """The line is to be rejected for this reason."""


def key_ends(source: bytes) -> int:
    """How many keys a JSON text seems to have, nested ones included: perhaps more than it has, never less."""
    return len(_KEY_END.findall(source))


def _clean_text(raw: msgspec.Raw | None) -> str | None:
    """A value as text, see ``value_text``; None for missing."""
    text = None if raw is None else value_text(raw)
    if text is not None and "\0" in text:
        raise _RejectedLineError("nul: NUL character in a text")
    return text


def _may_repeat_keys(line: bytes, found: dict[str, msgspec.Raw]) -> bool:
    """A quick test that only ever errs towards True; decoding itself keeps the last of equal keys silently."""
    keys = key_ends(line)
    return keys != len(found) and keys - sum(key_ends(bytes(value)) for value in found.values()) != len(found)


def _repeats_keys(text: str) -> bool:
    repeated = False

    def note(members: list[tuple[str, Any]]) -> None:
        nonlocal repeated
        repeated = len({key for key, _ in members}) < len(members)  # the outermost object is noted last

    json.loads(text, object_pairs_hook=note, parse_int=str, parse_float=str)
    return repeated
