"""The fast decoding of many JSON lines at once, or a refusal to.

Belongs here: whatever can be read column by column without looking at single lines. Anything unusual is left to
``jsonl_line``: a line that is no object, a repeated key, a NUL, bytes that are not UTF-8, broken escapes.
"""

from __future__ import annotations

from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.landing.reader.arrays import binaries, texts
from lakehouse.landing.reader.jsonl_line import KEY_END, key_ends
from lakehouse.landing.reader.rescued import decode_object, rescued_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakehouse.landing.reader.columns import FileColumns

_MISSING: Final = msgspec.Raw(b"null")  # read as null; told from a null in the file by identity
_NULL_TEXT: Final = binaries([b"null"])[0]
_NULL: Final = pa.nulls(1, pa.binary())[0]
_SPACES: Final = np.frombuffer(b" \t\r", np.uint8)


class DoubtfulBlockError(Exception):
    """The lines must be decoded one by one."""


class BlockDecoder:
    """Decodes blocks of UTF-8 lines of one format."""

    def __init__(self, columns: tuple[str, ...], noted: FileColumns) -> None:
        """Prepare for the declared keys; ``noted`` is told the keys there are."""
        self._columns = columns
        self._noted = noted
        self._attributes = [f"column_{place}" for place in range(len(columns))]
        self._decode_declared = self._declared_decoder()

    def decode(self, lines: list[bytes]) -> tuple[list[pa.Array], pa.Array | None]:
        """Decode lines into a column for each declared key, and undeclared keys as JSON text (None if there are none).

        Raises:
            DoubtfulBlockError: something about the lines is unusual.
        """
        block = b"\n".join(lines)
        _require_clean_text(block)
        try:
            values, undeclared = self._values(lines)
            columns = [_Column(column) for column in values]
            _require_distinct_keys(block, columns, undeclared)
            columns_of_text = [column.texts(may_be_escaped=b"\\" in block) for column in columns]
        except (msgspec.DecodeError, pa.ArrowInvalid, RecursionError) as error:
            raise DoubtfulBlockError from error
        self._noted.note(name for name, column in zip(self._columns, columns, strict=True) if column.found)
        self._noted.note(key for line in undeclared for key in line)
        return columns_of_text, texts([rescued_text(line) for line in undeclared]) if undeclared else None

    def _values(self, lines: list[bytes]) -> tuple[list[list[msgspec.Raw]], list[dict[str, msgspec.Raw]]]:
        """The source text of each declared value, by column; and, if there are any, the undeclared ones by line."""
        try:
            rows = list(map(self._decode_declared, lines))
        except msgspec.ValidationError:  # an undeclared key somewhere
            found = list(map(decode_object, lines))
            return [[line.pop(column, _MISSING) for line in found] for column in self._columns], found
        return [list(map(attrgetter(attribute), rows)) for attribute in self._attributes], []

    def _declared_decoder(self) -> Callable[[bytes], Any]:
        # Source text by key in one pass: about twice as fast as dictionaries.
        fields = [(attribute, msgspec.Raw, _MISSING) for attribute in self._attributes]
        renamed = dict(zip(self._attributes, self._columns, strict=True))
        line = msgspec.defstruct("Line", fields, rename=renamed, gc=False, forbid_unknown_fields=True)
        return msgspec.json.Decoder(line).decode


class _Column:
    """The source texts of one declared key."""

    def __init__(self, values: list[msgspec.Raw]) -> None:
        self._values = values
        self._sources = binaries(values)
        self._is_null = pc.equal(self._sources, _NULL_TEXT)
        self._has_nulls = pc.any(self._is_null).as_py()

    @cached_property
    def found(self) -> int:
        """How many lines have the key."""
        return len(self._values) - (sum(value is _MISSING for value in self._values) if self._has_nulls else 0)

    @property
    def key_ends(self) -> int:
        """How many keys the values seem to have."""
        return int(pc.sum(pc.count_substring_regex(self._sources, KEY_END)).as_py())

    def texts(self, *, may_be_escaped: bool) -> pa.Array:
        """Values as text, see ``jsonl_line``: strings without quotes, null as null, all else as in the source."""
        is_string = pc.starts_with(self._sources, '"')
        other = pc.if_else(self._is_null, _NULL, self._sources) if self._has_nulls else self._sources
        plain = pc.if_else(is_string, pc.binary_slice(self._sources, 1, -1), other).cast(pa.string())
        if not may_be_escaped:
            return plain
        escaped = pc.and_(is_string, pc.match_substring(self._sources, "\\"))
        if not pc.any(escaped).as_py():
            return plain
        unescaped = [msgspec.json.decode(string, type=str) for string in self._sources.filter(escaped).to_pylist()]
        return pc.replace_with_mask(plain, escaped, texts(unescaped))


def _require_clean_text(block: bytes) -> None:
    if not block.isascii():
        try:
            block.decode("utf-8")  # decoding into source text does not look at bytes inside strings
        except UnicodeDecodeError as error:
            raise DoubtfulBlockError from error
    if b"\0" in block or b"\\u0000" in block:
        raise DoubtfulBlockError


def _require_distinct_keys(block: bytes, columns: list[_Column], undeclared: list[dict[str, msgspec.Raw]]) -> None:
    """Prove by counting that no line has a key twice: the decoders keep the last of equal keys silently."""
    found = sum(column.found for column in columns) + sum(len(line) for line in undeclared)
    keys = _key_ends(block)
    if keys != found:
        keys -= sum(column.key_ends for column in columns)
        keys -= sum(key_ends(bytes(value)) for line in undeclared for value in line.values())
    if keys != found:
        raise DoubtfulBlockError


def _key_ends(block: bytes) -> int:
    codes = np.frombuffer(block, np.uint8)
    before_colon = codes[np.flatnonzero(codes == ord(":")) - 1]
    if np.isin(before_colon, _SPACES).any():
        return key_ends(block)
    return int(np.count_nonzero(before_colon == ord('"')))
