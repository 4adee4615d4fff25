"""Small files of the lake by URI: where a table lies, and atomic reads and writes of manifests.

Belongs here: the mapping from names to locations and byte-level access under the root, on disk or in an object store.
Tables' contents go through an engine; the landing zone has its own module, ``landing``.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


def is_local(location: str) -> bool:
    """Whether a location of the settings is a path on this machine."""
    return "://" not in location


def table_uri(root: str, table: str) -> str:
    """Return where a table lies: ``silver.transactions`` -> ``<root>/silver/transactions``."""
    layer, _, name = table.partition(".")
    return f"{root}/{layer}/{name}"


def _filesystem(location: str) -> tuple[FileSystem, str]:
    from pyarrow import fs

    if is_local(location):
        return fs.LocalFileSystem(), location
    filesystem, path = fs.FileSystem.from_uri(location)
    return filesystem, path


def write_text(location: str, text: str) -> None:
    """Write a small file so that readers see the old content or the new, never a part."""
    if is_local(location):
        path = Path(location)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        return
    filesystem, path_text = _filesystem(location)
    with filesystem.open_output_stream(path_text) as stream:  # an object appears whole, when the stream closes
        stream.write(text.encode())


def read_text(location: str) -> str | None:
    """Return the content of a small file, or None where there is none."""
    filesystem, path = _filesystem(location)
    try:
        with filesystem.open_input_stream(path) as stream:
            return bytes(stream.read()).decode()
    except FileNotFoundError:
        return None


def delete(location: str) -> None:
    """Delete a small file; a missing one is fine."""
    filesystem, path = _filesystem(location)
    try:
        filesystem.delete_file(path)
    except FileNotFoundError:
        return
