"""The data files of a table as its log names them: by partition, with sizes and rows.

Belongs here: what is decided from a log alone, such as which partitions need to be rewritten and which files no version
needs. What is then done with them is for ``maintenance`` and the engines.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lakehouse.delta.commits import log_actions
from lakehouse.delta.model import Partition
from lakehouse.storage.files import sizes_below

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from lakehouse.delta.model import Commit

TARGET_BYTES = 128 << 20
"""The size of a file that is neither many small ones nor one that a single core reads for long."""
SMALL_BYTES = TARGET_BYTES // 2
"""Two files below this make one; a file above it is left alone, so that no file is rewritten again and again."""


@dataclass(frozen=True)
class DataFile:
    """A file of a table's version.

    Attributes:
        path: as it stands in the log, below the table and percent-encoded.
        rows: None where its writer kept no statistics.
    """

    path: str
    partition: Partition
    size_bytes: int
    rows: int | None


def data_files(opened: DeltaTable) -> list[DataFile]:
    """Return the files of a table as it is opened."""
    import pyarrow as pa

    columns = opened.metadata().partition_columns
    found = pa.table(opened.get_add_actions(flatten=True))
    if "num_records" not in found.column_names:
        found = found.append_column("num_records", pa.nulls(found.num_rows, pa.int64()))
    wanted = ["path", "size_bytes", "num_records", *(f"partition.{name}" for name in columns)]
    return [
        DataFile(
            row["path"],
            tuple((name, _log_text(row[f"partition.{name}"])) for name in columns),
            row["size_bytes"],
            row["num_records"],
        )
        for row in found.select(wanted).to_pylist()
    ]


def by_partition(files: Iterable[DataFile]) -> dict[Partition, list[DataFile]]:
    """Group files by partition, in the partitions' order."""
    found: dict[Partition, list[DataFile]] = defaultdict(list)
    for file in files:
        found[file.partition].append(file)
    return dict(sorted(found.items(), key=lambda item: [value or "" for _, value in item[0]]))


def matches(partition: Partition, wanted: Sequence[Mapping[str, str | None]] | None) -> bool:
    """Whether a partition has the values that one of some selections names; None selects all."""
    return wanted is None or any(dict(partition).items() >= selection.items() for selection in wanted)


def is_scattered(files: Sequence[DataFile]) -> bool:
    """Whether a partition has more than one small file."""
    return sum(file.size_bytes < SMALL_BYTES for file in files) > 1


def is_ordered(files: Sequence[DataFile], ordered: Sequence[set[str]]) -> bool:
    """Whether all files of a partition come from one commit that put them in order: it has not changed since."""
    paths = {file.path for file in files}
    return any(paths <= added for added in ordered)


def put_in_order(location: str, commits: Iterable[Commit], columns: Sequence[str]) -> list[set[str]]:
    """Return the files that each Z-order of a table by some columns has added, as its log still has them.

    Args:
        location: where the table lies.
        commits: its history.
        columns: the columns of the Z-order.
    """
    wanted = zorder_parameter(columns)
    return [
        {action["add"]["path"] for action in log_actions(location, commit.version) if "add" in action}
        for commit in commits
        if commit.operation == "OPTIMIZE" and commit.parameters.get("zOrderBy") == wanted
    ]


def zorder_parameter(columns: Sequence[str]) -> str:
    """Return the columns of a Z-order as Delta writes them into a commit."""
    return json.dumps(list(columns), separators=(",", ":"))


def present(location: str, paths: Iterable[str]) -> dict[str, int]:
    """Return those of some files that are still in storage, with their sizes in bytes.

    Args:
        location: where the table lies.
        paths: percent-encoded as in a log, or as they are in storage.
    """
    sizes = sizes_below(location)
    found = {path: path if path in sizes else unquote(path) for path in paths}
    return {path: sizes[stored] for path, stored in found.items() if stored in sizes}


def _log_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dt.date):
        return value.isoformat()
    return None if value is None else str(value)
