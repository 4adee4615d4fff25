"""What tables hold, as one exact hash each: equal hashes mean the same rows, in whatever order, files and store.

Belongs here: comparing lakes with each other. What a table has to hold is for the tests of the table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from lakehouse.catalog.reader import Catalog

LAYERS = ("bronze.", "silver.", "gold.")
OF_THE_RUN = ("ingestion_timestamp", "first_seen", "closed_at")
"""Columns that say when something was done, and differ with every run."""


def content_hashes(root: str, without: Collection[str] = OF_THE_RUN) -> dict[str, str]:
    """Return the hash of every bronze, silver and gold table of a lake, on disk or on an object store."""
    lake = Catalog(root)
    return {name: content_hash(lake.read(name), without) for name in lake.names() if name.startswith(LAYERS)}


def content_hash(table: pa.Table, without: Collection[str] = ()) -> str:
    """Return the sha256 of a table's rows as a multiset, of its columns' names and of their types."""
    columns = [name for name in table.column_names if name not in without]
    digest = hashlib.sha256(repr([(name, str(table.schema.field(name).type)) for name in columns]).encode())
    if table.num_rows:
        rows = _joined([_encoded(table[name].combine_chunks()) for name in columns], "")
        for row in rows.take(pc.sort_indices(rows)).to_pylist():
            digest.update(row.encode())
    return digest.hexdigest()


def _encoded(values: pa.Array) -> pa.Array:
    """Return values as ``<length>:<text>`` and nulls as ``-``, so that rows joined from them stay apart."""
    if types.is_floating(values.type):
        raise TypeError("a float has no exact text; no table here has one")
    if types.is_nested(values.type):
        texts = pa.array([None if item is None else json.dumps(item, default=str) for item in values.to_pylist()])
    else:
        texts = (values.cast(pa.int64()) if types.is_timestamp(values.type) else values).cast(pa.string())
    texts = texts.cast(pa.large_string())
    lengths = pc.binary_length(texts).cast(pa.large_string())
    return pc.fill_null(_joined([lengths, texts], ":"), "-")


def _joined(columns: list[pa.Array], separator: str) -> pa.Array:
    return pc.binary_join_element_wise(*columns, pa.scalar(separator, pa.large_string()))
