"""Rewriting files without Spark: delta-rs writes the new ones, and one commit of our own swaps them in.

Belongs here: what stands in for delta-rs's own optimization. That one commits even if another has rewritten the same
files meanwhile, and every row is there twice; and it gives up when any day of the table is published meanwhile
(docs/decisions/0013). Here a commit goes through exactly if all the files it replaces are still in the table.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lakehouse.delta.commits import log_actions
from lakehouse.delta.data_files import TARGET_BYTES, data_files, zorder_parameter
from lakehouse.delta.model import TableError
from lakehouse.delta.tables import table_schema
from lakehouse.storage.files import create_text, delete_below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from deltalake import DeltaTable

    from lakehouse.delta.data_files import DataFile
    from lakehouse.delta.model import Partition

_FOLDER = "optimized"
"""Below the table: the new files are made in a table of their own there, of which only they are left."""
_AT_ONCE_BYTES = 64 << 20
"""Input of one write: a file of each of its partitions is in memory until it ends."""
_SORT_BYTES = 512 << 20
"""Memory of a sort, which goes on on disk."""
_ATTEMPTS = 50
_READING = {"batch_size": 1 << 15, "batch_readahead": 4, "fragment_readahead": 1}
"""In bounded memory: a file or two, and some batches of rows."""
_STATISTICS = ("delta.dataSkippingStatsColumns", "delta.dataSkippingNumIndexedCols")


def rewrite(
    reopen: Callable[[], DeltaTable],
    location: str,
    options: dict[str, str],
    partitions: Mapping[Partition, Sequence[DataFile]],
    zorder: Sequence[str],
    metadata: Mapping[str, str] | None,
) -> int:
    """Replace the files of some partitions by fewer ones with the same rows, in one commit; return its version.

    Args:
        reopen: opens the table at its newest version.
        location: where it lies.
        options: delta-rs's storage options.
        partitions: what to rewrite.
        zorder: columns to sort by along a Z-order; none to keep the order.
        metadata: kept with the commit.

    Raises:
        TableError: another commit has replaced some of the files; nothing is committed.
    """
    opened = reopen()
    name = opened.metadata().name or location
    folder = f"{_FOLDER}/{uuid.uuid4().hex}"
    old = [file for files in partitions.values() for file in files]
    try:
        adds = _written(opened, f"{location}/{folder}", options, partitions, zorder)
        _refuse_lost_rows(name, old, adds)
    except BaseException:
        delete_below(f"{location}/{folder}")
        raise
    actions = [_info(opened, old, adds, zorder, metadata), *_swap(folder, old, adds)]
    text = "".join(f"{json.dumps(action, separators=(',', ':'), ensure_ascii=False)}\n" for action in actions)
    for _ in range(_ATTEMPTS):
        newest = reopen()
        if not {file.path for file in old} <= {file.path for file in data_files(newest)}:
            delete_below(f"{location}/{folder}")
            raise TableError(
                f"{name}: files that were being rewritten have been replaced by another commit; nothing is committed, "
                "do it again"
            )
        version = int(newest.version()) + 1
        if create_text(f"{location}/_delta_log/{version:020}.json", text):
            delete_below(f"{location}/{folder}", keep={unquote(add["path"]) for add in adds})
            return version
    delete_below(f"{location}/{folder}")
    raise TableError(f"{name}: others commit all the time; nothing is committed, do it again")


def _written(
    opened: DeltaTable,
    scratch: str,
    options: dict[str, str],
    partitions: Mapping[Partition, Sequence[DataFile]],
    zorder: Sequence[str],
) -> list[dict[str, Any]]:
    """Write the rows of some partitions into a table of their own; return its files as its log adds them."""
    from deltalake import DeltaTable, write_deltalake
    from pyarrow.dataset import FileSystemDataset

    about = opened.metadata()
    copy = DeltaTable.create(
        scratch,
        table_schema(opened),
        partition_by=about.partition_columns,
        configuration={name: value for name, value in about.configuration.items() if name in _STATISTICS},
        storage_options=options,
    )
    source = opened.to_pyarrow_dataset()
    fragments = {fragment.path: fragment for fragment in source.get_fragments()}
    for group in _groups(partitions):
        chosen = FileSystemDataset(
            [fragments[unquote(file.path)] for file in group], source.schema, source.format, source.filesystem
        )
        rows = chosen.scanner(**_READING).to_reader()
        write_deltalake(copy, rows, mode="append", target_file_size=TARGET_BYTES)
    if zorder:
        copy.optimize.z_order(
            list(zorder), target_size=TARGET_BYTES, max_concurrent_tasks=1, max_spill_size=_SORT_BYTES
        )
    active = {file.path for file in data_files(copy)}
    actions = [action for version in range(1, copy.version() + 1) for action in log_actions(scratch, version)]
    return [action["add"] for action in actions if action.get("add", {}).get("path") in active]


def _groups(partitions: Mapping[Partition, Sequence[DataFile]]) -> Iterator[list[DataFile]]:
    """Group partitions, whole ones, to what one write takes."""
    group: list[DataFile] = []
    for files in partitions.values():
        if group and sum(file.size_bytes for file in (*group, *files)) > _AT_ONCE_BYTES:
            yield group
            group = []
        group += files
    if group:
        yield group


def _refuse_lost_rows(name: str, old: Sequence[DataFile], adds: Sequence[Mapping[str, Any]]) -> None:
    """See that the new files have as many rows as the old ones."""
    before = [file.rows for file in old]
    after = sum(json.loads(add["stats"])["numRecords"] for add in adds)
    if None not in before and sum(rows for rows in before if rows is not None) != after:
        raise TableError(f"{name}: {after} rows were written of {before}; nothing is committed")


def _swap(folder: str, old: Sequence[DataFile], adds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the actions that put new files in the place of old ones; no row changes by them."""
    now = int(time.time() * 1000)
    removes = [
        {
            "path": file.path,
            "deletionTimestamp": now,
            "dataChange": False,
            "extendedFileMetadata": True,
            "partitionValues": dict(file.partition),
            "size": file.size_bytes,
        }
        for file in old
    ]
    return [
        *({"remove": remove} for remove in removes),
        *({"add": {**add, "path": f"{folder}/{add['path']}", "dataChange": False}} for add in adds),
    ]


def _info(
    opened: DeltaTable,
    old: Sequence[DataFile],
    adds: Sequence[Mapping[str, Any]],
    zorder: Sequence[str],
    metadata: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Return what the commit says of itself, in the words of Spark's."""
    return {
        "commitInfo": {
            **(metadata or {}),
            "timestamp": int(time.time() * 1000),
            "operation": "OPTIMIZE",
            "operationParameters": {"predicate": "[]", "zOrderBy": zorder_parameter(zorder)},
            "operationMetrics": {
                "numRemovedFiles": str(len(old)),
                "numRemovedBytes": str(sum(file.size_bytes for file in old)),
                "numAddedFiles": str(len(adds)),
                "numAddedBytes": str(sum(add["size"] for add in adds)),
            },
            "readVersion": int(opened.version()),
            "isolationLevel": "SnapshotIsolation",
            "isBlindAppend": False,
            "engineInfo": "lakehouse",
        }
    }
