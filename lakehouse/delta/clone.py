"""A copy of a lake to try something on: it shares the lake's data files, and nothing done to it reaches the lake.

Belongs here: which files a copy needs, and how it gets them. What is tried on it is for the commands.

A data file and a commit never change once they are written, so on disk the copy has links to them: it takes a moment
and no space. From an object store the files are fetched, those of the newest version only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

from lakehouse.delta.data_files import data_files
from lakehouse.delta.model import SCHEMAS
from lakehouse.delta.tables import is_written
from lakehouse.storage.files import delta_options, is_local, names_below, opened, read_text, table_uri, write_text

_LOG, _NEWEST_CHECKPOINT = "_delta_log", "_last_checkpoint"
_VERSION = re.compile(r"(\d{20})\.")
_AT_ONCE = 16


def clone(root: str, folder: Path) -> dict[str, int]:
    """Copy every table of a lake, as it is now, into a folder; return their versions, of those ever written."""
    names = [f"{schema}.{name}" for schema in SCHEMAS for name in names_below(f"{root}/{schema}")]
    tables = [name for name in names if not name.endswith(".json") and name != "system.manifests"]
    for name in names_below(f"{root}/system"):
        if name.endswith(".json"):
            write_text(f"{folder}/system/{name}", read_text(f"{root}/system/{name}") or "")
    for name in names_below(f"{root}/system/manifests"):
        write_text(f"{folder}/system/manifests/{name}", read_text(f"{root}/system/manifests/{name}") or "")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(lambda table: _clone_table(root, str(folder), table), tables))
    return {table: version for table, version in zip(tables, found, strict=True) if version is not None}


def _clone_table(root: str, folder: str, table: str) -> int | None:
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    here, there = table_uri(root, table), table_uri(folder, table)
    try:
        found = DeltaTable(here, storage_options=delta_options(root))
    except TableNotFoundError:
        return None
    version = found.version()
    log = [name for name in _log_needed(here) if int(name[:20]) <= version]
    _fetch(here, there, [f"{_LOG}/{name}" for name in log])
    if newest := read_text(f"{here}/{_LOG}/{_NEWEST_CHECKPOINT}"):
        write_text(f"{there}/{_LOG}/{_NEWEST_CHECKPOINT}", newest)  # a file that is written over: never a link
    _fetch(here, there, [unquote(file.path) for file in data_files(found)])
    return version if is_written(found) else None


def _log_needed(location: str) -> list[str]:
    """Return the files of a table's log from its newest checkpoint on."""
    newest = read_text(f"{location}/{_LOG}/{_NEWEST_CHECKPOINT}")
    first = int(json.loads(newest)["version"]) if newest else 0
    names = names_below(f"{location}/{_LOG}")
    return [name for name in names if (match := _VERSION.match(name)) and int(match[1]) >= first]


def _fetch(here: str, there: str, paths: Sequence[str]) -> None:
    """Bring some files of a table, by their paths in storage, into the copy's folder."""
    for folder in {str(Path(there, path).parent) for path in paths}:
        Path(folder).mkdir(parents=True, exist_ok=True)
    if is_local(here):
        for path in paths:
            Path(there, path).symlink_to(Path(here, path))
        return
    import obstore

    def fetch(path: str) -> None:
        with opened(f"{here}/{path}") as (store, key), Path(there, path).open("wb") as file:
            file.writelines(obstore.get(store, key))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(fetch, paths))
