"""The Dagster home of this lakehouse: a folder with its ``dagster.yaml`` and its databases.

What the settings say belongs in ``dagster.yaml`` beside this file. Where the home lies is the caller's to say.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from dagster import DagsterInstance
from filelock import FileLock

SETTINGS = "dagster.yaml"
TEMPLATE = Path(__file__).with_name(SETTINGS)
_MARK = "# Written by lakehouse and brought up to date by it, unless you edit it. Checksum: "
_FORMER_MARKS = (
    "# Written by instance/home.py and brought up to date by it, unless you edit it. Checksum: ",  # 0.1.0
)


def prepare_home(home: Path) -> None:
    """Make a folder a Dagster home that any number of processes may open, such as ``dagster dev``.

    Safe to repeat, and cheap when there is nothing to do. A ``dagster.yaml`` that a person wrote or edited stays as it
    is.

    Args:
        home: the folder, created when missing. Its name is written into the settings: prepare a moved home again.
    """
    home = home.expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / ".prepare.lock"):
        _write_settings(home)
        if not all(database.exists() for database in _databases(home)):
            # Two processes that open a fresh home at once would both create its databases, and one would fail.
            DagsterInstance.from_config(str(home)).dispose()


def open_instance(home: Path) -> DagsterInstance:
    """Open the Dagster instance of a home, preparing it first. Use it as a context manager, to close its files."""
    prepare_home(home)
    return DagsterInstance.from_config(str(home.expanduser().resolve()))


def copy_home(home: Path, copy: Path) -> None:
    """Make a folder a home that knows what another one knows now: runs, what is materialized, cursors.

    The messages of single runs are left out. What the copy is used for does not reach the home it is made from.

    Raises:
        FileNotFoundError: the home keeps its history elsewhere, as in PostgreSQL, so that there is nothing to copy.
    """
    databases = [database for database in _databases(home) if database.exists()]
    if not databases and (home / SETTINGS).exists():
        raise FileNotFoundError(f"{home} keeps its history in no database of its own ({SETTINGS} says where)")
    for database in databases:
        target = copy / database.relative_to(home)
        target.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(database)) as here, closing(sqlite3.connect(target)) as there:
            here.backup(there)
    prepare_home(copy)


def _databases(home: Path) -> list[Path]:
    """List what opening an instance creates."""
    return [home / "history" / "runs.db", home / "history" / "runs" / "index.db", home / "schedules" / "schedules.db"]


def _write_settings(home: Path) -> None:
    path = home / SETTINGS
    if path.exists() and not _is_ours(path.read_text(encoding="utf-8")):
        return
    event_log = json.dumps(str(home / "history" / "runs"))  # a JSON string is a YAML string, whatever the path holds
    body = TEMPLATE.read_text(encoding="utf-8").replace("EVENT_LOG_DIRECTORY", event_log)
    settings = f"{_MARK}{_checksum(body)}\n{body}"
    if not path.exists() or path.read_text(encoding="utf-8") != settings:
        draft = path.with_suffix(".draft")
        draft.write_text(settings, encoding="utf-8")
        draft.replace(path)


def _is_ours(settings: str) -> bool:
    """Say whether a file is as this module wrote it: with a mark of its own, and the checksum of what follows."""
    first_line, _, body = settings.partition("\n")
    return first_line in {mark + _checksum(body) for mark in (_MARK, *_FORMER_MARKS)}


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
