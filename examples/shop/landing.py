"""Writing landing files: into place or into a later wave's staging folder, atomically, hashed on the way.

Paths, temporary names and hashing belong here. What is in a file does not: that is the sources' modules.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

FIRST_WAVE = 1
CORRECTIONS = 2  # the wave of corrected, late and re-sent files
STAGING = ".later"


class Sink(Protocol):
    """Anything bytes can be written to."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Write the bytes and return how many they are."""


@dataclass
class Receipt:
    """What is known of a file once it is written."""

    sha256: str = ""
    size_bytes: int = 0


@dataclass
class _HashingSink:
    """A file that hashes and counts what is written to it."""

    file: BinaryIO
    size_bytes: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def write(self, data: bytes | memoryview, /) -> int:
        """Write, hash and count."""
        self.digest.update(data)
        written = self.file.write(data)
        self.size_bytes += written
        return written

    def flush(self) -> None:
        """Flush the file; gzip calls this."""
        self.file.flush()


def folder_of(out: Path, wave: int) -> Path:
    """Return the root under which a wave's files are first written."""
    return out if wave == FIRST_WAVE else out / STAGING / str(wave)


@contextmanager
def new_file(path: Path, *, compress: bool = False) -> Iterator[tuple[Sink, Receipt]]:
    """Write a file that appears under its name only when it is whole.

    Args:
        path: Where the file goes.
        compress: Whether to gzip it; the stream carries no name and no time, so equal content is equal bytes.

    Yields:
        The sink to write to, and a receipt that is filled in when the block ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    receipt = Receipt()
    with unfinished.open("wb") as file:
        sink = _HashingSink(file)
        if compress:
            with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=sink, mtime=0) as packed:
                yield packed, receipt
        else:
            yield sink, receipt
    receipt.sha256, receipt.size_bytes = sink.digest.hexdigest(), sink.size_bytes
    unfinished.replace(path)


def write_bytes(path: Path, content: bytes) -> Receipt:
    """Write a small file whole."""
    with new_file(path) as (sink, receipt):
        sink.write(content)
    return receipt


def copy_into_place(source: Path, target: Path) -> bool:
    """Copy a file so that it appears under its name only when it is whole.

    Returns:
        Whether anything was copied; a target with the same bytes is left alone.
    """
    if target.exists() and target.stat().st_size == source.stat().st_size and _digest(target) == _digest(source):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}")
    shutil.copyfile(source, unfinished)
    unfinished.replace(target)
    return True


def _digest(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
