"""Reads and writes Delta commits: metadata, empty commits, history, the actions of a log.

Belongs here: single commits. Tables, as their commits define them, are in ``tables``.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from lakehouse.delta.model import Commit, TableError
from lakehouse.storage.files import create_text, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deltalake import CommitProperties, DeltaTable

    from lakehouse.delta.model import Token

_ATTEMPTS = 50
_OURS = "userMetadata"
_AT_ONCE = 16
_KNOWN_COMMIT_KEYS = {
    "timestamp",
    "operation",
    "operationParameters",
    "operationMetrics",
    "engineInfo",
    "clientVersion",
    "isolationLevel",
    "isBlindAppend",
    "readVersion",
    "txnId",
    "version",
    "userId",
    "userName",
    "tags",
    _OURS,
}


def commit_properties(metadata: Mapping[str, str] | None, token: Token | None = None) -> CommitProperties:
    """Return what delta-rs keeps with a commit."""
    from deltalake import CommitProperties, Transaction

    return CommitProperties(
        custom_metadata=dict(metadata or {}),
        app_transactions=[Transaction(token.application, token.number)] if token else None,
    )


def commit_nothing(opened: DeltaTable, location: str, token: Token | None, metadata: Mapping[str, str] | None) -> int:
    """Commit nothing but what a commit keeps, to a table that delta-rs does not write; return the version.

    Raises:
        TableError: others commit all the time.
    """
    now = int(time.time() * 1000)
    about = {"operation": "WRITE", "operationParameters": {"mode": "Append"}, "isBlindAppend": True}
    actions: list[dict[str, Any]] = [{"commitInfo": {**(metadata or {}), "timestamp": now, **about}}]
    if token is not None:
        actions.append({"txn": {"appId": token.application, "version": token.number, "lastUpdated": now}})
    text = "".join(f"{json.dumps(action, ensure_ascii=False)}\n" for action in actions)
    for _ in range(_ATTEMPTS):
        opened.update_incremental()
        if token is not None and has_happened(opened, token):
            return int(opened.version())
        version = int(opened.version()) + 1
        if create_text(f"{location}/_delta_log/{version:020}.json", text):
            return version
    raise TableError(f"{location}: others commit all the time; nothing is committed, do it again")


def has_happened(opened: DeltaTable | None, token: Token) -> bool:
    """Whether a token's number, or a later one, has been committed."""
    last = None if opened is None else opened.transaction_version(token.application)
    return last is not None and last >= token.number


def commits(location: str, newest: int, limit: int | None = None) -> list[Commit]:
    """Return a table's commits up to a version, newest first, as far back as its log goes.

    delta-rs's own history counts down from the version it has opened, and gives commits the wrong numbers where
    somebody has committed since.

    Args:
        location: where the table lies.
        newest: the version to start from.
        limit: how many commits to return at most.
    """
    last = newest - (newest + 1 if limit is None else limit)
    found: list[Commit] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # an object store takes its time for each answer
        for start in range(newest, max(last, -1), -_AT_ONCE):
            versions = range(start, max(start - _AT_ONCE, last, -1), -1)
            several = pool.map(functools.partial(log_actions, location), versions)
            for version, actions in zip(versions, several, strict=True):
                about = next((action["commitInfo"] for action in actions if "commitInfo" in action), None)
                if about is None:  # cleaned up
                    return found
                found.append(_commit(version, about))
    return found


def _commit(version: int, entry: Mapping[str, Any]) -> Commit:
    kept = json.loads(entry[_OURS]) if entry.get(_OURS, "").startswith("{") else {}
    kept |= {name: str(value) for name, value in entry.items() if name not in _KNOWN_COMMIT_KEYS}
    at = dt.datetime.fromtimestamp(entry["timestamp"] / 1000, tz=dt.UTC)
    return Commit(
        version,
        at,
        str(entry["operation"]),
        kept,
        entry.get("operationParameters") or {},
        entry.get("operationMetrics") or {},
        str(entry.get("engineInfo") or ""),
    )


def log_actions(location: str, version: int) -> list[dict[str, Any]]:
    """Return the actions of a commit; none where its file has been cleaned up."""
    text = read_text(f"{location}/_delta_log/{version:020}.json")
    return [json.loads(line) for line in (text or "").splitlines() if line]
