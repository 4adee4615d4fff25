"""What lies in the landing zone and is not in the lake: files to take in, files nobody will, unfinished ingestions.

Belongs here: comparing the listing with ``system.landing_files``. What becomes of a file is for ``ingestion``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakehouse import clock
from lakehouse.catalog.reader import Catalog
from lakehouse.delta.system_tables import FILES
from lakehouse.ingestion.manifest import ManifestFile
from lakehouse.landing.zone import open_landing, route

if TYPE_CHECKING:
    from lakehouse.landing.zone import Landing, LandingObject
    from lakehouse.settings import Settings

_READ_AT_ONCE = 8 << 20

ANSWER_KEY = "answer_key.json"
"""The one file of a landing zone that is meant to stay: the synthetic shop's own."""


@dataclass(frozen=True)
class Unroutable:
    """A file that no run takes in, and why."""

    key: str
    why: str


@dataclass
class LandingState:
    """The landing zone beside the lake.

    Attributes:
        pending: keys of files that the next run takes in: new ones and changed ones.
        known: how many files are in the lake as they are now.
        gone: keys of files the lake knows that are not in the landing zone any more; that is no fault.
        unfinished: sources whose last ingestion has not reported its days yet: it is running, or it was interrupted.
    """

    pending: list[str] = field(default_factory=list)
    unroutable: list[Unroutable] = field(default_factory=list)
    known: int = 0
    gone: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)


def landing_state(settings: Settings, lake: Catalog, sources: Sequence[str]) -> LandingState:
    """Compare the landing zone with what the lake has of it."""
    landing = open_landing(settings.landing)
    newest = _newest_versions(lake)
    state = LandingState(unfinished=[name for name in sources if _is_unfinished(settings.root, name)])
    listed = set()
    for found in sorted(landing.objects(""), key=lambda landed: landed.key):
        listed.add(found.key)
        if found.key == ANSWER_KEY:
            continue
        if why := why_unroutable(found.key, sources, settings.start_date):
            state.unroutable.append(Unroutable(found.key, why))
        elif _is_pending(landing, found, newest.get(found.key)):
            state.pending.append(found.key)
        else:
            state.known += 1
    state.gone = sorted(newest.keys() - listed)
    return state


def _newest_versions(lake: Catalog) -> dict[str, dict[str, Any]]:
    if FILES.name not in lake.names():
        return {}
    rows = lake.rows(
        f"""
        SELECT source_file, source_version, etag, size_bytes FROM {FILES.name}
        QUALIFY row_number() OVER (PARTITION BY source_file ORDER BY batch_id DESC) = 1
        """  # noqa: S608 - a constant
    )
    return {row["source_file"]: row for row in rows}


def _is_pending(landing: Landing, found: LandingObject, known: dict[str, Any] | None) -> bool:
    """Whether a file is new or changed; one that was only written again with the same bytes is neither."""
    if known is None:
        return True
    if known["etag"] == found.etag:
        return False
    if known["size_bytes"] != found.size:
        return True
    digest = hashlib.sha256()
    with landing.open(found.key) as file:
        while part := file.read(_READ_AT_ONCE):
            digest.update(part)
    return digest.hexdigest() != str(known["source_version"])


def why_unroutable(key: str, sources: Sequence[str], start_date: dt.date) -> str | None:
    """Return why nobody takes in an object of this key, or None where a source does."""
    folder, separator, _ = key.partition("/")
    if not separator:
        return "it lies beside the sources' folders: move it into one of " + ", ".join(sources)
    if folder not in sources:
        return f"no source is called {folder}: there are {', '.join(sources)}"
    where = route(key)
    if where is None:
        return "name it <yyyy-mm-dd>….csv, .csv.gz, .jsonl, .jsonl.gz or .parquet, or put it under dt=<yyyy-mm-dd>/"
    today = clock.today()
    if not start_date <= where.landing_date <= today:
        return f"its date is not between {start_date} (LAKEHOUSE_START_DATE) and today"
    return None


def _is_unfinished(root: str, source: str) -> bool:
    manifest = ManifestFile(root, source).read()
    return manifest is not None and bool(manifest.batches or manifest.refill)
