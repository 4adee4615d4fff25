"""From a file's bytes to blocks of decoded bytes: gzip, byte order marks, encodings.

Belongs here: everything before a format's own grammar. UTF-8 and one-byte encodings stay as they are, so that a bad
byte costs its record only; every other encoding is transcoded to UTF-8 as a stream, where a bad byte costs the file.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from lakehouse.landing.reader.faults import FileRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import WriteableBuffer

_GZIP_MAGIC: Final = b"\x1f\x8b"
_LONGEST_MARK: Final = 4  # bytes of the longest byte order mark, UTF-32's
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ONE_BYTE_FAMILIES: Final = ("iso8859", "cp125")


def canonical_encoding(declared: str) -> str:
    """Python's one name for an encoding.

    Raises:
        LookupError: there is no such encoding.
    """
    name = codecs.lookup(declared).name
    return "utf-8" if name == "utf-8-sig" else name


def block_encoding(declared: str) -> str:
    """The encoding of the blocks that ``decoded_blocks`` yields: the declared one where it stays, else UTF-8."""
    name = canonical_encoding(declared)
    return name if name in ("utf-8", "ascii") or name.startswith(_ONE_BYTE_FAMILIES) else "utf-8"


def decoded_blocks(file: BinaryIO, declared: str, block_bytes: int) -> Iterator[bytes]:
    """Yield a file's content, decompressed, without its byte order mark, in the ``block_encoding``.

    Raises:
        FileRefused: broken gzip, a mark that contradicts the declared encoding, or text that cannot be transcoded.
        OSError: the storage failed.
    """
    blocks = _uncompressed(file, block_bytes)
    if block_encoding(declared) == canonical_encoding(declared):
        yield from _without_mark(blocks, canonical_encoding(declared))
    else:
        yield from _transcoded(blocks, canonical_encoding(declared))


def _uncompressed(file: BinaryIO, block_bytes: int) -> Iterator[bytes]:
    start = _read_at_least(file.read, _LONGEST_MARK, block_bytes)
    if not start.startswith(_GZIP_MAGIC):
        yield from _blocks(start, file.read, block_bytes)
        return
    with gzip.GzipFile(fileobj=_Rewound(start, file)) as unzipped:
        try:
            start = _read_at_least(unzipped.read, _LONGEST_MARK, block_bytes)
            yield from _blocks(start, unzipped.read, block_bytes)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FileRefused("gzip", str(error)) from error


def _blocks(start: bytes, read: Callable[[int], bytes], block_bytes: int) -> Iterator[bytes]:
    block = start
    while block:
        yield block
        block = read(block_bytes)


def _read_at_least(read: Callable[[int], bytes], wanted: int, block_bytes: int) -> bytes:
    """The first block: whole enough to recognise gzip and byte order marks, however short the reads are."""
    start = read(max(wanted, block_bytes))
    while start and len(start) < wanted and (more := read(wanted - len(start))):
        start += more
    return start


def _without_mark(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Drop a UTF-8 mark; refuse a mark of another encoding than the declared one."""
    start = next(blocks, b"")
    if start.startswith(_UTF16_MARKS):
        raise FileRefused("bom", f"UTF-16 byte order mark, declared {name}")
    if start.startswith(codecs.BOM_UTF8) and name != "utf-8":
        raise FileRefused("bom", f"UTF-8 byte order mark, declared {name}")
    yield start.removeprefix(codecs.BOM_UTF8)
    yield from blocks


def _transcoded(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    # Lone surrogates pass through as bytes that are not UTF-8: the record check then rejects their record only.
    surrogates = "surrogatepass" if name.startswith("utf-") else "strict"
    decoder = codecs.getincrementaldecoder(name)(surrogates)
    started = False
    try:
        for block in blocks:
            text = decoder.decode(block)
            if text and not started:
                started, text = True, text.removeprefix("\ufeff")
            yield text.encode("utf-8", surrogates)
        yield decoder.decode(b"", final=True).encode("utf-8", surrogates)
    except UnicodeError as error:
        raise FileRefused("encoding", str(error)) from error


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Rewound(io.RawIOBase):
    """A file whose start has been read already, as if it had not been; for files that cannot seek."""

    def __init__(self, start: bytes, rest: _Readable) -> None:
        self._start = start
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer).cast("B")
        data = self._start[: len(room)]
        if data:
            self._start = self._start[len(data) :]
        else:
            data = self._rest.read(len(room))
        room[: len(data)] = data
        return len(data)
